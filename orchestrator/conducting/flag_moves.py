"""Moves a rollout's flags: for half of the keys, for all, and back to their safe values; and hears of others' hands.

One move after the other, in the order in which they were asked for.  What a flag already is stays untouched, so asking
again changes nothing.  Above: `conductor`.  Below: the flags service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import anyio

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.flags.change import Change, FlagRefusedError, SetValue, Target
from orchestrator.domain.flags.flags import value_of
from orchestrator.domain.flags.values import Value, same
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.stages import HALF
from orchestrator.domain.rollouts.state import Moved, Part, Phase
from orchestrator.flags.service import FlagsService
from orchestrator.telemetry.logging import get_logger

log = get_logger("rollout")

CAUSES: Final = frozenset({"rollout", "rollback"})
"""Causes of changes that are a rollout's own; every other one is somebody's hand."""
AGAIN: Final = 2.0
"""Seconds between two tries to bring flags back."""
ALL: Final = 100
SPLIT: Final = "SPLIT"
"""Reason of a decision that a percentage had its part in."""

Post: TypeAlias = Callable[[ev.Event], None]
Job: TypeAlias = Callable[[], Awaitable[None]]


class FlagMoves:
    """Has flags changed, one job at a time."""

    def __init__(self, flags: FlagsService, post: Post, state: Callable[[], State]) -> None:
        """Build it; `run` and `listen` do the work.

        Args:
            flags: changes them.
            post: tells the engine.
            state: the machine's, for which flags are the rollout's.
        """
        self._flags = flags
        self._post = post
        self._state = state
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()

    def move(self, rollout: str, moved: Sequence[Moved]) -> None:
        """Have flags at these values for these shares of keys."""
        for one in moved:
            self._jobs.put_nowait(partial(self._move, rollout, one))

    def reset(self, rollout: str, flags: Sequence[str]) -> None:
        """Bring flags back to their safe values, in this order."""
        self._jobs.put_nowait(partial(self._bring_back, rollout, tuple(flags)))

    def trial(self, flag: str, to: Value) -> Callable[[str], bool | None]:
        """Return what tells whether a key has a flag's value on trial now; None where no draw decided that.

        Who stands on a list, or is caught by a rule, would have the same value whatever was drawn, and is no evidence.
        """

        def has_it(key: str) -> bool | None:
            decision = self._flags.decide(flag, key)
            return same(decision.value, to) if decision.reason == SPLIT else None

        return has_it

    def stands(self, flag: str, to: Value) -> bool:
        """Tell whether a flag has a value already, for everybody: to move it there moves nothing."""
        declaration = self._flags.registry.declarations.get(flag)
        if declaration is None or self._flags.flags.state(flag).targeting:
            return False
        return same(value_of(declaration, self._flags.flags), to)

    async def run(self) -> None:
        """Work for ever; begin with what a killed daemon noted and had no time for."""
        self._take_up()
        while True:
            job = await self._jobs.get()
            await job()
            self._jobs.task_done()

    def _take_up(self) -> None:
        """Have halves taken off of flags that are a person's by the journal: a kill may have come before that."""
        rollout = self._state().rollout
        if rollout is None or rollout.is_over or rollout.phase is not Phase.FLIPPING:
            return
        begun = rollout.index + (rollout.part in {Part.HALF, Part.WHOLE})
        others = {one.flag for one in rollout.moved} | set(rollout.left_out)
        for stage in rollout.plan.flags[:begun]:
            if stage.flag not in others:
                self._jobs.put_nowait(partial(self._leave, rollout.id, Moved(stage.flag, stage.to, HALF)))

    async def settled(self) -> None:
        """Wait until everything that was asked for is done."""
        await self._jobs.join()

    async def listen(self) -> None:
        """Tell the engine of the rollout's flags that somebody else changes, for ever."""
        while True:  # a subscription ends for whoever is far behind
            async for changed in self._flags.subscribe():
                if changed.cause not in CAUSES:
                    for difference in changed.changes:
                        self._edited(difference.key, changed.actor)

    def _edited(self, flag: str, by: str) -> None:
        rollout = self._state().rollout
        if rollout is None or rollout.is_over:
            return
        flags = {one.flag for one in rollout.moved}
        if rollout.phase is Phase.FLIPPING:
            flags |= {stage.flag for stage in rollout.plan.flags[rollout.index :]}
        if flag not in flags:
            return
        self._post(ev.FlagEdited(flag, by))
        for one in rollout.moved:
            if one.flag == flag and one.share < ALL:
                self._jobs.put_nowait(partial(self._leave, rollout.id, one))

    async def _leave(self, rollout: str, one: Moved) -> None:
        """Take the rollout's half off a flag that is a person's now: nobody else would, and it would stay for ever."""
        present = dict(self._flags.flags.state(one.flag).targeting or {})
        if present.pop("percentage", None) != _half(one):
            return  # it is their own
        log.info("flag is a person's now, its half is taken off", rollout=rollout, flag=one.flag)
        reason = f"rollout {rollout}: changed by hand, so its {one.share} % of keys are taken off"
        try:
            await self._flags.change(
                [Target(one.flag, present or None)], actor=ev.SYSTEM, reason=reason, cause="rollout"
            )
        except SwitchoverError as error:
            log.warning("half not taken off a flag", rollout=rollout, flag=one.flag, reason=str(error))

    async def _move(self, rollout: str, one: Moved) -> None:
        if one.share < ALL and self.stands(one.flag, one.to):
            log.info("flag has its value already", rollout=rollout, flag=one.flag)
            self._post(ev.FlagStands(rollout=rollout, flag=one.flag))
            return
        try:
            changes = list(self._wanted(one))
            if changes:
                await self._flags.change(
                    changes, actor=ev.SYSTEM, reason=f"rollout {rollout}, {one.share} % of keys", cause="rollout"
                )
        except SwitchoverError as error:
            log.warning("flag not moved", rollout=rollout, flag=one.flag, reason=str(error))
            self._post(ev.FlagRefused(rollout=rollout, flag=one.flag, reason=str(error)))

    def _wanted(self, one: Moved) -> Iterator[Change]:
        """Yield what is missing: lists and rules that people gave the flag stay as they are."""
        declaration = self._flags.registry.declarations.get(one.flag)
        if declaration is None:
            raise FlagRefusedError(f"the flag {one.flag} is not declared", flag=one.flag)
        flags = self._flags.flags
        if one.share >= ALL and not same(value_of(declaration, flags), one.to):
            yield SetValue(one.flag, one.to)
        present = dict(flags.state(one.flag).targeting or {})
        targeting = {name: part for name, part in present.items() if name != "percentage"}
        if one.share < ALL:
            targeting["percentage"] = _half(one)
        if targeting != present:
            yield Target(one.flag, targeting or None)

    async def _bring_back(self, rollout: str, flags: Sequence[str]) -> None:
        """Bring each back, however long it takes; one that cannot be is said and left."""
        for flag in flags:
            while not await self._brought_back(rollout, flag):  # noqa: ASYNC110 - a full disk tells nobody of its end
                await anyio.sleep(AGAIN)
        self._post(ev.FlagsReset(rollout))

    async def _brought_back(self, rollout: str, flag: str) -> bool:
        try:
            await self._flags.reset(
                [flag], actor=ev.SYSTEM, reason=f"rollout {rollout} is rolled back", cause="rollback"
            )
        except FlagRefusedError as error:
            log.error("flag not brought back", rollout=rollout, flag=flag, reason=str(error))  # noqa: TRY400
        except SwitchoverError as error:
            log.warning("flag not brought back yet", rollout=rollout, flag=flag, reason=str(error))
            return False
        return True


def _half(one: Moved) -> dict[str, Any]:
    """Return the part of a flag's targeting that gives a share of the keys the new value."""
    return {"value": one.to, "percent": one.share}
