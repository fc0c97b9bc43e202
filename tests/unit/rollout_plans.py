"""Rollouts on virtual time, for the tests of the machine: small plans, and a story that carries one out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rollout_story import NOW, founded, ready, spec

from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, StateUse
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.commands import Command
from orchestrator.domain.rollouts.rollout import Outcome, Rejected, State, step
from orchestrator.domain.rollouts.rollout import Step as Taken
from orchestrator.domain.rollouts.state import Rollout

ERRORS = (Limit("error", margin=0.05),)
FLAGS = (
    FlagStage("base", "1", soak=40.0, min_stable=0.0),
    FlagStage("built_on_it", "1", soak=40.0, half_first=False, min_stable=0.0),
)
STEPS = (Step(10, 60.0), Step(50, 60.0))
PLAN = Plan("small", steps=STEPS, limits=ERRORS, bake=Bake(health=60.0, unlock=90.0), flags=FLAGS)
FLAGS_ALONE = Plan("flags", new_generation=False, limits=ERRORS, flags=FLAGS)
ALONE = replace(PLAN, name="alone", steps=(), bake=replace(PLAN.bake, mirror=False), state=StateUse.EXCLUSIVE)
ASK_PERSON = Hold(HoldKind.PERSON, say="is it well?")
ASK_COMMAND = Hold(HoldKind.COMMAND, command=("check",), longest=300.0)
ANN = {"actor": "ann"}

PROMOTE, PAUSE = ev.PromoteAsked(actor="ann"), ev.PauseAsked(actor="ann", reason="lunch")
RESUME, ABORT = ev.ResumeAsked(actor="ann"), ev.RollbackAsked(actor="ann", reason="a hunch")
TICK = ev.Tick()
LOSE = ev.RollbackAsked(actor="ann", reason="a hunch", lose_writes=True, lost="3 calls that may have written")
CUT = ev.CutOverDone("r", NOW + 5, "snapshots/r/before")
CUT_BACK = ev.CutBackDone("r")
RESET = ev.FlagsReset("r")
REHEARSED = ev.RehearsalEnded(rollout="r", failed=False, shared_state=True)


def plan(**changes: Any) -> Plan:
    """Return the small plan with changes; `hold` is before the promotion."""
    hold = changes.pop("hold", None)
    return replace(PLAN, **({"promotion": Promotion(hold)} if hold else {}), **changes)


def asked(of: Plan = PLAN, name: str = "r", **changes: Any) -> ev.UpgradeAsked:
    """Return the wish to carry a plan out."""
    made = spec("two") if of.new_generation else None
    wish = ev.UpgradeAsked(rollout=name, plan=of, spec=made, salt="salt of two", actor="ann")
    return replace(wish, **changes)


@dataclass
class Story:
    """A rollout that is under way: things happen, and time passes.

    Attributes:
        state: the state.
        now: the time.
        commands: what the last event led to.
    """

    state: State = field(default_factory=State)
    now: float = NOW
    commands: tuple[Command, ...] = ()

    @property
    def rollout(self) -> Rollout:
        """The rollout, under way or over."""
        assert self.state.rollout is not None
        return self.state.rollout

    @property
    def at(self) -> tuple[str, str, int]:
        """Where the rollout is."""
        return self.rollout.phase.value, self.rollout.part.value, self.rollout.index

    @property
    def lanes(self) -> tuple[int | None, int | None, int | None, int]:
        """Active, canary, previous, and the canary's weight."""
        table = self.state.table
        return table.active, table.canary, table.previous, table.weight

    @property
    def words(self) -> str:
        """Why it is paused, else why it went back or ended."""
        paused = self.rollout.paused
        cause = paused.cause if paused is not None else self.rollout.cause
        return cause.words if cause is not None else ""

    def outcome(self, event: ev.Event) -> Outcome:
        """Return what an event would do now."""
        return step(self.state, event, self.now)

    def refused(self, event: ev.Event) -> str:
        """Return why an event is refused."""
        outcome = self.outcome(event)
        assert isinstance(outcome, Rejected), outcome
        return outcome.reason

    def happen(self, *events: ev.Event) -> Story:
        """Let events happen that must be taken."""
        for event in events:
            outcome = self.outcome(event)
            assert isinstance(outcome, Taken), (event, outcome)
            self.state, self.commands = outcome
        return self

    def look(self, verdict: Verdict = Verdict.NOT_YET, **members: Any) -> Story:
        """Let the guard look at what is watched."""
        assert self.rollout.watch is not None
        return self.happen(ev.Looked(Look(self.rollout.watch.epoch, 1, self.now, verdict, **members)))

    def wait(self, seconds: float, verdict: Verdict | None = Verdict.NOT_YET, **members: Any) -> Story:
        """Let time pass; the guard looks (unless there is no verdict) before each deadline that comes."""
        end = self.now + seconds
        while (due := due_at(self.state)) is not None and due <= end:
            self.now = max(self.now, due)
            if verdict is not None and self.rollout.watch is not None and self.rollout.watch.judged:
                self.look(verdict, **members)
            still = due_at(self.state)
            if still is not None and still <= self.now:
                self.happen(TICK)
        self.now = end
        return self


def serving() -> Story:
    """Generation 1 serves."""
    return Story().happen(founded(), ready(1))


def rehearsing(of: Plan = PLAN) -> Story:
    """A rollout has begun."""
    return serving().happen(asked(of))


def starting(of: Plan = PLAN) -> Story:
    """The rehearsal is over, generation 2 is being started."""
    return rehearsing(of).happen(REHEARSED)


def stepping(of: Plan = PLAN) -> Story:
    """The first step, or what comes before it."""
    return starting(of).happen(ready(2), TICK)


def baking(of: Plan = PLAN) -> Story:
    """Generation 2 is active, 1 previous."""
    story = stepping(of)
    return story if story.rollout.promoted is not None else story.happen(PROMOTE)


def cutting(of: Plan = ALONE) -> Story:
    """The old version hands the state over; the new one, generation 2, is not there yet."""
    return rehearsing(of).happen(REHEARSED, TICK)


def cut_over(of: Plan = ALONE) -> Story:
    """Generation 2 has the state, 1 is parked."""
    return cutting(of).happen(ready(2), CUT)


def flipping(of: Plan = PLAN) -> Story:
    """The first flag is on trial, for half of the keys."""
    return baking(of).wait(90.0)


def waiting_to_go_back(of: Plan = PLAN) -> Story:
    """Rolled back with `previous` away: it is waited for."""
    return flipping(of).happen(ev.GenerationDown(1, "it crashed"), ABORT)


def going_back(of: Plan = PLAN) -> Story:
    """Routed back, the flags are being reset."""
    return flipping(of).happen(ABORT)


def flags_alone(of: Plan = FLAGS_ALONE) -> Story:
    """A plan without a new generation, its first flag on trial."""
    return serving().happen(asked(of), TICK)
