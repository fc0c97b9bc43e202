"""What a rollout costs: deciding, writing down, waiting for weeks, and going on after a crash.

    python bench/rollout.py [--quick]

- machine: `step` alone, over whole rollouts of the shipped plan `planner` with looks, ticks and people; steps a second,
  and microseconds of each kind of event.
- journal: `SqliteJournal.append` of real records, one after the other, each durable on return; beside it the same bytes
  written to a file and synced, which is what the disk takes.
- week: the driver carries `planner` (seven weeks) out on a virtual clock without any sample.
- recovery: a journal of 100,000 records is opened, checked and its newest record read into a state; with the file in
  the kernel's memory, as after a crash, and (not with --quick) without, as after a reboot.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Report
from bench.rollout_story import WEEKS, planner, rollout_events
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import record
from orchestrator.domain.rollouts.rollout import State, Step, step
from orchestrator.engine.recovery import recover
from orchestrator.simulating import Ending, recording_of, simulate
from state.journal import SqliteJournal
from state.records import checksum
from state.store import OrchestratorStore

EVENTS = 100_000
"""Records of the journal that is recovered from: more than opening keeps (`BYTES_KEPT`), so it shortens it, too."""
TARGETS = {"week.planner_ms": "<= 100", "recovery.s": "<= 1"}


def machine(report: Report, rounds: int) -> list[tuple[ev.Event, Step]]:
    """Measure `step`, and return one whole rollout's steps for the records of the others."""
    spent: dict[str, list[float]] = defaultdict(list)
    taken: list[tuple[ev.Event, Step]] = []
    for number in range(rounds):
        taken = _played(f"r-{number}", spent)
    count, total = sum(map(len, spent.values())), sum(map(sum, spent.values()))
    report.note("machine.steps_per_s", count / total)
    for name, times in sorted(spent.items()):
        report.note(f"machine.us.{name}", 1e6 * statistics.median(times))
    return taken


def _played(name: str, spent: dict[str, list[float]]) -> list[tuple[ev.Event, Step]]:
    """Play one rollout to its end; note the seconds of each event by its kind."""
    state, steps, played = State(), [], rollout_events(name)
    event, now = next(played)
    while True:
        before = time.thread_time()  # who else uses the machine is of no interest here
        outcome = step(state, event, now)
        spent[type(event).__name__].append(time.thread_time() - before)
        if not isinstance(outcome, Step):
            raise SystemExit(f"rollout: {type(event).__name__} was refused: {outcome.reason}")
        state = outcome.state
        steps.append((event, outcome))
        try:
            event, now = played.send(state)
        except StopIteration:
            return steps


async def journal(report: Report, directory: Path, texts: Sequence[str], count: int) -> None:
    """Measure appends beside what the disk takes for as many bytes."""
    opened = await SqliteJournal.open(directory / "append.db")
    times = []
    for number in range(count):
        begin = time.perf_counter()
        await opened.append(texts[number % len(texts)])
        times.append(time.perf_counter() - begin)
    await opened.close()
    _percentiles(report, "journal.append", times)
    plain = []
    with (directory / "plain").open("ab", buffering=0) as file:
        for number in range(count):
            begin = time.perf_counter()
            file.write(texts[number % len(texts)].encode())
            os.fdatasync(file.fileno())
            plain.append(time.perf_counter() - begin)
    _percentiles(report, "journal.write_and_sync", plain)
    report.note("journal.record_bytes", statistics.median(map(len, texts)))


def _percentiles(report: Report, name: str, times: list[float]) -> None:
    ordered = sorted(times)
    report.note(f"{name}_ms.p50", 1000 * statistics.median(ordered))
    report.note(f"{name}_ms.p99", 1000 * ordered[len(ordered) * 99 // 100])


def weeks(report: Report, runs: int) -> None:
    """Measure the driver on a virtual clock."""
    plan, nothing = planner(), recording_of([])
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        told = simulate(plan, nothing)
        times.append(time.perf_counter() - begin)
        if told.ending is not Ending.DONE or told.lasted < WEEKS:
            raise SystemExit(f"rollout: the simulated weeks ended otherwise: {told.ending} after {told.lasted:.0f} s")
    report.note("week.planner_ms", 1000 * statistics.median(times), TARGETS["week.planner_ms"])
    report.note("week.planner_ms.worst", 1000 * max(times))


async def recovery(report: Report, directory: Path, texts: Sequence[str], runs: int) -> None:
    """Measure the way from a long journal to a state."""
    path = directory / "journal.db"
    await (await SqliteJournal.open(path)).close()
    _fill(path, texts)
    report.note("recovery.journal_mb", path.stat().st_size / (1 << 20))
    report.note("recovery.events", EVENTS)
    times = [await _recover(directory, path, forgets=False) for _ in range(runs)]
    report.note("recovery.s", statistics.median(times), TARGETS["recovery.s"])
    report.note("recovery.s.worst", max(times))
    if not report.quick:
        report.note("recovery.after_reboot_s", await _recover(directory, path, forgets=True))


async def _recover(directory: Path, path: Path, *, forgets: bool) -> float:
    """Open, check and read once; return the seconds that took.  `forgets`: the file is not in the kernel's memory."""
    if forgets:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    store = await OrchestratorStore.open(directory / "orchestrator.db")
    begin = time.perf_counter()
    opened = await SqliteJournal.open(path)
    state = await recover(opened, store.desired)
    seconds = time.perf_counter() - begin
    await opened.close()
    await store.close()
    if state.rollout is None:
        raise SystemExit("rollout: the recovered state has no rollout")
    return seconds


def _fill(path: Path, texts: Sequence[str]) -> None:
    """Write records as `append` does, in one transaction: one sync instead of 100,000."""
    at = 1_800_000_000.0
    sums = [checksum(at, text) for text in texts]
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO records (at, record, checksum) VALUES (?, ?, ?)",
            ((at, texts[number % len(texts)], sums[number % len(texts)]) for number in range(EVENTS)),
        )
    connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a rollout costs.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    quick = parser.parse_args().quick
    report = Report("rollout", quick)
    report.targets.update(TARGETS)
    steps = machine(report, 20 if quick else 200)
    texts = [record.encode(event, done.state, done.commands, 1_800_000_000.0) for event, done in steps]
    weeks(report, 5 if quick else 31)
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        asyncio.run(journal(report, Path(name), texts, 300 if quick else 3000))
        asyncio.run(recovery(report, Path(name), texts, 3 if quick else 15))
    for figure, value in report.figures.items():
        print(f"  {figure:<44} {value:>12g}")
    report.print()


if __name__ == "__main__":
    main()
