"""A daemon killed at every write and between any two effects of a rollout: it ends as it would have without.

Phase, part, what is left of it, cause, flags on trial, lanes and weight come back, and everything a rollout wants of
its surroundings is wanted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from crash_story import Told, killed, killed_then_told_to_the_end, without_a_crash
from engine_world import FOUNDED, READY, CrashError, living, spec

from orchestrator.domain.evidence.look import LimitLook, Look, Verdict
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, Rehearsal, StateUse
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.effects import mirrored
from orchestrator.domain.rollouts.record import decode
from orchestrator.domain.rollouts.rollout import State, step
from orchestrator.domain.rollouts.rollout import Step as Taken
from orchestrator.domain.rollouts.state import Part, Phase

pytestmark = pytest.mark.requirement("ROLL-12")

ERROR = Limit(metric="error", margin=0.05)
FLAGS = tuple(FlagStage(flag=name, to="1", soak=0.0, min_stable=0.0, half_first=False) for name in ("ONE", "TWO"))
PLAN = Plan(
    name="short",
    rehearsal=Rehearsal(run=False),
    steps=(Step(weight=10, pause=0.0), Step(weight=50, pause=0.0, mirror=True)),
    bake=Bake(health=0.0, unlock=0.0),
    flags=FLAGS,
    limits=(ERROR,),
)
HOLD = Hold(kind=HoldKind.COMMAND, command=("true",))
TICK, RESUME, BACK = ev.Tick(), ev.ResumeAsked(actor="ann"), ev.RollbackAsked(actor="ann", reason="enough")

Tell = Callable[[State], ev.Event | None]
"""Builds the next event by the state so far, again and again until there is none."""


def upgrade(plan: Plan = PLAN, rollout: str = "r-1") -> ev.UpgradeAsked:
    return ev.UpgradeAsked(rollout=rollout, plan=plan, spec=spec("two"), salt="x", actor="ann")


def look(state: State, verdict: Verdict) -> ev.Looked:
    """Look at what is watched."""
    watch = state.under_way.watch
    assert watch is not None
    limit = LimitLook(str(ERROR), "error", "sequential", verdict)
    return ev.Looked(Look(watch.epoch, 1, 0.0, verdict, limits=(limit,), cause="error rate 9 %"))


def bad(state: State) -> ev.Event | None:
    """Tell of a regression."""
    return look(state, Verdict.REGRESSION) if state.phase is not Phase.STEADY and not rolling_back(state) else None


def rolling_back(state: State) -> bool:
    return state.phase is Phase.ROLLING_BACK


def to(phase: Phase, index: int = 0) -> Tell:
    """Let time pass, all being well, until a part of the plan is reached."""

    def build(state: State) -> ev.Event | None:
        rollout = state.rollout
        assert rollout is not None
        begun = rollout.part is not Part.STARTING
        if rollout.phase is phase and (rollout.index == index or rollout.is_over) and begun:
            return None
        told = rollout.look is not None and rollout.watch is not None and rollout.look.epoch == rollout.watch.epoch
        return TICK if told or rollout.watch is None else look(state, Verdict.WITHIN_MARGIN)

    return build


BEGUN = (FOUNDED, READY[0], upgrade(), READY[1])
HELD = replace(PLAN, steps=(replace(PLAN.steps[0], hold=HOLD),))
HELD_LATE = replace(PLAN, steps=PLAN.steps[:1], promotion=Promotion(HOLD))
WEIGHT = ev.WeightAsked(weight=30, actor="ann")
LOST = (ev.GenerationDown(2, "it crashed"), ev.GenerationFailed(2, "it loops"))
DIFFER = ev.RehearsalEnded(rollout="r-1", failed=False, differences=2)
RETRY = ev.RetryAsked(rollout="r-2", actor="bob")
ON, OFF = ev.KillSwitchAsked(on=True, actor="ann"), ev.KillSwitchAsked(on=False, actor="ann")

ALONE = replace(PLAN, steps=(), bake=replace(PLAN.bake, mirror=False), state=StateUse.EXCLUSIVE)
CUTTING = (FOUNDED, READY[0], upgrade(ALONE), TICK)
CUT = (*CUTTING, READY[1], ev.CutOverDone("r-1", 1_800_000_000.0, "before"))
LOSE = ev.RollbackAsked(actor="ann", lose_writes=True, lost="2 calls that may have written")
CUT_BACK = (READY[0], ev.CutBackDone("r-1"))

SCRIPTS: dict[str, tuple[ev.Event | Tell, ...]] = {
    "all the way": (*BEGUN, to(Phase.DONE)),
    "a regression at a step": (*BEGUN, to(Phase.STEPPING, 1), bad),
    "a regression in the bake": (*BEGUN, to(Phase.BAKING), bad),
    "a regression at the second flag": (*BEGUN, to(Phase.FLIPPING, 1), bad, ev.FlagsReset("r-1")),
    "a person goes back, and tries again": (*BEGUN, to(Phase.BAKING), BACK, RETRY, ev.GenerationReady(3)),
    "paused, weighed and resumed": (*BEGUN, to(Phase.STEPPING, 0), WEIGHT, RESUME, to(Phase.STEPPING, 1)),
    "a hold": (FOUNDED, READY[0], upgrade(HELD), READY[1], TICK, ev.HoldAgreed("r-1"), to(Phase.BAKING)),
    "a hold before the promotion": (
        *(FOUNDED, READY[0], upgrade(HELD_LATE), READY[1], to(Phase.PROMOTING)),
        *(ev.HoldAgreed("r-1"), to(Phase.BAKING)),
    ),
    "a rehearsal with differences": (
        *(FOUNDED, READY[0], upgrade(replace(PLAN, rehearsal=Rehearsal())), DIFFER, RESUME, READY[1]),
        to(Phase.STEPPING, 1),
    ),
    "a candidate that does not start": (*BEGUN[:3], ev.GenerationFailed(2, "no such file")),
    "a promoted version that is lost": (*BEGUN, to(Phase.BAKING), *LOST),
    "the kill switch": (*BEGUN, to(Phase.BAKING), ON, OFF, RESUME),
    "exclusive": (*CUT, to(Phase.DONE)),
    "exclusive, and back": (*CUT, to(Phase.BAKING), LOSE, *CUT_BACK, RETRY, TICK, ev.GenerationReady(3)),
    "exclusive, and back with flags": (*CUT, to(Phase.FLIPPING, 1), LOSE, *CUT_BACK, ev.FlagsReset("r-1")),
    "exclusive, and a start that fails": (*CUTTING, ev.GenerationFailed(2, "it cannot"), *CUT_BACK),
    "exclusive, and a state that cannot be kept": (*CUTTING, ev.CutOverFailed("r-1", "the disk is full"), *CUT_BACK),
    "exclusive, and the kill switch": (*CUTTING, ON, *CUT_BACK, OFF),
    "a flag edited by hand": (*BEGUN, to(Phase.FLIPPING), ev.FlagEdited("ONE", "ann"), RESUME),
}


def events_of(script: Sequence[ev.Event | Tell]) -> list[ev.Event]:
    """Return a script's events, those that depend on the state built by what leads to them."""
    state, now, events = State(), 1_800_000_000.0, []
    for one in script:
        told = one if callable(one) else None
        event = one(state) if callable(one) else one
        while event is not None:
            outcome = step(state, event, now)
            assert isinstance(outcome, Taken), (event, outcome)
            state, now = outcome.state, now + 10.0
            events.append(event)
            event = told(state) if told is not None else None
            assert len(events) < 100
    return events


@pytest.mark.parametrize("script", SCRIPTS)
async def test_killed_anywhere_in_a_rollout_it_ends_as_it_would_have_without(script: str) -> None:
    events = events_of(SCRIPTS[script])
    views, calls = await without_a_crash(events)
    for call in range(1, calls + 1, 2):  # before each write and effect; every port says so before and after
        try:
            await killed_then_told_to_the_end(events, views, [call], CrashError)
        except AssertionError as error:
            raise AssertionError(f"{script}, killed at port call {call} of {calls}") from error


@pytest.mark.parametrize("script", ["all the way", "a regression at the second flag"])
async def test_after_a_crash_a_part_ends_when_it_would_have_and_all_a_rollout_wants_is_wanted_again(
    script: str,
) -> None:
    events = events_of(SCRIPTS[script])
    _, calls = await without_a_crash(events)
    for call in range(20, calls + 1, 5):
        told = Told(events)
        assert await killed(told, call, CrashError)
        async with living(told.stores) as life:
            rollout, wished = life.driver.state.rollout, life.conductor
            if rollout is None or rollout.is_over:
                assert (wished.watch, wished.moved, wished.resetting) == (None, (), ())
                continue
            written = decode(await told.stores.journal.last() or "").state.rollout
            assert (rollout.due, rollout.entered) == (written and written.due, written and written.entered)
            assert (wished.watch, wished.mirror) == (rollout.watch, mirrored(rollout))
            assert wished.moved == (rollout.moved if rollout.phase is Phase.FLIPPING else ())
            assert bool(wished.resetting) == (rollout.phase is Phase.ROLLING_BACK)
