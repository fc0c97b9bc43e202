"""The driver: one event at a time through `domain.rollouts.rollout.step`, the journal and the executor.

The only writer of the state.  An asked event is durable before it takes effect; a fact, or a move towards safety,
takes effect first and is written second (`routes_first`), so that a full disk never holds up a retreat.  What could not
be written is tried again until it is, or until a later record carries the state.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from orchestrator.domain.ports import Clock, Journal
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import record, rollout
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.commands import Command, Retire, Route, Start
from orchestrator.domain.rollouts.rollout import Rejected, State, Step
from orchestrator.domain.rollouts.state import What
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.executor import Executor
from orchestrator.engine.starts import Starts
from orchestrator.engine.timer import Timer
from orchestrator.telemetry.logging import get_logger

log = get_logger("engine")

QUEUE = 4096
"""Events that may wait; they come from people and from process deaths, so this is never reached in health."""

RETRY = 5.0
"""Seconds between two attempts to write what already took effect: soon after a disk has space again, and no burden."""

PUBLISHING = (Start, Route, Retire)
"""Commands that publish the state by themselves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an event.

    Attributes:
        accepted: whether the machine took it.
        reason: why not, when it did not.
        state: the state after it.
    """

    accepted: bool
    reason: str
    state: State


class _Waiting(NamedTuple):
    """An event that waits: urgent ones (rank 0) come first, the others in the order of asking."""

    rank: int
    number: int
    event: ev.Event
    future: asyncio.Future[Answer] | None


class Driver:
    """Feeds events to the machine and has its commands carried out."""

    def __init__(
        self,
        state: State,
        journal: Journal,
        executor: Executor,
        clock: Clock,
        on_step: Callable[[ev.Event, State, State], None] | None = None,
        *,
        retry: float = RETRY,
    ) -> None:
        """Build a driver.

        Args:
            state: the state to go on from (see `engine.recovery`).
            journal: where each step is made durable.
            executor: carries commands out.
            clock: wall time for the records.
            on_step: told of each accepted event with the state before and after; what it raises is logged.
            retry: seconds between two attempts to write what already took effect.
        """
        self.state = state
        self.trouble: str | None = None
        self._journal = journal
        self.executor = executor
        self._clock = clock
        self._on_step = on_step
        self._retry = retry
        self._owed: tuple[ev.Event, Step] | None = None
        self._retry_at = 0.0
        self._queue: asyncio.PriorityQueue[_Waiting] = asyncio.PriorityQueue(QUEUE)
        self._numbers = itertools.count()
        self._urged: list[tuple[ev.Event, RoutingTable]] = []
        self.before_tick: Callable[[], object] = lambda: None
        self.timer = Timer(clock, self._due)
        self.timer.set(due_at(state))
        self._starts = Starts()

    async def submit(self, event: ev.Event) -> Answer:
        """Have an event decided; returns when its effects on routing are in force."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Waiting(1, next(self._numbers), event, future))
        return await future

    def post(self, event: ev.Event) -> None:
        """Report a fact without waiting for what it leads to."""
        self._queue.put_nowait(_Waiting(1, next(self._numbers), event, None))

    def urge(self, event: ev.Event) -> None:
        """Report what must take effect at once: its routing does before this returns, the rest before all that waits.

        A write that is under way holds it up for nothing; what that write decides to route gives way.
        """
        outcome = rollout.step(self.state, event, self._clock.wall())
        for command in outcome.commands if isinstance(outcome, Step) else ():
            if isinstance(command, Route):
                self._urged.append((event, command.table))
                self.executor.route(command.table)
        self._queue.put_nowait(_Waiting(0, next(self._numbers), event, None))

    def _due(self) -> None:
        """A deadline has come: whoever has fresh news of the part that ends gives them first."""
        self.before_tick()
        self.post(ev.Tick())

    async def started(self, number: int) -> str | None:
        """Wait until a generation being started is ready; return None when it is, else the reason why it is not."""
        return await self._starts.wait(number, self.state)

    async def run(self) -> None:
        """Decide events for ever, in the order in which they came."""
        while True:
            next_one = await self._next()
            if next_one is not None:
                answer = await self._decide(next_one.event)
                if next_one.future is not None and not next_one.future.done():
                    next_one.future.set_result(answer)
            if self._owed is not None and asyncio.get_running_loop().time() >= self._retry_at:
                await self._write(*self._owed)

    async def _next(self) -> _Waiting | None:
        """Wait for an event; None when it is time to write what is owed to the journal, whatever else comes then."""
        if self._owed is None:
            return await self._queue.get()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._retry_at):
                return await self._queue.get()
        return None

    async def _decide(self, event: ev.Event) -> Answer:
        before = self.state
        urged = next((table for one, table in self._urged if one is event), None)
        self._urged = [one for one in self._urged if one[0] is not event]
        outcome = rollout.step(before, event, self._clock.wall())
        if isinstance(outcome, Rejected):
            self._refuse(event, outcome.reason, urged)
            return Answer(accepted=False, reason=outcome.reason, state=before)
        if isinstance(event, ev.Looked) and not _differ(before, outcome.state):
            self.state = outcome.state  # the samples keep looks; a journal of all of them would say nothing more
            return Answer(accepted=True, reason="", state=outcome.state)
        self._starts.hear(event)
        if rollout.routes_first(event):
            await self._route_then_write(event, outcome)
        else:
            trouble = await self._write(event, outcome)
            if trouble:
                self._stop_automation(trouble)
                return Answer(accepted=False, reason=f"nothing was changed: {trouble}", state=before)
            self.state = outcome.state
            overtaken = Route if self._urged else ()  # what is urgent has routed already, and is decided next
            await self._carry_out(event, tuple(one for one in outcome.commands if not isinstance(one, overtaken)))
        if not any(isinstance(command, PUBLISHING) for command in outcome.commands):
            await self.executor.publish(self.state)
        self.timer.set(due_at(self.state))
        self._starts.settle(self.state)
        self._tell(event, before, outcome.state)
        return Answer(accepted=True, reason="", state=outcome.state)

    def _tell(self, event: ev.Event, before: State, after: State) -> None:
        """Tell of a step that was taken: nothing decides by what is made of it, and no step is taken back for that."""
        if self._on_step is None:
            return
        try:
            self._on_step(event, before, after)
        except Exception:
            log.exception("step taken but not told", asked=type(event).__name__, revision=after.table.revision)

    def _refuse(self, event: ev.Event, reason: str, urged: RoutingTable | None) -> None:
        """Leave the state as it is; routing too, where an urgent event found that a write had left it nothing to do."""
        if urged is not None:
            revision = max(urged.revision, self.state.table.revision)
            self.executor.route(replace(self.state.table, revision=revision))
        self.timer.set(due_at(self.state))
        log.info("refused", asked=type(event).__name__, reason=reason)

    def _stop_automation(self, trouble: str) -> None:
        """Have a rollout under way route safe and stop its clock: it cannot be written down."""
        running = self.state.rollout
        if running is not None and not running.is_over:
            stopped = running.paused is not None and running.paused.cause.what is What.JOURNAL
            if not stopped:
                self.post(ev.JournalBroken(trouble))

    async def _route_then_write(self, event: ev.Event, outcome: Step) -> None:
        """Route at once, write, and only then do what cannot be undone (a retired generation's copy is removed)."""
        self.state = outcome.state
        routing = tuple(command for command in outcome.commands if isinstance(command, Route))
        await self._carry_out(event, routing)
        self._owed = (event, outcome)
        if await self._write(event, outcome) and not isinstance(event, ev.JournalBroken):
            self._stop_automation(self.trouble or "")
        await self._carry_out(event, tuple(command for command in outcome.commands if command not in routing))

    async def _carry_out(self, event: ev.Event, commands: tuple[Command, ...]) -> None:
        for command in commands:
            try:
                await self.executor.carry_out(command, self.state)
            except Exception:
                log.exception("command failed", command=type(command).__name__, asked=type(event).__name__)

    async def _write(self, event: ev.Event, outcome: Step) -> str | None:
        """Make the step durable; return what went wrong, if anything did."""
        revision = outcome.state.table.revision
        try:
            text = record.encode(event, outcome.state, outcome.commands, self._clock.wall())
            await self._journal.append(text)
        except Exception as error:
            self._retry_at = asyncio.get_running_loop().time() + self._retry
            trouble = f"the journal cannot be written: {error}"
            if trouble != self.trouble:
                log.exception("journal not written", asked=type(event).__name__, revision=revision)
            self.trouble = trouble
            return trouble
        if self.trouble is not None:
            log.info("journal written again", asked=type(event).__name__, revision=revision)
        self.trouble = self._owed = None
        return None


def _differ(before: State, after: State) -> bool:
    """Tell whether anything but the newest look changed: looks come often, and are kept elsewhere."""
    if before.rollout is None or after.rollout is None:
        return before != after
    return replace(before, rollout=replace(before.rollout, look=after.rollout.look)) != after
