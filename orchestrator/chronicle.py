"""What is written down and told on every step: the audit, a summary file, systemd's status line.

Above: `daemon`.  Below: `state` through `storage`, `api.report` for the summary, `telemetry`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from orchestrator.api.models import Status
from orchestrator.domain import events as ev
from orchestrator.domain.rollout import State
from orchestrator.storage import Storage
from orchestrator.telemetry.clock import SystemClock
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.sd_notify import Notify

log = get_logger("daemon")

SUMMARY = "worker_manager.json"
"""Name of the summary in `analytics/`."""


class Chronicle:
    """Follows the engine's steps; never in their way."""

    def __init__(
        self, tasks: TaskGroup, storage: Storage, notifier: Notify, analytics: Path, status: Callable[[], Status]
    ) -> None:
        """Build a chronicle.

        Args:
            tasks: where its writing runs.
            storage: holds the audit.
            notifier: tells systemd.
            analytics: directory of the summary.
            status: says how things stand.
        """
        self._tasks = tasks
        self._storage = storage
        self._notifier = notifier
        self._analytics = analytics
        self._status = status

    def stepped(self, event: ev.Event, after: State) -> None:
        """Take note of an accepted event."""
        lanes = {lane.value: number for lane, number in after.table.lanes().items()}
        log.info("step", what=type(event).__name__, revision=after.table.revision, lanes=lanes, phase=after.phase.value)
        if isinstance(event, ev.Asked):
            self._tasks.start_soon(self._audit, event, after)
        self.tell(after)
        self._tasks.start_soon(self._summarise)

    def tell(self, state: State) -> None:
        """Give systemd a line about how things stand."""
        table = state.table
        lanes = ", ".join(f"{lane.value} {number}" for lane, number in table.lanes().items())
        kill = ", kill switch on" if table.kill_switch else ""
        self._notifier.status(f"revision {table.revision}: {lanes}, weight {table.weight}{kill}")

    async def _audit(self, event: ev.Asked, after: State) -> None:
        action = type(event).__name__.removesuffix("Asked")
        try:
            await self._storage.store.audit.append(
                event.actor, action, reason=event.reason, revision=after.table.revision, detail=event.detail()
            )
        except Exception:
            log.exception("audit row not written", actor=event.actor, action=action)

    async def _summarise(self) -> None:
        text = self._status().model_dump_json(indent=2)
        try:
            await anyio.to_thread.run_sync(_write_whole, self._analytics, SUMMARY, text)
        except OSError as error:
            log.warning("summary not written", file=SUMMARY, reason=str(error))


async def feed_watchdog(notifier: Notify, is_healthy: Callable[[], bool], patience: Callable[[], float]) -> None:
    """Feed systemd's watchdog while the loop turns and the daemon is healthy, or has not been for `patience` seconds.

    That much time has a worker that is being started.
    """
    interval = notifier.watchdog_interval()
    if interval is None:
        return
    clock = SystemClock()
    healthy = clock.monotonic()
    while True:
        if is_healthy():
            healthy = clock.monotonic()
        if clock.monotonic() - healthy <= patience():
            notifier.watchdog()
        await anyio.sleep(interval)


def _write_whole(folder: Path, name: str, text: str) -> None:
    """Replace a file so that a reader sees the old or the new one, never half."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f".{name}.{os.getpid()}"
    partial.write_text(text)
    partial.replace(folder / name)
