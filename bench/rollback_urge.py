"""A rollback's first part alone: from `Driver.urge` to another routing table, beside a journal that never rests.

Below `bench.rollback`.  The driver, the executor, the dispatcher's port and the journal are real; nobody is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections import deque
from pathlib import Path

from bench.rollout_story import a_look, planner, spec
from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.simulating.twins import ReadyFleet
from orchestrator.telemetry.clock import SystemClock
from state.journal import SqliteJournal
from state.store import OrchestratorStore


class Noting:
    """A router that notes when it was given its last table."""

    def __init__(self) -> None:
        self.table = RoutingTable()
        self.at = 0.0

    def replace(self, table: RoutingTable) -> RoutingTable:
        """Take a table."""
        replaced = self.table
        if table.revision >= replaced.revision:
            self.table, self.at = table, time.perf_counter()
        return replaced


async def urged(directory: Path, count: int) -> dict[str, float]:
    """Roll back `count` times; return milliseconds from the look to the table, and to the end of the step."""
    journal = await SqliteJournal.open(directory / "urged.db")
    store = await OrchestratorStore.open(directory / "urged-store.db")
    router, pending = Noting(), deque[ev.Event]()
    executor = Executor(router, ReadyFleet(pending), store.desired)
    driver = Driver(State(), journal, executor, SystemClock())
    deciding = asyncio.create_task(driver.run())
    routed, written = [], []
    for event in (ev.Founded(spec("1")), ev.GenerationReady(1)):
        await driver.submit(event)
    for number in range(count):
        before, after = await _once(driver, router, number)
        routed.append(before)
        written.append(after)
    deciding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await deciding
    await journal.close()
    await store.close()
    return {
        "urge.routed_ms.p50": 1000 * statistics.median(routed),
        "urge.routed_ms.p99": 1000 * sorted(routed)[count * 99 // 100],
        "urge.written_ms.p50": 1000 * statistics.median(written),
    }


async def _once(driver: Driver, router: Noting, number: int) -> tuple[float, float]:
    """Bring a canary to its first weight, have a look be written, and prove it bad in the middle of that."""
    name, plan = f"r-{number}", planner()
    asked = ev.UpgradeAsked(rollout=name, plan=plan, spec=spec("2"), salt=name, force=True)
    await driver.submit(asked)
    await driver.submit(ev.RehearsalEnded(rollout=name, failed=False, shared_state=True))
    candidate = driver.state.under_way.candidate or 0
    for event in (ev.GenerationReady(candidate), ev.Tick()):
        await driver.submit(event)
    watch = driver.state.under_way.watch
    if watch is None:
        raise SystemExit("rollback: nothing is watched")
    now = time.time()
    driver.post(ev.Looked(a_look(plan, watch, 1, now)))
    await asyncio.sleep(0)  # the driver takes it up and hands it to the journal's thread
    begin = time.perf_counter()
    driver.urge(ev.Looked(a_look(plan, watch, 2, now, Verdict.REGRESSION)))
    if router.table.canary is not None:
        raise SystemExit("rollback: the canary is routed to still")
    routed = router.at - begin
    refused = await driver.submit(ev.RollbackAsked())  # decided after all of it
    if refused.accepted and not driver.state.under_way.is_over:
        raise SystemExit("rollback: it is not over")
    return routed, time.perf_counter() - begin
