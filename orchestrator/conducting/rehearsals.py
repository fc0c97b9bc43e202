"""Runs a rollout's rehearsal and tells the engine what it came to.

A daemon that was killed took its rehearsal along: the next one begins it anew, under the same name with a number.
Above: `conductor`.  Below: whoever runs the harness (`orchestrator.upgrades`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
from anyio.abc import TaskGroup

from orchestrator.api.rollouts.upgrade_models import Asked, Progressed
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.rehearsal import Status, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import State
from orchestrator.telemetry.logging import get_logger

log = get_logger("rollout")

LOOK_EVERY: Final = 0.2
"""Seconds between two looks at the progress."""
REPORT: Final = "report.json"
LONGEST: Final = 200
"""Characters of one thing that broke, as a cause tells it: it stays in the journal, and may quote a server."""
STEPS: Final = tuple(one.value for one in Step)
ENDS: Final = frozenset(one.value for one in Status)
RUNNING: Final = "running"
"""What the progress says of a step that goes on."""


class Harness(Protocol):
    """Who runs rehearsals."""

    async def rehearse(self, asked: Asked, new: Spec, *, actor: str, live_flags: bool = False) -> str:
        """Begin one and return its id; raise RefusedError where that cannot be."""
        ...

    async def progress(self, run: str, after: int) -> Progressed:
        """Return what is known of a run; raise RefusedError where there is none."""
        ...

    async def cancel(self, *, actor: str) -> str:
        """End the one under way; raise RefusedError where there is none."""
        ...


class Rehearsals:
    """Follows one rehearsal at a time."""

    def __init__(
        self,
        tasks: TaskGroup,
        harness: Harness,
        folder: Path,
        post: Callable[[ev.Event], None],
        state: Callable[[], State],
    ) -> None:
        """Build it.

        Args:
            tasks: where runs are followed.
            harness: runs them.
            folder: where their artifacts are.
            post: tells the engine.
            state: the machine's, for the plan.
        """
        self._tasks = tasks
        self._harness = harness
        self._folder = folder
        self._post = post
        self._state = state
        self._runs: dict[str, anyio.CancelScope] = {}
        self._seen: dict[str, Progressed] = {}

    def begin(self, rollout: str, spec: Spec) -> None:
        """Have a rollout's rehearsal run, unless it does."""
        if rollout not in self._runs:
            self._runs[rollout] = anyio.CancelScope()
            self._tasks.start_soon(self._run, rollout, spec)

    def told(self, rollout: str, now: float) -> str:
        """Say how far a rollout's rehearsal is, "" while none runs.

        Args:
            rollout: its id.
            now: Unix seconds.
        """
        seen = self._seen.get(rollout)
        return how_far(seen.events, now) if seen is not None else ""

    def cancel(self, rollout: str) -> None:
        """End it, if it runs."""
        scope = self._runs.get(rollout)
        if scope is not None:
            scope.cancel()

    async def _run(self, rollout: str, spec: Spec) -> None:
        """Run it and tell the engine; a cancelled one clears up after itself."""
        try:
            with self._runs[rollout] as scope:
                self._post(await self._outcome(rollout, spec))
            if scope.cancelled_caught:
                with anyio.CancelScope(shield=True):
                    await self._harness.cancel(actor=ev.SYSTEM)
        except RefusedError as error:
            log.info("rehearsal was over before it could be ended", rollout=rollout, reason=str(error))
        finally:
            del self._runs[rollout]
            self._seen.pop(rollout, None)

    async def _outcome(self, rollout: str, spec: Spec) -> ev.RehearsalEnded:
        running = self._state().under_way
        asked = self._asked(running.plan, spec)
        try:
            run = await self._begun(rollout, asked, spec, live=running.plan.rehearsal.flags == "live")
            progressed = await self._harness.progress(run, 0)
            while progressed.running:
                self._seen[rollout] = progressed
                await anyio.sleep(LOOK_EVERY)
                progressed = await self._harness.progress(run, 0)
        except RefusedError as error:
            return ev.RehearsalEnded(rollout=rollout, failed=True, words=str(error))
        report = await anyio.to_thread.run_sync(_report, self._folder / run / REPORT)
        return ended(rollout, progressed, report)

    def _asked(self, plan: Plan, spec: Spec) -> Asked:
        return Asked(
            command=list(spec.command),
            cwd=spec.cwd,
            env=dict(spec.env),
            source=spec.source,
            skip_build=not plan.rehearsal.build,
            skip_tests=not plan.rehearsal.test,
            planned=True,
            allow_dirty=True,
        )

    async def _begun(self, rollout: str, asked: Asked, spec: Spec, *, live: bool) -> str:
        """Begin it under the first name that is free."""
        tries = 1
        while await anyio.Path(self._folder / _named(rollout, tries)).exists():
            tries += 1
        named = asked.model_copy(update={"id": _named(rollout, tries)})
        return await self._harness.rehearse(named, spec, actor=ev.SYSTEM, live_flags=live)


def _named(rollout: str, tries: int) -> str:
    return rollout if tries == 1 else f"{rollout}-{tries}"


def how_far(events: Sequence[Mapping[str, Any]], now: float) -> str:
    """Say how far a rehearsal is: the step it is at, what goes on there and since when, and how the others ended.

    Args:
        events: its progress so far, as the harness wrote it.
        now: Unix seconds.
    """
    running = [one for one in events if one.get("status") == RUNNING]
    done = {str(one.get("step")): str(one.get("status")) for one in events if one.get("status") in ENDS}
    if not running:
        return "" if not events else "the rehearsal begins"
    newest = running[-1]
    step, since = str(newest.get("step")), float(newest.get("at") or now)
    at = f"{step} (step {STEPS.index(step) + 1} of {len(STEPS)})" if step in STEPS else step
    doing = f": {newest['message']}" if newest.get("message") else ""
    before = f"; before it {', '.join(f'{name} {how}' for name, how in done.items())}" if done else ""
    return f"the rehearsal is at {at}{doing}, for {lasting(float(round(max(0.0, now - since))))}{before}"


def ended(rollout: str, progressed: Progressed, report: dict[str, Any]) -> ev.RehearsalEnded:
    """Return what a rehearsal came to; without a report it failed."""
    last = progressed.events[-1].get("message", "") if progressed.events else ""
    words = str(report.get("message") or last)
    failed = not report or report.get("status") == "failed"
    shared, broken = report.get("shared_state"), report.get("broken")
    return ev.RehearsalEnded(
        rollout=rollout,
        failed=failed,
        differences=int(report.get("differences") or 0),
        shared_state=shared if isinstance(shared, bool) else None,
        broken=tuple(str(one)[:LONGEST] for one in broken) if isinstance(broken, list) else (),
        words=words,
    )


def _report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
