"""Flags without a living daemon: safe values, said once, and back by themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flag_documents import flag, needs, typed_flag
from flags_page import SECOND, Clock, Page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from switchover_kit import Flags
from switchover_kit.feed import RETRY_NS
from switchover_kit.following import MOST_READS
from switchover_kit.page import PageWriter
from switchover_kit.page_format import SLOT, SLOTS_AT

pytestmark = pytest.mark.requirement("FLAG-13")

GONE = "the daemon has given no sign of life for 3 s"
RISKY = {"F": flag("on"), "N": typed_flag("int", 1, 9)}
"""Flags that have left their safe values off and 1."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def page(tmp_path: Path, clock: Clock) -> Page:
    return Page(tmp_path / "live", clock, RISKY)


def opened(page: Page, **environ: str) -> Flags:
    return Flags(page.path, push=False, environ=environ, clock=page.clock)


def both(flags: Flags) -> tuple[Any, Any]:
    """Return the two values, after time and reads enough to look at the path again."""
    flags._clock.now += RETRY_NS  # type: ignore[attr-defined]
    for _ in range(MOST_READS):
        flags.value("F")
    return flags.value("F"), flags.value("N")


def cut_a_slot(page: Page) -> None:
    """Spoil the payload that readers read, behind the writer's back."""
    page.path.chmod(0o600)
    with page.path.open("r+b") as file:
        file.seek(page.writer._sheet.head.slot_at(1) + SLOT.size)  # type: ignore[union-attr]
        file.write(b"spoilt")


def test_a_daemon_that_stopped_is_noticed_by_the_next_read(page: Page) -> None:
    flags = opened(page)
    assert (flags.value("F"), flags.value("N")) == ("on", 9)
    page.writer.close()
    assert (flags.value("F"), flags.value("N")) == ("off", 1)
    assert flags.trouble == "the daemon has stopped"
    decision = flags.decide("F", "subject")
    assert (decision.value, decision.step, decision.reason) == ("off", "gone", "UNKNOWN")
    assert decision.detail == 'The daemon has stopped, so it answers its safe value "off".'


def test_a_daemon_that_was_killed_is_noticed_by_the_next_read_of_who_reads_rarely(page: Page) -> None:
    flags = opened(page)
    for _ in range(29):
        page.clock.now += SECOND // 10
        assert flags.value("F") == "on"
    page.clock.now += SECOND // 10
    assert flags.value("F") == "off"
    assert flags.trouble == GONE


def test_a_daemon_that_was_killed_is_noticed_within_a_bounded_number_of_reads_of_who_reads_often(page: Page) -> None:
    flags = opened(page)
    for _ in range(1000):
        flags.value("F")
    page.clock.now += 3 * SECOND
    values = [flags.value("F") for _ in range(2 * MOST_READS)]
    assert values.index("off") <= MOST_READS
    assert set(values[values.index("off") :]) == {"off"}


def test_a_decision_notices_it_as_a_plain_read_does(page: Page) -> None:
    flags = opened(page)
    page.clock.now += 3 * SECOND
    assert flags.decide("F", "subject").step == "gone"
    assert flags.is_open("F") is False


def test_a_heartbeat_from_the_future_is_none(page: Page) -> None:
    flags = opened(page)
    page.clock.now -= 3 * SECOND
    assert flags.trouble == GONE


def test_a_page_of_an_earlier_boot_is_none(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchover_kit.feed.boot_id", lambda: b"another boot id.")
    flags = opened(page)
    assert flags.trouble == "the daemon has not been started since the machine was"
    assert flags.value("F") == "off"


def test_it_is_said_once_and_the_end_of_it_as_well(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    flags = opened(page)
    page.writer.close()
    for _ in range(10):
        both(flags)
    fresh = Page(page.path, page.clock, RISKY)
    for _ in range(10):
        fresh.writer.beat()
        assert both(flags) == ("on", 9)
    assert capsys.readouterr().err.splitlines() == [
        "switchover_kit: flags answer their safe values: the daemon has stopped",
        "switchover_kit: flags answer by version 1 again",
    ]


def test_a_page_that_is_missing_gives_defaults_and_is_read_once_it_appears(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "live"
    flags = Flags(path, push=False, environ={}, clock=clock)
    assert (flags.value("F", "default"), flags.is_open("F")) == ("default", False)
    assert flags.trouble == f"there is no flags page at {path}"
    Page(path, clock, RISKY)
    assert both(flags) == ("on", 9)
    assert flags.trouble is None


def test_a_missing_page_is_looked_for_now_and_then_only(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = 0
    really = os.open

    def counted(*arguments: Any, **more: Any) -> int:
        nonlocal opens
        opens += 1
        return really(*arguments, **more)

    monkeypatch.setattr(os, "open", counted)
    flags = Flags(tmp_path / "live", push=False, environ={}, clock=clock)
    for _ in range(1000):
        clock.now += RETRY_NS // 100
        flags.value("F")
    assert opens <= 12


def test_a_new_daemon_is_followed_whatever_the_old_one_left(page: Page, clock: Clock) -> None:
    flags = opened(page)
    clock.now += 4 * SECOND  # it was killed
    assert both(flags) == ("off", 1)
    page.path.unlink()
    assert both(flags) == ("off", 1)
    PageWriter.create(page.path, page.payload({**RISKY, "F": flag("other")}), clock=clock)
    assert both(flags) == ("other", 9)


def test_a_page_that_was_removed_and_made_again_is_found_once_the_old_one_has_no_heartbeat(page: Page) -> None:
    flags = opened(page)
    page.path.unlink()
    other = Page(page.path, page.clock, {**RISKY, "F": flag("other")})
    assert flags.value("F") == "on"  # nobody has told the old page
    page.clock.now += 4 * SECOND
    other.writer.beat()
    assert both(flags) == ("other", 9)


def test_a_page_that_is_damaged_while_it_is_read_gives_safe_values_until_it_is_whole(page: Page) -> None:
    flags = opened(page)
    cut_a_slot(page)
    assert flags.value("F") == "on"  # it was read before
    late = opened(page)
    assert late.value("F", "default") == "default"  # nothing was ever read: there is no safe value to know
    assert "is damaged: snapshot 1 is not whole" in str(late.trouble)
    page.publish(RISKY)
    assert both(late) == both(flags) == ("on", 9)
    assert late.trouble is None


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{", "is no JSON"),
        (b'{"format": 2, "flags_version": 1, "flags": {}}', "has the format 2"),
        (b'{"format": 1, "flags_version": 1, "flags": []}', "flags"),
    ],
)
def test_a_document_that_cannot_be_read_gives_the_last_ones_safe_values(page: Page, payload: bytes, why: str) -> None:
    flags = opened(page)
    page.writer.publish(2, payload)
    assert both(flags) == ("off", 1)
    assert why in str(flags.trouble)
    page.publish(RISKY)
    assert both(flags) == ("on", 9)


@pytest.mark.parametrize("junk", [b"", b"not a page" * 100, bytes(4096)])
def test_what_is_no_page_is_trouble_and_no_error(tmp_path: Path, clock: Clock, junk: bytes) -> None:
    path = tmp_path / "live"
    path.write_bytes(junk)
    flags = Flags(path, push=False, environ={}, clock=clock)
    assert flags.value("F", "default") == "default"
    assert f"the flags page {path} is damaged" in str(flags.trouble)


def test_a_flag_that_the_environment_forces_stays_so_and_the_kill_switch_too(page: Page) -> None:
    flags = opened(page, SWITCHOVER_FLAG_F="other")
    page.writer.close()
    assert both(flags) == ("other", 1)
    assert flags.decide("F").step == "environment"
    stop = typed_flag("bool", safe=False, value=True, kill_switch=True)
    fresh = Page(page.path, page.clock, {**RISKY, "STOP": stop})
    assert both(flags) == ("off", 1)
    fresh.writer.close()
    assert flags.decide("F").step == "disable_new"


def test_an_invalid_flag_stays_invalid_and_one_with_prerequisites_is_safe(page: Page) -> None:
    page.publish({"BAD": {"invalid": "why not"}, "NEEDY": flag("on", prerequisites=[needs("BAD", "on")])})
    flags = opened(page)
    page.writer.close()
    assert flags.decide("BAD")[:2] == (None, "invalid")
    assert flags.decide("NEEDY")[:2] == ("off", "gone")


def test_a_head_that_is_cut_off_later_does_not_come_back(page: Page) -> None:
    flags = opened(page)
    page.writer.close()
    page.path.chmod(0o600)
    with page.path.open("r+b") as file:
        file.write(bytes(SLOTS_AT))
    assert both(flags) == ("off", 1)
    assert both(opened(page)) == (None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ["type", "values", "value", "safe", "default", "kill_switch", "prerequisites", "targeting", "env", "salt"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3), other=JSON, key=st.text(max_size=3))
def test_whatever_a_document_says_no_read_raises(page: Page, changed: dict[str, Any], other: Any, key: str) -> None:
    flags = opened(page, SWITCHOVER_FLAG_F="on", SWITCHOVER_FLAG_G="on")
    flags.on_change(lambda told: told.changes)
    page.publish({"F": {**flag("on"), **changed}, "G": other, key: flag("on", prerequisites=[needs("F", "on")])})
    flags.refresh()
    for name in ("F", "G", key):
        assert flags.decide(name, "subject", {"plan": "pro"}).value == flags.value_for(name, "subject", {"plan": "pro"})
        flags.value(name)
    page.writer.close()
    flags.refresh()
    assert {flags.decide(name).step for name in flags} <= {"gone", "environment", "disable_new", "invalid"}
    page.writer = PageWriter.create(page.path, page.payload(RISKY), clock=page.clock)
