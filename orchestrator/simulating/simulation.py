"""Lets time pass: calls come, deadlines come, the driver decides, until the rollout is over or somebody is needed.

A discrete clock: nothing waits, the time is set to the next thing that happens.  The machine, the driver, the executor
and the guard are those of the daemon.  Above: the verb `simulate`, the figures of `bench`.  Below: `traffic`, `twins`,
`telling`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Part, Phase, Rollout
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.simulating.assumed import EDGE, assumed
from orchestrator.simulating.recording import Recording
from orchestrator.simulating.subjects import Subjects
from orchestrator.simulating.telling import Ending, Line, Told, lines_of
from orchestrator.simulating.traffic import Traffic
from orchestrator.simulating.twins import LastRecord, ReadyFleet, Surroundings, TrafficRouter, VirtualClock
from state.memory import MemoryDesiredState

PATIENCE: Final = 2 * EDGE
"""Calls after which nobody waits any longer for data in a part that has no end."""

YEAR: Final = 365 * 86_400.0
"""Seconds for which the old version has run: no flag finds it too young."""

PEOPLE: Final = "the simulation"
"""Who is named where a person would be."""

OLD: Final = Spec(("old",), "/", fingerprint="old")
NEW: Final = Spec(("new",), "/", fingerprint="new")


@dataclass(frozen=True, slots=True)
class Options:
    """How to simulate.

    Attributes:
        seed: decides which keys go where.
        speed: how many times as fast calls come as they were recorded.
        stop_at_holds: whether it ends where somebody has to agree, instead of agreeing at once.
        subjects: what calls say of their subjects, which no recording knows.
    """

    seed: int = 0
    speed: float = 1.0
    stop_at_holds: bool = False
    subjects: Subjects = field(default_factory=Subjects)


def simulate(plan: Plan, recording: Recording, options: Options | None = None) -> Told:
    """Carry a plan out over recorded samples; the same arguments always give the same.

    Args:
        plan: what is carried out; each flag stage says its `min_stable`.
        recording: what happens.
        options: how.
    """
    return asyncio.run(Simulation(plan, recording, options or Options()).run())


class Simulation:
    """One run."""

    def __init__(self, plan: Plan, recording: Recording, options: Options) -> None:
        self._plan = plan
        self._recording = recording
        self._options = options
        self._clock = VirtualClock(recording.began)
        self._begin = recording.began
        self._traffic = Traffic(recording, options.seed, recording.began, options.speed, options.subjects)
        self._traffic.served.old = 1 if plan.new_generation else 0
        self._around = Surroundings(plan, self._traffic, self._clock)
        self._around.stop_at_holds = options.stop_at_holds
        desired = MemoryDesiredState(self._clock.monotonic)
        fleet = ReadyFleet(self._around.pending)
        executor = Executor(TrafficRouter(self._traffic), fleet, desired, self._around)
        self._driver = Driver(State(), LastRecord(), executor, self._clock, self._note)
        self._lines: list[Line] = []
        self._entered = (0.0, 0)
        self._calls_before = 0
        self._left_out = 0.0
        self._answered = 0

    async def run(self) -> Told:
        """Run it to its end."""
        deciding = asyncio.create_task(self._driver.run())
        try:
            await self._begin_rollout()
            ending = None
            while ending is None:
                await self._settle()
                ending = self._ended()
                if ending is None:
                    ending = self._pass_time()
        finally:
            deciding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await deciding
        return self._told(ending)

    async def _begin_rollout(self) -> None:
        asked = ev.UpgradeAsked(
            rollout="simulated",
            plan=self._plan,
            spec=NEW if self._plan.new_generation else None,
            salt=f"simulated {self._options.seed}",
            actor=PEOPLE,
        )
        self._clock.now = self._begin - YEAR
        for event in (ev.Founded(OLD), ev.GenerationReady(1)):
            await self._driver.submit(event)
        self._clock.now = self._begin
        answer = await self._driver.submit(asked)
        if not answer.accepted:
            raise AssertionError(answer.reason)

    async def _settle(self) -> None:
        """Have everything that is pending decided."""
        pending = self._around.pending
        while pending or self._agrees():
            if not pending:
                self._around.look()  # what a person would see who looks once more
            if not pending:
                self._answered += 1
                pending.append(ev.ResumeAsked(actor=PEOPLE))
            await self._driver.submit(pending.popleft())

    # --- time ---------------------------------------------------------------------------------

    def _pass_time(self) -> Ending | None:
        """Let things happen until something has to be decided; tell the ending where nothing ever will."""
        traffic, clock, around = self._traffic, self._clock, self._around
        due = due_at(self._driver.state)
        self._leave_out(due)
        limit = traffic.calls + EDGE
        while not around.pending:
            at = traffic.next_at
            if due is not None and (at is None or due <= at):
                clock.now = max(clock.now, due)
                around.look()
                around.pending.append(ev.Tick())
                return None
            if at is None or (due is None and traffic.calls - self._calls_before > PATIENCE):
                return Ending.WAITING
            clock.now = max(clock.now, at)
            told = traffic.happen()
            if told is not None:
                around.tell(told)
            if traffic.calls >= limit:
                return None
        return None

    def _leave_out(self, due: float | None) -> None:
        """Leave out the middle of a long part: its first and its last calls say what there is to say."""
        part = self._traffic.calls - self._calls_before
        if due is None or part < EDGE or self._recording.lasts <= 0:
            return
        span = EDGE / (self._recording.per_second * self._options.speed)
        left_out = due - span - self._clock.now
        if left_out > 0.0:
            self._traffic.leave_out(left_out)
            self._left_out += left_out

    # --- people -------------------------------------------------------------------------------

    def _agrees(self) -> bool:
        """Tell whether a person would say "go on" here."""
        rollout = self._driver.state.under_way
        if rollout.paused is not None or rollout.is_over or self._options.stop_at_holds:
            return False
        if rollout.part is Part.HOLD:
            hold = self._hold(rollout)
            return hold is not None and hold.kind is HoldKind.PERSON
        stays = (rollout.phase, rollout.part, rollout.due) == (Phase.STEPPING, Part.RUNNING, None)
        return stays and not rollout.waiting and self._is_seen(rollout)

    def _is_seen(self, rollout: Rollout) -> bool:
        """Tell whether a person has seen enough of a step that stays until resumed."""
        if rollout.look is not None and rollout.look.verdict is Verdict.WITHIN_MARGIN:
            return True
        return self._traffic.calls - self._calls_before >= EDGE

    def _hold(self, rollout: Rollout) -> Hold | None:
        if rollout.phase is Phase.PROMOTING:
            return self._plan.promotion.hold
        return self._plan.steps[rollout.index].hold if rollout.phase is Phase.STEPPING else None

    def _ended(self) -> Ending | None:
        rollout = self._driver.state.under_way
        if rollout.is_over:
            return Ending.DONE if rollout.phase is Phase.DONE else Ending.ROLLED_BACK
        if rollout.paused is not None:
            return Ending.PAUSED
        stops = rollout.part is Part.HOLD and rollout.due is None and not self._around.pending
        return Ending.HELD if stops and self._options.stop_at_holds else None

    # --- the story ----------------------------------------------------------------------------

    def _note(self, event: ev.Event, before: State, after: State) -> None:
        """Note a step of the machine, as `Driver` tells it."""
        if after.rollout is None:
            return
        at = self._clock.now - self._begin
        for words, look in lines_of(event, before.rollout, after.rollout, self._clock.now):
            self._lines.append(Line(at, words, look))
        entered = (after.rollout.entered, after.rollout.visit)
        if entered != self._entered:
            self._entered, self._calls_before = entered, self._traffic.calls

    def _told(self, ending: Ending) -> Told:
        rollout = self._driver.state.under_way
        cause = rollout.paused.cause if rollout.paused is not None else rollout.cause
        lasted = self._clock.now - self._begin
        return Told(
            plan=self._plan.name,
            ending=ending,
            lasted=lasted,
            why=cause.words if cause is not None else self._lines[-1].words.removeprefix("waits: "),
            metric=cause.metric if cause is not None else "",
            lines=tuple(self._lines),
            assumed=tuple(self._assumed(rollout)),
            calls=self._traffic.calls,
        )

    def _assumed(self, rollout: Rollout) -> Iterator[str]:
        yield from assumed(self._plan, self._recording, self._options.speed, self._options.subjects)
        if self._traffic.rounds:
            keys = "from the same keys, which is no new evidence" if self._recording.new else "from other keys"
            yield f"the recording began again {self._traffic.rounds} time(s): the same values came again, {keys}"
        if self._traffic.foreign:
            yield (
                f"{self._traffic.foreign:,} calls were of a tool their version was never recorded with; "
                "they took the values of another tool"
            )
        if self._left_out:
            yield f"of parts with more than {2 * EDGE:,} calls only the first and the last {EDGE:,} happened"
        if self._answered:
            yield (
                f"a person agreed {self._answered} time(s): to holds at once, to a step that stays until resumed after "
                f"{EDGE:,} calls or once every margin is certified; with --stop-at-holds it ends there instead"
            )
        if rollout.plan.rehearsal.run and rollout.plan.new_generation:
            yield "the rehearsal passed without differences, and its time does not count"
