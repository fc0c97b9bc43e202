"""A real engine without processes: workers are ready at once, rehearsals end well, flags are reset as soon as asked.

Above: tests of the control API.  Below: the driver, the journal in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.api.rollouts.desk import RolloutDesk
from orchestrator.api.rollouts.drill import Counters
from orchestrator.api.rollouts.verbs import RolloutVerbs
from orchestrator.api.verbs import Verbs
from orchestrator.domain.evidence.look import Arm, LimitLook, Look, Verdict
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State, Step, step
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.settings import Rollout
from state.memory import MemoryDesiredState, MemoryJournal


def serving(now: float) -> State:
    """Return the state of a daemon whose first generation serves."""
    state = State()
    for event in (ev.Founded(Spec(("/bin/one",), "/", {}, fingerprint="one")), ev.GenerationReady(1)):
        outcome = step(state, event, now)
        assert isinstance(outcome, Step)
        state = outcome.state
    return state


@dataclass
class StoryRouter:
    """Where the table takes effect."""

    table: RoutingTable

    def replace(self, table: RoutingTable) -> RoutingTable:
        before, self.table = self.table, table
        return before


@dataclass
class StoryFleet:
    """Processes that are ready as soon as they are started."""

    post: Callable[[ev.Event], None] = lambda _event: None

    def start(self, generation: Generation) -> None:
        self.post(ev.GenerationReady(generation.number))

    def retire(self, number: int) -> None:
        """Nothing runs."""


@dataclass
class StoryConductor:
    """A rollout's surroundings; `differences` is what a rehearsal finds."""

    post: Callable[[ev.Event], None] = lambda _event: None
    differences: int = 0

    def observe(self, watch: Any, mirror: Any) -> None:
        """Watch nothing."""

    def rehearse(self, rollout: str, spec: Spec) -> None:  # noqa: ARG002 - the port's
        found = self.differences
        words = f"{found} unexpected differences" if found else "all well"
        self.post(ev.RehearsalEnded(rollout=rollout, failed=False, differences=found, shared_state=True, words=words))

    def cancel_rehearsal(self, rollout: str) -> None:
        """It is over."""

    def ask(self, rollout: str, hold: Any) -> None:
        """Ask nobody."""

    def move_flags(self, rollout: str, moved: Any) -> None:
        """Move none."""

    def reset_flags(self, rollout: str, flags: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        self.post(ev.FlagsReset(rollout))

    def cut_over(self, rollout: str, old: int, new: int) -> None:  # noqa: ARG002 - the port's
        self.post(ev.GenerationReady(new))
        self.post(ev.CutOverDone(rollout, 1_800_000_000.0, "snapshots/before"))

    def cut_back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:  # noqa: ARG002 - the port's
        self.post(ev.GenerationReady(old))
        self.post(ev.CutBackDone(rollout))


@dataclass
class StoryGuard:
    """A guard that sees what a test says; fits `api.rollouts.guard.GuardDesk`."""

    post: Callable[[ev.Event], None] = lambda _event: None
    look: Look | None = None
    evaluated: int = 0

    def latest(self) -> Look | None:
        return self.look

    def evaluate(self) -> Look | None:
        self.evaluated += 1
        if self.look is not None:
            self.post(ev.Looked(self.look))
        return self.look


@dataclass(frozen=True)
class LookRow:
    """A stored look."""

    seq: int
    look: str


@dataclass
class StoryLooks:
    """Looks in a list."""

    kept: list[Look] = field(default_factory=list)

    async def looks(self, *, limit: int, rollout: str = "", before: int | None = None, **_: str) -> Sequence[LookRow]:
        rows = [LookRow(seq, msgspec.json.encode(look).decode()) for seq, look in enumerate(self.kept, start=1)]
        wanted = [row for row, look in zip(rows, self.kept, strict=True) if look.epoch.startswith(f"{rollout}/")]
        return [row for row in reversed(wanted) if before is None or row.seq < before][:limit]


class StoryEngine:
    """The engine, its desk, and its surroundings.

    Attributes:
        driver: decides.
        desk: what the control API asks.
        chosen: how often each generation was chosen for a call.
        settings: section `rollout`.
    """

    def __init__(self, folder: Path, clock: Clock, registry: Callable[[], Registry]) -> None:
        state = serving(clock.wall())
        self.router, self.fleet, self.conductor, self.guard = (
            StoryRouter(state.table), StoryFleet(), StoryConductor(), StoryGuard(),
        )  # fmt: skip
        self.journal, self.looks = MemoryJournal(wall=clock.wall), StoryLooks()
        executor = Executor(self.router, self.fleet, MemoryDesiredState(), self.conductor)
        self.driver = Driver(state, self.journal, executor, clock, self._stepped)
        for one in (self.fleet, self.conductor, self.guard):
            one.post = self.driver.post
        self.verbs = Verbs(self.driver)
        self.chosen: Counter[int] = Counter()
        self.settings = Rollout()
        self.standing: set[str] = set()
        self.steps: list[tuple[State, State]] = []
        counters = Counters(lambda: self.router.table, self.chosen.__getitem__, lambda _number: 0)
        rollouts = RolloutVerbs(
            self.driver, self.verbs, registry=registry, settings=lambda: self.settings, runs=folder / "upgrades",
            clock=clock, stands=lambda flag, _to: flag in self.standing,
        )  # fmt: skip
        self.desk = RolloutDesk(
            self.driver, self.verbs, rollouts, registry=registry, settings=lambda: self.settings,
            clock=clock, counters=counters, journal=self.journal, looks=self._looks,
        )  # fmt: skip
        self.desk.latest = self.guard.latest

    async def _looks(self) -> StoryLooks:
        return self.looks

    def _stepped(self, event: ev.Event, before: State, after: State) -> None:
        self.steps.append((before, after))
        self.desk.stepped(event, before, after)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it decide while inside."""
        deciding = asyncio.ensure_future(self.driver.run())
        try:
            yield
        finally:
            deciding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await deciding
            self.driver.timer.set(None)

    async def settled(self) -> None:
        """Return once everything posted so far, and what that led to, is decided."""
        async with asyncio.timeout(60):
            for _ in range(20):
                await self.desk.settled()
                await asyncio.sleep(0)


def regression(state: State, *, calls: int = 214) -> Look:
    """Return a look that finds the version on trial worse."""
    return judged(state, Verdict.REGRESSION, calls=calls, evidence=130.0, figure=0.051, cause="error rate +4.1 pp")


def judged(
    state: State, verdict: Verdict, *, calls: int = 40, evidence: float = 3.0, figure: float = 0.02, cause: str = ""
) -> Look:
    """Return a look at what is watched now."""
    assert state.rollout is not None
    assert state.rollout.watch is not None
    limit = LimitLook(
        "error worse by 0.05", "error", "sequential", verdict,
        trial=Arm(calls, calls, figure), baseline=Arm(3 * calls, 3 * calls, 0.01), evidence=evidence, needed=100.0,
        more=None if cause else 90,
    )  # fmt: skip
    return Look(
        state.rollout.watch.epoch, 7, 1_800_000_100.0, verdict, trial=calls, baseline=3 * calls, limits=(limit,),
        cause=cause, otherwise="at alpha .005 it would have gone on" if cause else "",
    )  # fmt: skip
