"""From the sample that proves a canary bad to the last call that is routed to it, at 5,000 calls a second.

    python bench/rollback.py [--quick]

A daemon, real workers, callers over its socket, a plan with one step at 50 %, every call assigned by itself.  Each
canary turns bad at a moment drawn at random: three of ten of its answers say that the tool failed, until the guard has
enough.  The beginning is the time of the look that says "regression", taken at the sample that proves it; the end is
the acceptance of the last call that the canary was given, by the daemon's own samples and, since those may be dropped,
not before the last one that a caller sent and the canary answered.  Below zero: none was given to it after the proof.
The load fails when any call is not answered exactly once.

Beside it, in this process: what `urge` takes until the table is another one, while the journal writes without a pause.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.daemon import Daemon, serve
from bench.figures import Report
from bench.processes import LOAD_CORE, ROOT, cpu_seconds, on_core, wait_until
from bench.rollback_urge import urged
from bench.timeline import Done, read

RATE = 5000
"""Calls a second that are wanted."""
CALLERS, MOST_CALLERS = 80, 400
CALL_MS, SPREAD_MS = 8, 12
"""A call takes from 8 to 20 ms, each caller's always the same: callers with one delay soon call in step, and where all
wait at a time no call comes after the proof.  Together 5,700 calls a second on a machine that has nothing else to do;
with less there are more callers."""
REPEATS, QUICK_REPEATS = 40, 6
CALIBRATION = 2.0
"""Seconds in which it is found out how many callers there have to be."""
SEED = 7
TURNS = (0.4, 1.0)
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
TARGETS = {"last_call_ms.p99": "<= 20"}


@dataclass(frozen=True)
class RolledBack:
    """One rollout's end: who was the canary, and when it was proved bad, Unix seconds of the daemon."""

    generation: int
    proved: float


def one(daemon: Daemon, plan: Path, number: int, rng: random.Random) -> RolledBack:
    """Roll out a version that turns bad, and wait until it is rolled back."""
    turns = time.monotonic() + rng.uniform(*TURNS)
    name = f"bad-{number}"
    body = {"plan": str(plan), "command": list(CANARY), "cwd": str(ROOT), "id": name, "force": True, "force_plan": True}
    daemon.ask("POST", "/v1/rollout", {**body, "env": {"BENCH_TURNS_AT": str(turns)}})
    seen: dict[str, Any] = {}

    def is_over() -> bool:
        time.sleep(0.1)  # each question costs the daemon a millisecond of what is measured
        seen.update(daemon.ask("GET", "/v1/rollout"))
        return bool(seen["rollout"]["over"])

    wait_until(is_over, f"the end of rollout {name}", ENDS)
    rollout = seen["rollout"]
    if rollout["phase"] != "rolled_back" or rollout["cause"]["metric"] != "error":
        raise SystemExit(f"rollback: {name} ended otherwise: {rollout['phase']}, {rollout['cause']['words']}")
    look = rollout["look"]
    if look is None or look["verdict"] != "regression":
        raise SystemExit(f"rollback: {name} was rolled back without a look")
    return RolledBack(rollout["candidate"], look["at"])


def enough_callers(daemon: Daemon) -> int:
    """Return how many callers make the calls that are wanted here."""
    done = subprocess.run(
        load_of(daemon, CALLERS, CALIBRATION), stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    rate = json.loads(done.stdout.splitlines()[-1])["rate"]
    return max(CALLERS // 2, min(MOST_CALLERS, round(CALLERS * RATE / rate)))


def load_of(daemon: Daemon, callers: int, seconds: float) -> tuple[str, ...]:
    """Return the command of the load."""
    command = [sys.executable, str(ROOT / "bench" / "load.py"), "--unix", str(daemon.tools), "--warmup", "0"]
    command += ["--connections", str(callers), "--seconds", str(seconds)]
    command += ["--delay-ms", str(CALL_MS), "--spread-ms", str(SPREAD_MS)]
    return on_core(LOAD_CORE, command)


@contextlib.contextmanager
def under_load(daemon: Daemon, callers: int, rows: Path, seconds: float) -> Iterator[None]:
    """Have callers call meanwhile; afterwards every call was answered exactly once."""
    command = (*load_of(daemon, callers, seconds), "--timeline", str(rows))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        if load.stdout is None or load.stdout.readline() != "go\n":
            raise SystemExit(f"rollback: the load did not begin: {load.communicate(timeout=60)[1][-1000:]}")
        yield
        errors = load.communicate(timeout=seconds + 60)[1]
    if load.returncode != 0:
        raise SystemExit(f"rollback: a call was lost, doubled or wrong:\n{errors[-1500:]}")


def measure(report: Report, directory: Path, repeats: int) -> None:
    """Roll back again and again, and note from proof to last call."""
    plan, config, rows = directory / "turning.toml", directory / "config.toml", directory / "rows"
    plan.write_text(PLAN)
    config.write_text(CONFIG)
    offset = time.time() - time.monotonic()  # the daemon's clock counts on from its start
    rng = random.Random(SEED)
    with serve(directory, config=config) as daemon:
        drift = time.time() - time.monotonic() - offset
        callers = enough_callers(daemon)
        with under_load(daemon, callers, rows, repeats * EACH):
            used, begin = cpu_seconds(daemon.pid), time.monotonic_ns()
            ends = [one(daemon, plan, number, rng) for number in range(repeats)]
            used, end = cpu_seconds(daemon.pid) - used, time.monotonic_ns()
    report.note("callers", callers)
    answered = read(rows)
    accepted = last_accepted(directory / "state" / "samples.db")
    note(report, ends, answered, offset, accepted)
    served = sum(begin <= row.done <= end for row in answered)
    report.note("calls_per_s", served / ((end - begin) / 1e9))
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
