"""From the sample that proves a canary bad to the last call that is routed to it, at 5,000 calls a second.

    python bench/rollback.py [--quick]

A daemon, real workers, callers over its socket, a plan with one step at 50 %, every call assigned by itself.  Each
canary turns bad at a moment drawn at random: three of ten of its answers say that the tool failed, until the guard has
enough.  The beginning is the time of the look that says "regression", taken at the sample that proves it; the end is
the acceptance of the last call that the canary was given, by the daemon's own samples and, since those may be dropped,
not before the last one that a caller sent and the canary answered.  Below zero: none was given to it after the proof.
The load fails when any call is not answered exactly once.  The rate is that of the rollbacks themselves: from when a
canary turns bad, or is sent its first call, until the daemon has said that it is rolled back.

Beside it, in this process: what `urge` takes until the table is another one, while the journal writes without a pause.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.daemon import Daemon, serve
from bench.figures import Report
from bench.processes import LOAD_CORE, ROOT, cpu_seconds, on_core, wait_until
from bench.rollback_load import RATE, enough_callers, under_load
from bench.rollback_urge import urged
from bench.timeline import Done, read

REPEATS, QUICK_REPEATS = 40, 6
SEED = 7
TURNS = (0.6, 1.2)
"""Seconds after it was asked for in which a canary turns bad."""
ENDS = 20.0
"""Seconds in which a bad canary has to be rolled back."""
EACH = 3.0
"""Seconds of load for each rollout: its worker's start, the time until it turns, the proof."""
CANARY = on_core(LOAD_CORE, (sys.executable, "-S", "-I", str(ROOT / "bench" / "turning_worker.py")))
CONFIG = '[routing]\nassign_by_call = ["*"]\n'
PLAN = """
on_missing_data = "wait"
on_inconclusive = "go_on"
steps = [{ weight = 50, pause = "10m" }]
limits = [
  { metric = "error", margin = 0.05, min_samples = 30 },
  { metric = "duration", most = 60000.0, statistic = "p95", min_samples = 30 },
]
[rehearsal]
run = false
"""
TARGETS = {"last_call_ms.p99": "<= 20", "calls_per_s": f">= {RATE}"}


@dataclass(frozen=True)
class RolledBack:
    """One rollout's end.

    Attributes:
        generation: who was the canary.
        proved: when it was proved bad, Unix seconds of the daemon.
        turned: when it turned bad, monotonic nanoseconds.
        over: when the daemon had said that it is rolled back, likewise.
    """

    generation: int
    proved: float
    turned: int
    over: int


def begin(daemon: Daemon, plan: Path, name: str, turns: float) -> None:
    """Roll out a version that turns bad at a moment of the monotonic clock, seconds."""
    body = {"plan": str(plan), "command": list(CANARY), "cwd": str(ROOT), "id": name, "force": True, "force_plan": True}
    daemon.ask("POST", "/v1/rollout", {**body, "env": {"BENCH_TURNS_AT": str(turns)}})


def one(daemon: Daemon, plan: Path, number: int, rng: random.Random) -> RolledBack:
    """Roll out a version that turns bad, and wait until it is rolled back."""
    turns = time.monotonic() + rng.uniform(*TURNS)
    name = f"bad-{number}"
    begin(daemon, plan, name, turns)
    seen: dict[str, Any] = {}

    def is_over() -> bool:
        time.sleep(0.1)  # each question costs the daemon a millisecond of what is measured
        seen.update(daemon.ask("GET", "/v1/rollout"))
        return bool(seen["rollout"]["over"])

    wait_until(is_over, f"the end of rollout {name}", ENDS)
    over = time.monotonic_ns()
    rollout = seen["rollout"]
    if rollout["phase"] != "rolled_back" or rollout["cause"]["metric"] != "error":
        raise SystemExit(f"rollback: {name} ended otherwise: {rollout['phase']}, {rollout['cause']['words']}")
    look = rollout["look"]
    if look is None or look["verdict"] != "regression":
        raise SystemExit(f"rollback: {name} was rolled back without a look")
    return RolledBack(rollout["candidate"], look["at"], int(turns * 1e9), over)


def callers_beside_a_canary(daemon: Daemon, plan: Path) -> int:
    """Return how many callers make the calls that are wanted while a canary, which is well, has half of them."""
    begin(daemon, plan, "well", time.monotonic() + 1e6)
    wait_until(lambda: bool(daemon.ask("GET", "/v1/status")["weight"]), "the canary's first call", ENDS)
    callers = enough_callers(daemon)
    daemon.ask("POST", "/v1/rollout/abort", {})
    wait_until(lambda: bool(daemon.ask("GET", "/v1/rollout")["rollout"]["over"]), "the end of rollout well", ENDS)
    return callers


def measure(report: Report, directory: Path, repeats: int) -> None:
    """Roll back again and again, and note from proof to last call."""
    plan, config, rows = directory / "turning.toml", directory / "config.toml", directory / "rows"
    plan.write_text(PLAN)
    config.write_text(CONFIG)
    offset = time.time() - time.monotonic()  # the daemon's clock counts on from its start
    rng = random.Random(SEED)
    with serve(directory, config=config) as daemon:
        drift = time.time() - time.monotonic() - offset
        callers = callers_beside_a_canary(daemon, plan)
        with under_load(daemon, callers, rows, repeats * EACH):
            used, first = cpu_seconds(daemon.pid), time.monotonic_ns()
            ends = [one(daemon, plan, number, rng) for number in range(repeats)]
            used, last = cpu_seconds(daemon.pid) - used, time.monotonic_ns()
    report.note("callers", callers)
    answered = read(rows)
    accepted = last_accepted(directory / "state" / "samples.db")
    note(report, ends, answered, offset, accepted)
    note_rate(report, ends, answered)
    served = sum(first <= row.done <= last for row in answered)
    report.note("calls_per_s.all_the_time", served / ((last - first) / 1e9))
    report.note("daemon_us_per_call", 1e6 * used / served)
    report.note("clocks_differ_ms", 1000 * abs(drift))


def last_accepted(path: Path) -> dict[int, tuple[float, int]]:
    """Return when each generation was given its last call, by the daemon's samples, and how many there are."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT generation, max(at), count(*) FROM samples WHERE origin = 'call' GROUP BY generation"
        )
        return {generation: (at, count) for generation, at, count in found}


def note(
    report: Report,
    ends: Sequence[RolledBack],
    answered: Sequence[Done],
    offset: float,
    accepted: dict[int, tuple[float, int]],
) -> None:
    """Note the figures."""
    by_samples, by_callers, missing = [], [], 0
    for end in ends:
        served = [row for row in answered if row.generation == end.generation]
        at, count = accepted[end.generation]
        by_samples.append(1000 * (at - end.proved))
        by_callers.append(1000 * (max(row.sent for row in served) / 1e9 + offset - end.proved))
        missing += max(0, len(served) - count)
    last = sorted(max(pair) for pair in zip(by_samples, by_callers, strict=True))
    report.note("rollbacks", len(ends))
    report.note("last_call_ms.p50", statistics.median(last))
    report.note("last_call_ms.p99", last[min(len(last) - 1, len(last) * 99 // 100)], TARGETS["last_call_ms.p99"])
    report.note("last_accepted_ms.p50", statistics.median(by_samples))
    report.note("last_sent_ms.p50", statistics.median(by_callers))
    report.note("canary_samples_not_stored", missing)


def note_rate(report: Report, ends: Sequence[RolledBack], answered: Sequence[Done]) -> None:
    """Note how many calls a second were answered during the rollbacks: all together, and in the slowest one."""
    counted, lasted, rates = 0, 0.0, []
    for end in ends:
        since = max(end.turned, min(row.sent for row in answered if row.generation == end.generation))
        calls, seconds = sum(since <= row.done <= end.over for row in answered), (end.over - since) / 1e9
        counted, lasted = counted + calls, lasted + seconds
        rates.append(calls / seconds)
    report.note("calls_per_s", counted / lasted, TARGETS["calls_per_s"])
    report.note("calls_per_s.least", min(rates))
    report.note("rollback_s.p50", statistics.median((end.over - end.turned) / 1e9 for end in ends))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure rollbacks.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    quick = parser.parse_args().quick
    report = Report("rollback", quick)
    report.targets.update(TARGETS)
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        for figure, value in asyncio.run(urged(Path(name), 100 if quick else 500)).items():
            report.note(figure, value)
        measure(report, Path(name), QUICK_REPEATS if quick else REPEATS)
    for figure, value in report.figures.items():
        print(f"  {figure:<44} {value:>12g}")
    report.print()


if __name__ == "__main__":
    main()
