"""The guard at work: hears every sample, looks when a look is due, tells the engine, keeps what it knows.

The evidence itself is pure (`orchestrator.guard`); here are the loop, the clock and the file.  A regression is told at
the very sample that proves it; other looks are told to the engine when they say something new, and at the latest before
a part of the plan ends.  Above: `conductor`.  Below: the guard, the samples' store, the tap, the mirror.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from orchestrator.domain.evidence.look import Look, Verdict, Watch
from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.flags.values import Value
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import Rollout, State
from orchestrator.domain.routing import Lane
from orchestrator.guard.guard import Guard
from orchestrator.guard.state import packed
from orchestrator.guard.warm_up import initial_delay
from orchestrator.telemetry.logging import get_logger

log = get_logger("guard")

EVERY: Final = 1.0
"""Seconds between two looks without samples (time alone can make data missing), and between two checkpoints."""
TOLD_EVERY: Final = 30.0
"""Seconds after which the engine is told of a look that says nothing new: its figures are shown to people."""


class Memory(Protocol):
    """Where looks and evidence are kept; fits the samples' store."""

    async def add_look(self, look: str, epoch: str, at: float, verdict: str) -> int:
        """Store a look."""
        ...

    async def checkpoint(self, epoch: str, blob: bytes) -> None:
        """Keep what the guard knows of an epoch."""
        ...

    async def last_checkpoint(self, epoch: str) -> bytes | None:
        """Return what was kept of an epoch last."""
        ...


class Engine(Protocol):
    """Who acts on looks."""

    state: State

    def post(self, event: ev.Event) -> None:
        """Report something."""
        ...

    def urge(self, event: ev.Event) -> None:
        """Report what must take effect at once."""
        ...


Trial = Callable[[Callable[[str], bool | None] | None, float], None]
"""Has calls told apart by a flag: (who has its new value, their share)."""


class GuardDesk:
    """Watches one epoch at a time; fits `domain.evidence.samples.SampleSink`.

    Attributes:
        on_trial: told what flag is on trial.
        on_mirror: told which lane read-only calls are mirrored to.
        on_rollout: told which rollout is watched.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        memory: Callable[[], Awaitable[Memory]],
        flag_trial: Callable[[str, Value], Callable[[str], bool | None]],
    ) -> None:
        """Build it; `run` lets it look.

        Args:
            engine: acts on looks.
            clock: whose `wall` samples are told by.
            memory: keeps looks and evidence; raises while the file cannot be used.
            flag_trial: makes what tells who has a flag's value on trial.
        """
        self._engine = engine
        self._clock = clock
        self._memory = memory
        self._flag_trial = flag_trial
        self.on_trial: Trial = lambda _has_it, _share: None
        self.on_mirror: Callable[[Lane | None], None] = lambda _lane: None
        self.on_rollout: Callable[[Rollout | None], None] = lambda _rollout: None
        self._watch: Watch | None = None
        self._guard: Guard | None = None
        self._since = 0.0
        self._look: Look | None = None
        self._told: Look | None = None
        self._kept: list[Look] = []
        self._restored: tuple[str, bytes] | None = None

    # --- what the machine wants ---------------------------------------------------------------

    def observe(self, watch: Watch | None, mirror: Lane | None) -> None:
        """Watch an epoch from now on; the one that is watched goes on with what is known."""
        self.on_mirror(mirror)
        if watch == self._watch:
            return
        former, self._guard = self._guard, None
        if former is not None:
            last = former.peek(self._clock.wall())
            if self._look is None or (last.trial, last.verdict) != (self._look.trial, self._look.verdict):
                self._kept.append(last)  # how it ended, for the record
        self._watch, self._look, self._told = watch, None, None
        rollout = self._engine.state.rollout if watch is not None else None
        self.on_rollout(rollout)
        if watch is None or rollout is None:
            self.on_trial(None, 0.0)
            return
        self._since = self._clock.wall() + initial_delay(rollout.plan, watch, former.watch if former else None)
        self._guard = self._made(rollout.plan, watch, former)
        self._put_on_trial(rollout, watch)
        log.info("watching", epoch=watch.epoch, share=watch.share, alpha=watch.alpha, judged=watch.judged)

    def _made(self, plan: Plan, watch: Watch, former: Guard | None) -> Guard:
        """Begin an epoch, with what the one before knows of the baseline; or go on with one a killed daemon watched."""
        restored, self._restored = self._restored, None
        if restored is not None and restored[0] == watch.epoch:
            try:
                guard = Guard.restored(plan, watch, restored[1])
            except ValueError as error:
                log.warning("evidence not restored, it begins anew", epoch=watch.epoch, reason=str(error))
            else:
                self._since = 0.0
                return guard
        follows = former is not None and former.watch.rollout == watch.rollout
        return Guard(plan, watch, former.figures() if former is not None and follows else None)

    def _put_on_trial(self, rollout: Rollout, watch: Watch) -> None:
        moved = next((one for one in rollout.moved if one.flag == watch.flag), None)
        if moved is None or not 0.0 < watch.share < 1.0:
            self.on_trial(None, 0.0)
        else:
            self.on_trial(self._flag_trial(moved.flag, moved.to), watch.share)

    async def recover(self, rollout: Rollout | None) -> None:
        """Read what a killed daemon knew of the epoch it watched."""
        if rollout is None or rollout.is_over or rollout.watch is None:
            return
        try:
            memory = await self._memory()
            blob = await memory.last_checkpoint(rollout.watch.epoch)
        except Exception as error:  # noqa: BLE001 - without it evidence begins anew, which is the safe side
            log.warning("evidence cannot be read", reason=str(error))
            return
        self._restored = None if blob is None else (rollout.watch.epoch, blob)

    # --- samples ------------------------------------------------------------------------------

    def sample(self, sample: Sample) -> None:
        """Take one in; look if that is due."""
        guard = self._guard
        if guard is None or sample.at < self._since:
            return
        guard.sample(sample)
        now = self._clock.wall()
        if guard.due(now):
            self._took(guard.look(now))

    def pair(self, pair: Pair) -> None:
        """Take one in; look if that is due."""
        guard = self._guard
        if guard is None or pair.at < self._since:
            return
        guard.pair(pair)
        now = self._clock.wall()
        if guard.due(now):
            self._took(guard.look(now))

    # --- looks --------------------------------------------------------------------------------

    def latest(self) -> Look | None:
        """Return the newest look."""
        return self._look

    def evaluate(self) -> Look | None:
        """Take a look now, and act on it; None when nothing is watched."""
        if self._guard is None:
            return None
        self._took(self._guard.look(self._clock.wall()), told=True)
        return self._look

    def _took(self, look: Look, *, told: bool = False) -> None:
        """Keep a look, and tell the engine when it says something new."""
        news = told or says_more(self._told, look)
        self._look = look
        if news or self._kept == []:
            self._kept.append(look)
        if not news or self._watch is None or not self._watch.judged:
            return
        fresh = self._told is None or self._told.verdict is not Verdict.REGRESSION
        self._told = look
        if look.verdict is Verdict.REGRESSION and fresh:
            log.warning("regression", epoch=look.epoch, cause=look.cause)
            self._engine.urge(ev.Looked(look))
        else:
            self._engine.post(ev.Looked(look))

    async def run(self) -> None:
        """Look, write and keep the evidence, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            if self._guard is not None and says_more(self._look, self._guard.peek(self._clock.wall())):
                self._took(self._guard.look(self._clock.wall()))
            await self.keep()

    async def keep(self) -> None:
        """Write the looks that were taken, and what the guard knows."""
        kept, self._kept = self._kept, []
        if not kept and self._guard is None:
            return
        with contextlib.suppress(Exception):  # the store says what is wrong with it; rollouts go on without a record
            memory = await self._memory()
            for look in kept:
                await memory.add_look(msgspec.json.encode(look).decode(), look.epoch, look.at, look.verdict.value)
            if self._guard is not None and self._watch is not None:
                epoch, snapshot = self._watch.epoch, self._guard.snapshot()
                await memory.checkpoint(epoch, await asyncio.to_thread(packed, snapshot))


def says_more(told: Look | None, look: Look) -> bool:
    """Tell whether a look says something that the engine or a person should hear."""
    if told is None or (told.verdict, told.doubtful) != (look.verdict, look.doubtful):
        return True
    verdicts = [one.verdict for one in told.limits] != [one.verdict for one in look.limits]
    return verdicts or look.at - told.at >= TOLD_EVERY
