"""The way back, and the end: routing first, then flags, then the canary stopped, the fingerprint quarantined.

Above: every other `rollout_*` module.  Below: `moves` for routing, `state`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.judgement import step_words
from orchestrator.domain.moves import _retire, _route, _settled
from orchestrator.domain.state import Cause, Part, Paused, Phase, Quarantined, State, What


def because(state: State, what: What, words: str, now: float, *, by: str, metric: str = "") -> Cause:
    """Build a cause that says where the rollout is and which flag was on trial."""
    rollout = state.under_way
    flag = rollout.watch.flag if rollout.watch is not None else ""
    return Cause(what, words, by, now, metric=metric, flag=flag, step=step_words(rollout))


def go_back(state: State, cause: Cause, now: float, *, quarantine: bool = True) -> State:
    """Route away from the candidate and end the rollout; with `previous` not ready, as soon as it is."""
    rollout = state.under_way
    state = state.to(phase=Phase.ROLLING_BACK, cause=cause, paused=None, due=None, watch=None, frozen=False)
    if quarantine and rollout.spec is not None and rollout.spec.fingerprint:
        held = {**state.quarantine, rollout.spec.fingerprint: Quarantined(rollout.id, cause)}
        state = replace(state, quarantine=held)
    if rollout.promoted is not None and state.table.previous is not None:
        if not state.table.previous_warm:
            return state.to(part=Part.READY)
        state = _route(state, now, active=state.table.previous, previous=None)
    elif state.table.canary is not None and state.table.canary == rollout.candidate:
        state = _route(state, now, canary=None, weight=0)
    return reset_flags(_settled(state), now)


def reset_flags(state: State, now: float) -> State:
    """Bring the moved flags back, which the shell says when it is done; without any the rollout is over."""
    return state.to(part=Part.FLAGS, entered=now) if state.under_way.moved else finish(state, Phase.ROLLED_BACK, now)


def fail(state: State, cause: Cause, now: float) -> State:
    """End a rollout that has moved nothing yet; no judgement, so nothing is quarantined."""
    return go_back(state, cause, now, quarantine=False)


def finish(state: State, phase: Phase, now: float) -> State:
    """End the rollout; a candidate without a lane is retired."""
    state = state.to(phase=phase, due=None, entered=now, watch=None, paused=None, frozen=False)
    state, _ = _retire(state, state.under_way.candidate)
    return state


def pause(state: State, cause: Cause, now: float, *, over: bool = False) -> State:
    """Stop the clock; what was left of the part is kept.  A pause that there is already stays as it is."""
    rollout = state.under_way
    if rollout.paused is not None:
        return state
    left = None if rollout.due is None else max(0.0, rollout.due - now)
    return state.to(paused=Paused(cause, left, over or rollout.waiting), due=None, waiting=False)
