"""The figure of rollbacks judges rightly: whose call was the last, and when the version was proved bad."""

from __future__ import annotations

import json
import time

import pytest

from bench.figures import Report
from bench.rollback import RolledBack, note, note_rate
from bench.rollback_load import HEADROOM, MOST_CALLERS, RATE, enough
from bench.rollout import machine
from bench.timeline import Done
from bench.turning_worker import Peer, Turning

MS = 1_000_000
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a","delay_ms":%d}}}'


def test_the_last_call_is_the_later_one_of_what_the_daemon_accepted_and_what_a_caller_sent() -> None:
    rows = [Done(0, number * MS, (number + 1) * MS, 2 if number < 50 else 1) for number in range(100)]
    report = Report("rollback")
    ends = [RolledBack(2, 1000.040, 0, 60 * MS)]
    note(report, ends, rows, 1000.0, {2: (1000.045, 40)})
    assert report.figures["last_call_ms.p99"] == pytest.approx(9.0)
    assert report.figures["last_accepted_ms.p50"] == pytest.approx(5.0)
    assert report.figures["canary_samples_not_stored"] == 10
    assert report.misses() == []
    note(report, ends, rows, 1000.0, {2: (1000.075, 50)})
    assert report.misses() == ["last_call_ms.p99: 35, not <= 20"]


def test_the_rate_is_that_of_the_rollbacks_alone_from_the_bad_versions_first_call_after_it_turned() -> None:
    slow = [Done(0, number * MS, number * MS, 2 if number >= 20 else 1) for number in range(0, 60, 2)]
    fast = [Done(0, (100 + number) * MS, (100 + number) * MS, 3 if number < 10 else 1) for number in range(100)]
    report = Report("rollback")
    note_rate(report, [RolledBack(2, 0.0, 10 * MS, 40 * MS), RolledBack(3, 0.0, 110 * MS, 150 * MS)], slow + fast)
    assert report.figures["calls_per_s"] == pytest.approx((11 + 41) / 0.060, rel=1e-3)
    assert report.figures["calls_per_s.least"] == pytest.approx(11 / 0.020, rel=1e-3)
    assert report.misses() == [f"calls_per_s: {report.figures['calls_per_s']:g}, not >= 5000"]


def test_as_many_more_callers_are_tried_as_calls_are_missing_within_bounds() -> None:
    assert enough(80, RATE * HEADROOM) == 80
    assert enough(80, RATE * HEADROOM / 2) == 160
    assert enough(80, RATE * HEADROOM * 2) == 40
    assert enough(80, 10.0) == MOST_CALLERS


@pytest.mark.parametrize("delay_ms", [0, 5])
def test_the_worker_fails_three_calls_of_ten_once_its_time_has_come(
    delay_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_TURNS_AT", str(time.monotonic() + 1000))
    worker, peer = Turning(), Peer(0, 1)
    good = [worker.answer(peer, CALL % delay_ms) for _ in range(10)] + [given for *_, given in worker.due]
    worker.turns_at = 0.0
    worker.due.clear()
    bad = [worker.answer(peer, CALL % delay_ms) for _ in range(10)] + [given for *_, given in worker.due]
    assert not any(b"isError" in answer for answer in good)
    assert sum(json.loads(answer)["result"].get("isError", False) for answer in bad if answer) == 3


def test_the_rollout_that_is_measured_goes_through_every_phase_to_its_end() -> None:
    steps = machine(Report("rollout"), 1)
    phases = {step.state.rollout.phase.value for _, step in steps if step.state.rollout is not None}
    assert {"rehearsing", "stepping", "promoting", "baking", "done"} <= phases
