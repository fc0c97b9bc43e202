"""Flags as a worker reads them: values, decisions, gates, callbacks, and what a read costs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flag_documents import NOON, asks, flag, needs, rule, typed_flag
from flags_page import SECOND, Clock, Page
from switchover_kit import Changed, Flags
from switchover_kit import flags as own_flags
from switchover_kit.following import MOST_READS
from switchover_kit.snapshot import MOST_UNKNOWN

Reading = Callable[..., tuple[Flags, Page]]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """Return what opens flags on a page of its own, without a thread."""

    def opened(environ: dict[str, str] | None = None, **flags: Any) -> tuple[Flags, Page]:
        clock = Clock()
        page = Page(tmp_path / "live", clock, flags)
        return Flags(page.path, push=False, environ=environ or {}, clock=clock), page

    return opened


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let `flags()` begin as in a process that was just started."""
    module = sys.modules["switchover_kit.flags"]
    monkeypatch.setattr(module, "_own", None)
    monkeypatch.delenv("SWITCHOVER_FLAGS", raising=False)
    yield monkeypatch
    if module._own is not None:
        module._own.close()


@pytest.mark.requirement("FLAG-11")
def test_two_lines_in_a_plain_server_read_the_page_that_the_environment_names(
    started: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = Page(tmp_path / "live", time.monotonic_ns, {"PROMPT_MODE": flag("on")})
    started.setenv("SWITCHOVER_FLAGS", str(page.path))
    assert own_flags(push=False).value("PROMPT_MODE", "off") == "on"
    assert own_flags(push=False) is own_flags(push=False)


@pytest.mark.requirement("FLAG-11")
@pytest.mark.usefixtures("started")
def test_the_same_two_lines_answer_the_default_without_switchover_and_say_so_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [own_flags().value("PROMPT_MODE", "compact") for _ in range(200)] == ["compact"] * 200
    assert own_flags().trouble == "SWITCHOVER_FLAGS is not set, so there is no daemon to ask"
    heard = capsys.readouterr()
    assert heard.err == (
        "switchover_kit: flags answer their safe values: SWITCHOVER_FLAGS is not set, so there is no daemon to ask\n"
    )
    assert heard.out == ""


@pytest.mark.requirement("FLAG-11")
def test_a_path_that_is_not_absolute_is_trouble_and_no_error(started: pytest.MonkeyPatch) -> None:
    started.setenv("SWITCHOVER_FLAGS", "flags/live")
    assert own_flags().value("K", 1) == 1
    assert own_flags().trouble == "SWITCHOVER_FLAGS is 'flags/live'; it must be an absolute path"


@pytest.mark.requirement("FLAG-11")
def test_a_value_is_the_flags_and_the_default_is_for_flags_that_there_are_not(reading: Reading) -> None:
    flags, _ = reading(F=flag("on"), N=typed_flag("int", 0, 7))
    assert (flags.value("F"), flags.value("F", "other"), flags["N"]) == ("on", "on", 7)
    assert (flags.value("ABSENT", "x"), flags["ABSENT"]) == ("x", None)
    assert sorted(flags) == ["F", "N"]
    assert "F" in flags
    assert "ABSENT" not in flags


@pytest.mark.requirement("FLAG-11")
@pytest.mark.parametrize("key", [None, 7, [], {}, object(), "", "\ud800"])
def test_a_key_of_a_wrong_kind_gets_the_default_and_no_error(reading: Reading, key: Any) -> None:
    flags, _ = reading(F=flag("on"))
    assert flags.value(key, "default") == "default"
    assert flags.decide(key).value is None
    assert flags.value_for(key, "subject", None, "default") in {"default", None}
    assert flags.is_open(key) is False


@pytest.mark.requirement("FLAG-11")
def test_attributes_of_a_wrong_kind_get_the_safe_value_and_no_error(reading: Reading) -> None:
    flags, _ = reading(F=flag("on", targeting={"rules": [rule(asks("plan", "eq", "pro"))]}))
    attributes: Any = 5
    decision = flags.decide("F", "subject", attributes)
    assert (decision.value, decision.step) == ("off", "invalid")


@pytest.mark.requirement("FLAG-11")
def test_reads_look_at_the_clock_once_for_many_and_at_nothing_else(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, page = reading(F=flag("on"))
    looks = 0
    look = flags._look

    def counted(**how: Any) -> None:
        nonlocal looks
        looks += 1
        look(**how)

    monkeypatch.setattr(flags, "_look", counted)
    before = page.clock.asked
    for _ in range(100 * MOST_READS):
        flags.value("F")
    assert looks < 120
    assert page.clock.asked - before == looks


@pytest.mark.requirement("FLAG-11")
def test_an_object_is_the_readers_own(reading: Reading) -> None:
    flags, _ = reading(F=typed_flag("object", {}, {"list": [1]}))
    flags.value("F")["list"].append(2)
    flags.decide("F").value["list"].append(3)
    assert flags.value("F") == flags.decide("F").value == {"list": [1]}


@pytest.mark.requirement("FLAG-11")
def test_a_value_that_depends_on_the_clock_is_not_kept(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    morning = {"op": "time_of_day", "from": "06:00", "to": "12:00", "zone": "UTC"}
    flags, _ = reading(F=flag(targeting={"rules": [rule(morning)]}), G=flag("on", prerequisites=[needs("F", "on")]))
    for hour, value in ((-1, "on"), (0, "off"), (-2, "on")):
        monkeypatch.setattr("switchover_kit.snapshot.time", lambda hour=hour: NOON + 3600 * hour)
        assert [flags.value("F"), flags.value("G")] == [value, value]


@pytest.mark.requirement("FLAG-11")
def test_decisions_are_for_one_subject_and_name_their_step(reading: Reading) -> None:
    targeting = {
        "allow": {"value": "on", "keys": ["friend"]},
        "rules": [rule(asks("plan", "eq", "pro"), value="other")],
    }
    flags, _ = reading(F=flag(targeting=targeting))
    assert flags.decide("F", "friend")[:2] == ("on", "allow")
    assert flags.decide("F", "anybody", {"plan": "pro"})[:2] == ("other", "rule")
    assert flags.value_for("F", "anybody") == flags.value("F") == "off"
    assert flags.decide("ABSENT")[:2] == (None, "missing")
    assert flags.value_for("ABSENT", "anybody", default="x") == "x"


@pytest.mark.requirement("FLAG-11")
@pytest.mark.parametrize(
    ("kind", "value", "opens"),
    [("bool", True, True), ("bool", False, False), ("int", 1, False), ("string", "true", False), ("float", 1.0, False)],
)
def test_only_true_opens_a_gate(reading: Reading, kind: str, value: Any, opens: bool) -> None:  # noqa: FBT001
    flags, _ = reading(F=typed_flag(kind, value, value))
    assert flags.is_open("F", "anybody") is opens
    assert flags.is_open("ABSENT") is False


@pytest.mark.requirement("FLAG-11")
def test_unknown_keys_are_remembered_only_so_far(reading: Reading) -> None:
    flags, _ = reading(F=flag())
    for number in range(MOST_UNKNOWN + 50):
        flags.value(f"unknown-{number}")
    assert len(flags._values) == MOST_UNKNOWN
    assert flags.take_read() == []


@pytest.mark.requirement("FLAG-12")
def test_the_read_after_a_publication_has_the_new_value(reading: Reading) -> None:
    flags, page = reading(F=flag("on"))
    for value in ("off", "other", "on") * 50:
        version = page.publish({"F": flag(value)})
        assert flags.value("F") == value
        assert flags.decide("F").value == value
        assert flags.version == version


@pytest.mark.requirement("FLAG-12")
def test_a_page_that_moved_to_a_larger_file_is_followed(reading: Reading) -> None:
    flags, page = reading(F=flag("on"))
    many = {f"F{number}": flag() for number in range(500)}
    page.publish({**many, "F": flag("other")})
    assert (flags.value("F"), flags.trouble) == ("other", None)
    page.publish({f"G{number}": flag() for number in range(2000)} | {"F": flag("off")})
    assert (flags.value("F"), flags.trouble) == ("off", None)
    page.publish({"F": flag("on")})
    assert flags.value("F") == "on"


@pytest.mark.requirement("FLAG-12")
@pytest.mark.usefixtures("hurried")
def test_threads_read_side_by_side_and_none_goes_back_to_an_older_value(reading: Reading) -> None:
    flags, page = reading(N=typed_flag("int", 0, 0))
    last, wrong, begun = 3000, [], threading.Barrier(5)

    def read() -> None:
        begun.wait(20)
        before = 0
        for _ in range(2_000_000):
            value = flags.value("N")
            if not isinstance(value, int) or value < before:
                wrong.append((before, value))
                return
            before = value
            if value == last:
                return
        wrong.append("never saw the last")

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    begun.wait(20)
    for number in range(1, last + 1):
        page.publish({"N": typed_flag("int", 0, number)})
    for reader in readers:
        reader.join(40)
    assert wrong == []
    assert flags.value("N") == last


@pytest.mark.requirement("FLAG-12")
def test_a_read_in_the_middle_of_another_ones_look_does_not_wait(reading: Reading) -> None:
    flags, page = reading(F=flag("on"))
    page.publish({"F": flag("off")})
    with flags._lock:  # as when a signal handler reads flags while the thread it interrupted is applying them
        assert flags.value("F") == "on"
        assert flags.trouble is None
    assert flags.value("F") == "off"


@pytest.mark.requirement("FLAG-19")
def test_a_callback_hears_what_changed_once(reading: Reading) -> None:
    flags, page = reading(F=flag("on"), G=flag("on"), OLD=flag("on"))
    heard: list[Changed] = []
    end = flags.on_change(heard.append)
    version = page.publish({"F": flag("off"), "G": flag("on"), "NEW": flag("on")})
    for _ in range(5):
        flags.value("F")
    assert [(one.version, one.trouble) for one in heard] == [(version, None)]
    assert heard[0].changes == (("F", "on", "off"), ("NEW", None, "on"), ("OLD", "on", None))
    end()
    page.publish({"F": flag("on")})
    flags.value("F")
    assert len(heard) == 1


@pytest.mark.requirement("FLAG-19")
def test_a_callback_hears_of_a_change_that_no_plain_value_shows(reading: Reading) -> None:
    flags, page = reading(F=flag())
    heard: list[Changed] = []
    flags.on_change(heard.append)
    version = page.publish({"F": flag(targeting={"deny": ["somebody"]})})
    flags.value("F")
    assert [(one.version, one.changes) for one in heard] == [(version, ())]


@pytest.mark.requirement("FLAG-19")
def test_a_callback_that_fails_is_said_and_harms_nobody(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    flags, page = reading(F=flag("on"))
    heard: list[str] = []

    def failing(_: Changed) -> None:
        raise RuntimeError("its own business")

    flags.on_change(failing)
    flags.on_change(lambda _: heard.append(flags.value("F")))  # a callback may read
    page.publish({"F": flag("off")})
    assert flags.value("F") == "off"
    assert heard == ["off"]
    assert "RuntimeError: its own business" in capsys.readouterr().err


@pytest.mark.requirement("FLAG-19")
def test_a_callback_hears_of_safe_values_and_of_their_end(reading: Reading) -> None:
    flags, page = reading(F=flag("on"))
    heard: list[Changed] = []
    flags.on_change(heard.append)
    page.clock.now += 4 * SECOND
    flags.value("F")
    page.writer.beat()
    page.clock.now += SECOND
    assert flags.value("F") == "on"
    gone = "the daemon has given no sign of life for 3 s"
    told = [(one.version, one.changes, one.trouble) for one in heard]
    assert told == [(1, (("F", "on", "off"),), gone), (1, (("F", "off", "on"),), None)]


@pytest.mark.requirement("FLAG-19")
def test_a_callback_hears_what_follows_from_a_change_of_another_flag(reading: Reading) -> None:
    stop = typed_flag("bool", safe=False, value=False, kill_switch=True)
    flags, page = reading(F=flag("on", prerequisites=[needs("G", "on")]), G=flag("on"), H=flag("other"), STOP=stop)
    heard: list[Changed] = []
    flags.on_change(heard.append)
    now = {"F": flag("on", prerequisites=[needs("G", "on")]), "G": flag("off"), "H": flag("other"), "STOP": stop}
    page.publish(now)
    flags.value("F")
    page.publish(now | {"STOP": {**stop, "value": True}})
    flags.value("F")
    follows = [(("F", "on", "off"), ("G", "on", "off")), (("H", "other", "off"), ("STOP", False, True))]
    assert [one.changes for one in heard] == follows


@pytest.mark.requirement("FLAG-11")
def test_the_first_call_decides_whether_there_is_a_thread_until_one_is_asked_for(
    started: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = Page(tmp_path / "live", time.monotonic_ns, {"F": flag("on")})
    started.setenv("SWITCHOVER_FLAGS", str(page.path))
    threads = [(own_flags(push=push).value("F"), threading.active_count()) for push in (False, None, True, False, None)]
    one = threads[0][1]
    assert threads == [("on", one), ("on", one), ("on", one + 1), ("on", one + 1), ("on", one + 1)]
