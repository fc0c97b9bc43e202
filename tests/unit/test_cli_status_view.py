"""The status for people: what it tells of lanes, generations and calls, and how it words trouble."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.api.models import GenerationStatus, Status, SwitchStatus
from orchestrator.cli.status_view import duration, is_serving, memory, milliseconds, troubles, view

pytestmark = pytest.mark.requirement("CLI-2")

NOW = 1_000_000.0


def generation(number: int, lane: str | None, **facts: Any) -> GenerationStatus:
    known: dict[str, Any] = {
        "number": number,
        "lane": lane,
        "standing": "ready",
        "command": ["worker"],
        "cwd": "/",
        "fingerprint": "f",
        "fingerprint_changed": False,
    }
    return GenerationStatus(**{**known, **facts})


def status(*generations: GenerationStatus, **facts: Any) -> Status:
    known: dict[str, Any] = {
        "version": "0.1.0",
        "pid": 1,
        "uptime": 3700.0,
        "revision": 12,
        "phase": "steady",
        "weight": 25,
        "kill_switch": False,
        "lanes": {known.lane: known.number for known in generations if known.lane},
        "generations": list(generations),
        "sessions": 3,
        "in_flight": 5,
        "waiting": 2,
        "last_switch": SwitchStatus(at=NOW - 90, revision=12, longest_gap_ms=3.214),
        "trouble": None,
        "log_file": "/log",
        "tools_socket": "/sock",
        "memory_bytes": 64 << 20,
    }
    return Status(**{**known, **facts})


def shown(told: Status) -> str:
    return "\n".join(view(told, NOW, colour=False))


BUSY = generation(
    7, "active", server="echo 2", pid=41, uptime=61.0, calls=1234, errors=5, p50_ms=0.412, p95_ms=12.34,
    restarts=2, cpu_seconds=3.21, memory_bytes=13 << 20, lost=1, expired=2,
)  # fmt: skip


def test_the_header_tells_version_routing_and_work() -> None:
    first, second = view(status(BUSY), NOW, colour=False)[:2]
    assert first == "switchover 0.1.0  up 1 h 1 min  revision 12  steady  weight 25 %  kill switch off"
    assert second == "3 sessions  5 calls in flight, 2 of them waiting  memory 64M"


def test_each_generation_has_a_row_with_all_that_is_known() -> None:
    row = next(line for line in view(status(BUSY), NOW, colour=False) if line.startswith("active"))
    assert (
        " ".join(row.split())
        == "active 7 ready echo 2 41 1 min 1 s 1234 5 0.41 ms 12.3 ms 2 3.2 s 13M 1 lost, 2 expired"
    )


def test_lanes_come_in_their_order_and_generations_without_a_lane_last() -> None:
    told = status(generation(1, "previous"), generation(2, "active"), generation(3, "canary"), generation(4, None))
    rows = [line.split()[:2] for line in view(told, NOW, colour=False)[4:8]]
    assert rows == [["active", "2"], ["canary", "3"], ["previous", "1"], ["-", "4"]]


def test_what_a_generation_without_a_process_cannot_have_is_a_dash() -> None:
    row = view(status(generation(1, "active", standing="starting")), NOW, colour=False)[4]
    assert row.split() == ["active", "1", "starting", "-", "-", "-", "0", "0", "-", "-", "0", "-", "-"]


def test_the_last_switch_comes_with_its_longest_gap() -> None:
    assert "last switch: to revision 12, 1 min 30 s ago, longest gap between two answers 3.21 ms" in shown(status(BUSY))


def test_a_switch_without_calls_around_it_has_no_gap() -> None:
    quiet = status(BUSY, last_switch=SwitchStatus(at=NOW, revision=3, longest_gap_ms=None))
    assert "last switch: to revision 3, 0 s ago, no calls around it" in shown(quiet)
    assert "last switch: none yet" in shown(status(BUSY, last_switch=None))


def test_health_shows_no_trouble() -> None:
    assert "trouble" not in shown(status(BUSY))
    assert is_serving(status(BUSY))


def test_an_active_generation_that_is_down_is_trouble_with_its_reason() -> None:
    down = status(generation(1, "active", standing="down", note="it exited with status 1"))
    assert "trouble: the active generation 1 is down (it exited with status 1)" in shown(down)
    assert not is_serving(down)


def test_no_active_generation_at_all_is_trouble() -> None:
    assert list(troubles(status())) == ["there is no active generation: calls wait"]
    assert not is_serving(status())


def test_the_daemons_own_trouble_is_shown_but_it_serves() -> None:
    told = status(BUSY, trouble="the journal cannot be written: disk full")
    assert "trouble: the journal cannot be written: disk full" in shown(told)
    assert is_serving(told)


def test_a_canary_that_is_down_does_not_make_the_active_one_unready() -> None:
    assert is_serving(status(BUSY, generation(8, "canary", standing="down")))


def test_changed_files_are_flagged_in_the_row_and_said_in_words() -> None:
    told = shown(status(generation(1, "active", fingerprint_changed=True, note="odd")))
    assert "files changed, odd" in told
    assert "trouble: the files of generation 1 have changed since it was made" in told


def test_the_kill_switch_stands_out() -> None:
    told = status(BUSY, kill_switch=True)
    assert "kill switch ON" in shown(told)
    assert "\x1b[31mkill switch ON\x1b[0m" in "\n".join(view(told, NOW, colour=True))


def test_a_long_trouble_is_wrapped_where_a_width_is_given() -> None:
    told = status(BUSY, trouble="word " * 40)
    assert all(len(line) <= 40 for line in view(told, NOW, colour=False, width=40)[6:])


def test_nothing_a_worker_says_reaches_the_screen_as_a_control_character() -> None:
    nasty = generation(1, "active", server="\x1b]0;title\x07", note="a\nb", fingerprint_changed=True)
    assert all(line.isprintable() for line in view(status(nasty, trouble="\x1b[2J"), NOW, colour=False))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min 59 s"), (3605, "1 h"),
     (86399, "23 h 59 min"), (86465, "1 d"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_durations_have_two_units_as_why_writes_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0.00 ms"), (9.994, "9.99 ms"), (12.34, "12.3 ms"), (999.4, "999 ms"), (1000.0, "1.00 s"),
     (61_234.0, "61.2 s"), (3_600_000.0, "3600 s")],
)  # fmt: skip
def test_milliseconds_have_three_figures(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


def test_memory_is_in_mebibytes_and_then_gibibytes() -> None:
    assert [memory(0), memory(64 << 20), memory(3 << 29)] == ["0M", "64M", "1.5G"]
