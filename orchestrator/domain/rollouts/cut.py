"""The cut-over of a plan with `state = "exclusive"`: one version at a time on one state, calls wait in between.

Whoever carries it out stops the old version, keeps the state as it is then, starts the new one on it and says so; only
then is routing changed.  What is not written down here has not happened: before `CutOverDone` is in the journal the new
version has served no call, so that going back loses nothing.  Above: `rollout`, `steps`, `begin`.
Below: `stages`, `back`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import because, go_back, reset_flags
from orchestrator.domain.rollouts.edits import create, held, not_movable, retire, route, settled, with_generation
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.stages import enter_bake
from orchestrator.domain.rollouts.state import Part, Phase, Snapshot, State, What

PARKED = "it is parked: another generation works alone on the state"


def approach(state: State, now: float) -> State:
    """Come to the cut-over, which the next tick begins: no freeze window may hold it up."""
    return state.enter(Phase.PROMOTING, Part.STARTING, now, now).to(began=now)


def begin_cut(state: State, now: float) -> State:
    """Have the active version hand the state over to the candidate; no third version may work on it meanwhile."""
    rollout, former, old = state.under_way, state.table.previous, held(state.table.active)
    if rollout.spec is None:
        raise AssertionError("a plan with a new generation has its command")
    state = _parked(state, old)
    if former is not None:
        state, _ = retire(route(state, now, previous=None), former)
    state, made = create(state, rollout.spec)
    state = replace(state, candidate=made.number, candidate_salt=rollout.salt, allow_breaking=rollout.allow_breaking)
    state = state.enter(Phase.PROMOTING, Part.CUTTING, now)
    return state.to(baseline=old, candidate=made.number)


def is_begun(state: State, rollout: str, phase: Phase) -> bool:
    """Tell whether a rollout hands the state over now, forward (`promoting`) or back (`rolling_back`)."""
    running = state.under_way
    return (running.id, running.phase, running.part) == (rollout, phase, Part.CUTTING)


def cut_over(state: State, event: ev.CutOverDone, now: float) -> State | Rejected:
    """The candidate has the state and is ready: all calls go to it; the old version is parked for the way back."""
    if not is_begun(state, event.rollout, Phase.PROMOTING):
        return Rejected(f"no cut-over of {event.rollout} is waited for")
    new = state.under_way.trial
    refusal = not_movable(state, new)
    if refusal is not None:
        return refusal
    state = route(settled(state), now, active=new, previous=state.table.active)
    return enter_bake(state.to(snapshot=Snapshot(event.at, event.path)), now)


def cut_over_failed(state: State, event: ev.CutOverFailed, now: float) -> State | Rejected:
    """The state could not be handed over, which says nothing against the version: the old one goes on, nothing lost."""
    if not is_begun(state, event.rollout, Phase.PROMOTING):
        return Rejected(f"no cut-over of {event.rollout} is waited for")
    words = f"the state could not be handed over: {event.reason}"
    return go_back(state, because(state, What.STATE, words, now), now, quarantine=False)


def cut_back(state: State, event: ev.CutBackDone, now: float) -> State | Rejected:
    """The old version has its state again and is ready: all calls go to it."""
    if not is_begun(state, event.rollout, Phase.ROLLING_BACK):
        return Rejected(f"no way back of {event.rollout} is waited for")
    old = state.under_way.baseline
    if old == state.table.previous:
        known = state.generations[old]
        if known.standing is not Standing.READY:
            return Rejected(f"generation {old} is not ready: {known.note or 'it is being started'}")
        state = route(state, now, active=old, previous=None)
    return reset_flags(_parked(state.to(stuck=""), state.under_way.trial), now)


def cut_back_stuck(state: State, event: ev.CutBackStuck, _now: float) -> State | Rejected:
    """Note what stands in the way back, or that nothing does any more, for people: it is tried again in any case."""
    if not is_begun(state, event.rollout, Phase.ROLLING_BACK):
        return Rejected(f"no way back of {event.rollout} is waited for")
    if event.reason == state.under_way.stuck:
        return Rejected("that is known")
    return state.to(stuck=event.reason)


def _parked(state: State, number: int) -> State:
    return with_generation(state, replace(state.generations[number], standing=Standing.PARKED, note=PARKED))
