"""Everything the control API does about rollouts, in one place: the verbs, how it stands, why, the past, the drill.

Above: the routes; `daemon` builds one and tells it of each step.  Below: `verbs`, `report`,
`past`, `drill`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

import msgspec

from orchestrator.api.rollouts.drill import Counters, Drill
from orchestrator.api.rollouts.past import RolloutPast, Steps
from orchestrator.api.rollouts.report import Split, is_quarantined, look_shown, quarantine, shown
from orchestrator.api.rollouts.shown import (
    Explained,
    Guide,
    HappenedShown,
    LookShown,
    LooksPage,
    RolloutNow,
    RolloutShown,
)
from orchestrator.api.rollouts.verbs import RolloutVerbs
from orchestrator.api.verbs import RefusedError, Verbs
from orchestrator.domain.evidence.look import Look
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.asked import Asked
from orchestrator.domain.rollouts.guide import guide
from orchestrator.domain.rollouts.state import Rollout, State
from orchestrator.domain.rollouts.why import why
from orchestrator.engine.driver import Driver
from orchestrator.plans.shipped import SHIPPED
from orchestrator.settings import Rollout as RolloutSettings

SHOWN: Final = 20
"""Happenings an answer has at most."""


class LookRow(Protocol):
    """A stored look."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def look(self) -> str:
        """It, as JSON text."""
        ...


class Looks(Protocol):
    """Where looks are stored."""

    async def looks(
        self, *, limit: int, epoch: str = "", rollout: str = "", before: int | None = None
    ) -> Sequence[LookRow]:
        """Return up to `limit` looks of an epoch or a rollout, newest first."""
        ...


LooksOf = Callable[[], Awaitable[Looks]]
"""Gives the store of looks; raises RefusedError where it cannot be read."""


class RolloutDesk:
    """Rollouts, as the control API sees them.

    Attributes:
        verbs: what may be asked.
        past: what happened.
        latest: the guard's newest look; the engine is told of one only when it says something new.
        answered: what the hold that a rollout waits at was answered last.
        rehearsed: how far a rollout's rehearsal is, in words; "" while none runs.
        unanswered: which queries of the plan under way Prometheus gave nothing for last, and why, in words.
    """

    def __init__(
        self,
        driver: Driver,
        verbs: Verbs,
        rollouts: RolloutVerbs,
        *,
        registry: Callable[[], Registry],
        settings: Callable[[], RolloutSettings],
        clock: Clock,
        counters: Counters,
        journal: Steps,
        looks: LooksOf | None = None,
    ) -> None:
        """Build it.

        Args:
            driver: decides.
            verbs: the other verbs, for drills.
            rollouts: the verbs of rollouts.
            registry: the declared flags.
            settings: section `rollout` of the configuration.
            clock: the engine's: `wall` is the steady time that its moments are told in.
            counters: what the proxy counts.
            journal: the rollout's memory.
            looks: where looks are stored, None where they are not.
        """
        self.verbs = rollouts
        self.past = RolloutPast(journal)
        self.latest: Callable[[], Look | None] = lambda: None
        self.answered: Callable[[Rollout], Asked | None] = lambda _rollout: None
        self.rehearsed: Callable[[Rollout], str] = lambda _rollout: ""
        self.unanswered: Callable[[], list[str]] = list
        self._driver = driver
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._split = Split(counters.chosen)
        self._split.follow(driver.state)
        self._drill = Drill(driver, verbs, rollouts, counters, clock)
        self._looks = looks
        self.drill = self._drill.run

    @property
    def state(self) -> State:
        """The machine's state."""
        return self._driver.state

    @property
    def trouble(self) -> str | None:
        """What keeps steps from being written down, None in health."""
        return self._driver.trouble

    async def settled(self) -> None:
        """Return once the engine has acted on everything that it was told before."""
        rollout = self._driver.state.rollout
        if rollout is not None and not rollout.is_over:
            await self._driver.submit(ev.Tick())

    def stepped(self, event: ev.Event, before: State, after: State) -> HappenedShown | None:
        """Take note of an accepted event; return it in words, None where there is nothing to tell."""
        self._split.follow(after)
        return self.past.noted(event, before, after, self._clock.wall())

    async def now(self, after: int = 0) -> RolloutNow:
        """Say how the rollout under way, or the last one, stands, and what happened after `after`."""
        state = self._driver.state
        now = self._clock.wall()
        rollout = self._fresh(state.rollout)
        return RolloutNow(
            rollout=None if rollout is None else self._shown(rollout, now, self._split.counted(rollout)),
            now=now,
            quarantine=quarantine(state),
            events=await self.past.lately(after, SHOWN),
            trouble=self._driver.trouble,
        )

    async def explained(self, name: str | None = None) -> Explained:
        """Say why a rollout ended, or stands where it does.

        Raises:
            RefusedError: there is no such rollout.
        """
        state, now = self._driver.state, self._clock.wall()
        rollout = await self._named(name)
        counted = (0, 0)
        if rollout is state.rollout:
            counted, rollout = self._split.counted(rollout), self._fresh(rollout) or rollout
        answered = self.answered(rollout)
        lately = [answered.told(now) if answered is not None else self.rehearsed(rollout), *self._unanswered(rollout)]
        lines = why(rollout, now, quarantined=is_quarantined(state, rollout), lately=lately)
        return Explained(id=rollout.id, lines=list(lines), rollout=self._shown(rollout, now, counted))

    async def knows(self, name: str) -> bool:
        """Tell whether a rollout is under way, was the last one, or is in the history."""
        last = self._driver.state.rollout
        return (last is not None and last.id == name) or await self.past.rollout(name) is not None

    async def looks(self, name: str | None, limit: int, before: int | None) -> LooksPage:
        """Return the looks that were taken at a rollout, newest first.

        Raises:
            RefusedError: there is no such rollout, or looks cannot be read.
        """
        rollout = await self._named(name)
        if self._looks is None:
            raise RefusedError("no looks are stored")
        store = await self._looks()
        rows = await store.looks(limit=limit, rollout=rollout.id, before=before)
        found = [look_shown(msgspec.json.decode(row.look, type=Look)) for row in rows]
        looks: list[LookShown] = [one for one in found if one is not None]
        return LooksPage(looks=looks, before=rows[-1].seq if len(rows) == limit else None)

    async def guide(self, named: str | None) -> Guide:
        """Return the procedure of a plan: the one named, else that of the rollout under way, else the usual one.

        Raises:
            RefusedError: there is no such plan, or it cannot be used.
        """
        rollout = self._driver.state.rollout
        if named is None and rollout is not None and not rollout.is_over:
            return Guide(
                plan=rollout.plan.name,
                lines=list(guide(rollout.plan, self._registry(), _called(rollout.plan.name), rollout)),
            )
        file = await self.verbs.plan(named)
        called = named or self._settings().plan
        return Guide(plan=file.plan.name, lines=list(guide(file.plan, self._registry(), called)))

    def _shown(self, rollout: Rollout, now: float, counted: tuple[int, int]) -> RolloutShown:
        told = shown(self._driver.state, rollout, now, counted, answered=self.answered(rollout))
        lately = {"rehearsal": self.rehearsed(rollout), "unanswered": self._unanswered(rollout)}
        return told.model_copy(update=lately)

    def _unanswered(self, rollout: Rollout) -> list[str]:
        under_way = self._driver.state.rollout
        is_it = under_way is not None and under_way.id == rollout.id and not under_way.is_over
        return self.unanswered() if is_it else []

    def _fresh(self, rollout: Rollout | None) -> Rollout | None:
        """Return a rollout with the guard's newest look at what is watched now."""
        look = self.latest()
        if rollout is None or rollout.watch is None or look is None or look.epoch != rollout.watch.epoch:
            return rollout
        return replace(rollout, look=look)

    async def _named(self, name: str | None) -> Rollout:
        last = self._driver.state.rollout
        if last is not None and name in {None, last.id}:
            return last
        if name is None:
            raise RefusedError("there was no rollout yet; begin one with: switchover upgrade -- COMMAND")
        found = await self.past.rollout(name)
        if found is None:
            raise RefusedError(f"no rollout {name} is remembered; see: switchover history")
        return found


def _called(plan: str) -> str:
    """Return what a plan is called in a command: a shipped one by its name, any other by its file."""
    return plan if plan in SHIPPED else f"{plan}.toml"
