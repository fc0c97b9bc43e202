"""What is written down and told on every step: log, audit, a summary file, systemd's status line, notices of rollouts.

Above: `daemon`.  Below: `state` through `storage`, `api.report` for the summary, `telemetry`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from orchestrator.api.models import Status
from orchestrator.api.rollouts.shown import HappenedShown
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Phase, Rollout, What
from orchestrator.storage import Storage
from orchestrator.telemetry.clock import SystemClock
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.sd_notify import Notify

log = get_logger("daemon")

SUMMARY = "worker_manager.json"
"""Name of the summary in `analytics/`."""
SETTLES = 0.25
"""Seconds between two summaries: a status holds the loop for some milliseconds, as it looks at each worker's processes,
and steps come in crowds."""

ABOUT = "rollouts"
"""What notices of them are about, where others name a flag: they come in order."""

Tell: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Tells of something: what it is about, and its event with a sentence as `detail`."""


class Chronicle:
    """Follows the engine's steps; never in their way.

    Attributes:
        notice: has everybody told who wants to hear of rollouts; None: nobody is.
    """

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
        self._is_outdated = self._is_summarising = False
        self.notice: Tell | None = None

    def stepped(self, event: ev.Event, before: State, after: State, happened: HappenedShown | None) -> None:
        """Take note of an accepted event; `happened` is what it came to in words, if anything."""
        lanes = {lane.value: number for lane, number in after.table.lanes().items()}
        log.info("step", what=type(event).__name__, revision=after.table.revision, lanes=lanes, phase=after.phase.value)
        if happened is not None and happened.rollout:
            log.info("rollout", rollout=happened.rollout, told="; ".join(happened.words), actor=happened.actor)
        if isinstance(event, ev.Asked):
            self._tasks.start_soon(self._audit, event, after)
        notice = notice_of(before.rollout, after.rollout)
        if notice is not None and self.notice is not None:
            self._tasks.start_soon(self._notify, self.notice, notice)
        self.tell(after)
        self._is_outdated = True
        if not self._is_summarising:
            self._is_summarising = True
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

    async def _notify(self, tell: Tell, notice: Mapping[str, Any]) -> None:
        try:
            await tell(ABOUT, notice)
        except Exception:
            log.exception("nobody was told of a rollout", notice=notice["event"], rollout=notice["rollout"])

    async def _summarise(self) -> None:
        """Write how things stand, until that is how they stand."""
        while self._is_outdated:
            self._is_outdated = False
            text = self._status().model_dump_json(indent=2)
            try:
                await anyio.to_thread.run_sync(_write_whole, self._analytics, SUMMARY, text)
            except OSError as error:
                log.warning("summary not written", file=SUMMARY, reason=str(error))
            await anyio.sleep(SETTLES)
        self._is_summarising = False


def notice_of(before: Rollout | None, after: Rollout | None) -> dict[str, Any] | None:
    """Return what people should hear of a step: a rollout began, paused, goes back, cannot, or is over; else None."""
    if after is None:
        return None
    told: dict[str, Any] = {"rollout": after.id, "plan": after.plan.name, "by": after.actor}
    name = f"rollout {after.id} (plan {after.plan.name})"
    old = before if before is not None and before.id == after.id else None
    cause = after.cause
    went = after.phase is not (old.phase if old is not None else None)
    if went and cause is not None and after.phase is Phase.DONE:
        return {**told, "event": "rollout.done", "detail": f"{name} is done: {cause.words}"}
    goes_back = after.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    if goes_back and cause is not None and (old is None or old.cause != cause):
        told |= {"what": cause.what.value, "metric": cause.metric, "flag": cause.flag, "by": cause.by}
        at = f" at {cause.step}" if cause.step else ""
        return {**told, "event": "rollout.rolled_back", "detail": f"{name} went back{at}: {cause.words}"}
    if old is None and after.paused is None:
        return {**told, "event": "rollout.began", "detail": f"{name} has begun, asked for by {after.actor}"}
    stands = _stands_still(old, after, name)
    return None if stands is None else {**told, **stands}


def _stands_still(old: Rollout | None, after: Rollout, name: str) -> dict[str, Any] | None:
    """Return what people should hear of a rollout that waits for them: it paused, or cannot go back; else None."""
    if after.stuck and not (old is not None and old.stuck):
        words = f"{name} cannot go back yet, and calls wait: {after.stuck}"
        return {"event": "rollout.stuck", "what": What.STATE.value, "detail": words}
    if after.paused is not None and (old is None or old.paused is None):
        paused = after.paused.cause
        told = {"what": paused.what.value, "metric": paused.metric, "flag": paused.flag, "by": paused.by}
        return {**told, "event": "rollout.paused", "detail": f"{name} is paused at {paused.step}: {paused.words}"}
    return None


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
