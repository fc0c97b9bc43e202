"""A rollback rehearsed on live routing: everything goes to the refuge for a moment and back, and the move is timed.

The kill switch does it, because it is the one movement that judges nothing and can be taken back whole: no generation
is stopped, nothing is quarantined, no lane changes.  Above: `desk`.  Below: the verbs, the routing's counters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

import anyio

from orchestrator.api.rollouts.shown import Drilled
from orchestrator.api.rollouts.verbs import RolloutVerbs
from orchestrator.api.verbs import RefusedError, Verbs
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts.people import BRAKED
from orchestrator.domain.rollouts.state import Phase, State
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.driver import Driver
from orchestrator.proxy.dispatch import Dispatcher

REASON: Final = "a drill"
AS_BEFORE: Final = "all is as it was"
MILLI: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Counters:
    """What the proxy counts.

    Attributes:
        table: the routing table in force.
        chosen: how often a generation was chosen for a call since the daemon started.
        in_flight: calls a generation has not answered yet.
    """

    table: Callable[[], RoutingTable]
    chosen: Callable[[int], int]
    in_flight: Callable[[int], int]

    @classmethod
    def of(cls, dispatcher: Dispatcher) -> Self:
        """Return those of the proxy."""

        def chosen(number: int) -> int:
            tally = dispatcher.tallies.get(number)
            return 0 if tally is None else tally.default + sum(tally.selected.values())

        def in_flight(number: int) -> int:
            return sum(link.in_flight for place, link in dispatcher.links.items() if place.generation == number)

        return cls(lambda: dispatcher.table, chosen, in_flight)


class Drill:
    """Rehearses rollbacks, one at a time."""

    def __init__(self, driver: Driver, verbs: Verbs, rollouts: RolloutVerbs, counters: Counters, clock: Clock) -> None:
        """Build it; `clock` times the move."""
        self._driver = driver
        self._verbs = verbs
        self._rollouts = rollouts
        self._counters = counters
        self._clock = clock
        self._busy = False

    async def run(
        self,
        hold: float,
        *,
        actor: str,
        reason: str = "",
        gone: Callable[[], Awaitable[None]] = anyio.sleep_forever,
    ) -> Drilled:
        """Move all traffic to the refuge, hold it there, and move it back.

        Args:
            hold: seconds it stays there, at most.
            actor: who asks.
            reason: why, for the audit.
            gone: returns once whoever asks is there no more, which ends it.

        Raises:
            RefusedError: there is no refuge, or traffic is there already; nothing was moved.
        """
        state = self._driver.state
        left, refuge = _ends(state)
        if self._busy:
            raise RefusedError("a drill is under way; wait for its end")
        clock_runs = state.rollout is not None and not state.rollout.is_over and state.rollout.paused is None
        why = f"{REASON}: {reason}" if reason else REASON
        self._busy, brakes = True, self._verbs.brakes
        try:
            in_flight = self._counters.in_flight(left)
            milliseconds, at_move, refuge_before = await self._move(left, refuge, actor=actor, reason=why)
            with anyio.move_on_after(hold):
                await gone()
            stray = self._counters.chosen(left) - at_move
            served = self._counters.chosen(refuge) - refuge_before
        finally:
            self._busy = False
            with anyio.CancelScope(shield=True):
                end = await self._back(actor=actor, reason=why, resumes=clock_runs, brakes=brakes)
        if end == AS_BEFORE and _lanes(self._driver.state) != _lanes(state):
            end = "what else was asked for meanwhile: switchover history"
        words = f"the last call went to generation {left} {milliseconds:.1f} ms after it was asked for"
        return Drilled(
            message=f"{words}; {served} calls went to generation {refuge} meanwhile, {stray} astray; {end}",
            left=left,
            refuge=refuge,
            milliseconds=milliseconds,
            calls_meanwhile=served,
            stray_calls=stray,
            in_flight=in_flight,
        )

    async def _move(self, left: int, refuge: int, *, actor: str, reason: str) -> tuple[float, int, int]:
        """Move traffic away; return when the last call was routed as before (ms), and both counters at the move."""
        began = self._clock.monotonic()
        before = self._counters.chosen(refuge)
        moving = asyncio.ensure_future(self._verbs.kill_switch(on=True, actor=actor, reason=reason))
        while not moving.done() and not self._counters.table().kill_switch:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)  # each turn of the loop, so that the moment is known to a turn
        moved = (self._clock.monotonic() - began) * MILLI
        chosen = self._counters.chosen(left)
        await moving
        return moved, chosen, before

    async def _back(self, *, actor: str, reason: str, resumes: bool, brakes: int) -> str:
        """Lift the kill switch, and let a clock that it stopped run again; return how things stand then.

        Whoever asked for the switch meanwhile found it on, and means it to last; whoever paused has a pause of theirs.
        """
        if not self._driver.state.table.kill_switch:
            return "somebody has lifted the kill switch"
        if self._verbs.brakes - brakes > 1:  # the first was the drill's own
            return "the kill switch stays on, for somebody asked for it meanwhile"
        await self._verbs.kill_switch(on=False, actor=actor, reason=reason)
        rollout = self._driver.state.rollout
        if not resumes or rollout is None or rollout.paused is None:
            return AS_BEFORE
        stopped = rollout.paused.cause.words
        if stopped != f"{actor} {BRAKED}: {reason}":
            return f"the rollout stays paused: {stopped}"
        await self._rollouts.resume(actor=actor, reason=reason)
        return AS_BEFORE


def _lanes(state: State) -> tuple[object, ...]:
    return state.table.lanes(), state.table.weight


def _ends(state: State) -> tuple[int, int]:
    """Return the generation that traffic would leave and the one it would go to.

    Raises:
        RefusedError: there is no such pair, or traffic is on its way back already.
    """
    table = state.table
    if table.kill_switch:
        raise RefusedError("the kill switch is on: traffic is at the refuge already; lift it with: kill-switch off")
    if state.phase is Phase.ROLLING_BACK:
        raise RefusedError("a rollback is under way: it is no drill any more")
    if table.active is not None and table.previous is not None and table.previous_warm:
        return table.active, table.previous
    if table.active is not None and table.canary is not None and table.weight:
        return table.canary, table.active
    raise RefusedError(
        "there is nothing to go back to: no previous generation is warm, and no canary has a share of the calls"
    )
