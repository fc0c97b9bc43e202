"""The cut-over of a plan with `state = "exclusive"`: one version at a time on one state, calls wait in between.

Whoever carries it out stops the old version, keeps the state as it is then, starts the new one on it and says so; only
then is routing changed.  What is not written down here has not happened: before `CutOverDone` is in the journal the new
version has served no call, so that going back loses nothing.  Above: `rollout`, `rollout_steps`, `rollout_begin`.
Below: `rollout_stages`, `rollout_back`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain import events as ev
from orchestrator.domain.generation import Standing
from orchestrator.domain.moves import _create, _not_movable, _number, _retire, _route, _settled, _with
from orchestrator.domain.outcome import Rejected
from orchestrator.domain.rollout_back import because, go_back, reset_flags
from orchestrator.domain.rollout_stages import enter_bake
from orchestrator.domain.state import Part, Phase, Snapshot, State, What

PARKED = "it is parked: another generation works alone on the state"


def approach(state: State, now: float) -> State:
    """Come to the cut-over, which the next tick begins: no freeze window may hold it up."""
    return state.enter(Phase.PROMOTING, Part.STARTING, now, now).to(began=now)


def begin_cut(state: State, now: float) -> State:
    """Have the active version hand the state over to the candidate; no third version may work on it meanwhile."""
    rollout, former, old = state.under_way, state.table.previous, _number(state.table.active)
    if rollout.spec is None:
        raise AssertionError("a plan with a new generation has its command")
    state = _parked(state, old)
    if former is not None:
        state, _ = _retire(_route(state, now, previous=None), former)
    state, made = _create(state, rollout.spec)
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
    refusal = _not_movable(state, new)
    if refusal is not None:
        return refusal
    state = _route(_settled(state), now, active=new, previous=state.table.active)
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
        state = _route(state, now, active=old, previous=None)
    return reset_flags(_parked(state, state.under_way.trial), now)


def _parked(state: State, number: int) -> State:
    return _with(state, replace(state.generations[number], standing=Standing.PARKED, note=PARKED))
