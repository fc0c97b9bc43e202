"""After the promotion: the bake, then flags one at a time, each for half of the keys and then for all; then the end.

Above: `steps` promotes into it, `clock` says when a part is over.  Below: `back`, `judgement`.
"""

from __future__ import annotations

from orchestrator.domain.plans.steps import TooYoung
from orchestrator.domain.rollouts.back import finish
from orchestrator.domain.rollouts.edits import retire, route
from orchestrator.domain.rollouts.judgement import watch_anew
from orchestrator.domain.rollouts.state import Cause, Moved, Part, Phase, Rollout, State, What

HALF, WHOLE = 50, 100
"""Percent of keys."""


def enter_bake(state: State, now: float) -> State:
    """Begin the time after the promotion."""
    health = state.under_way.plan.bake.health
    state = state.enter(Phase.BAKING, Part.HEALTH, now, now + health).to(promoted=now, index=0, retreat=0)
    return watch_anew(state, "bake", 0, share=1.0, weight=100)


def unlock(state: State, now: float) -> State:
    """The health was well: wait until flags may move, or end where none is to."""
    rollout = state.under_way
    if not rollout.plan.flags:
        return done(state, now)
    since = rollout.promoted if rollout.promoted is not None else now
    return state.enter(Phase.BAKING, Part.UNLOCK, now, max(now, since + rollout.plan.bake.unlock))


def enter_stage(state: State, index: int, now: float) -> State:
    """Begin a flag's stage; wait, or leave it out, while the version has not run for long enough."""
    rollout = state.under_way
    while index < len(rollout.plan.flags):
        stage = rollout.plan.flags[index]
        since = rollout.promoted if rollout.promoted is not None else state.active_since
        mature = since + (stage.min_stable or 0.0)
        if now >= mature:
            return move_flag(state.to(index=index), now)
        if stage.if_too_young is TooYoung.WAIT:
            return state.enter(Phase.FLIPPING, Part.YOUNG, now, mature).to(index=index)
        index += 1
    return done(state, now)


def move_flag(state: State, now: float) -> State:
    """Move a flag for half of the keys first, or at once for all."""
    stage = state.under_way.plan.flags[state.under_way.index]
    return _moved(state, HALF, stage.half_seconds, now) if stage.half_seconds else move_whole(state, now)


def move_whole(state: State, now: float) -> State:
    """Move a flag for all keys."""
    stage = state.under_way.plan.flags[state.under_way.index]
    return _moved(state, WHOLE, stage.soak - stage.half_seconds, now)


def _moved(state: State, share: int, lasts: float, now: float) -> State:
    rollout = state.under_way
    stage = rollout.plan.flags[rollout.index]
    others = tuple(one for one in rollout.moved if one.flag != stage.flag)
    part = Part.HALF if share < WHOLE else Part.WHOLE
    state = state.enter(Phase.FLIPPING, part, now, now + lasts).to(moved=(*others, Moved(stage.flag, stage.to, share)))
    return watch_anew(state, "flags", rollout.index, share=share / 100, weight=100, flag=stage.flag)


def done(state: State, now: float) -> State:
    """End well: the old version is stopped, and nothing is left on trial."""
    rollout = state.under_way
    previous = state.table.previous
    if rollout.candidate is not None and previous is not None:
        state = route(state, now, previous=None)
        state, _ = retire(state, previous)
    words = f"generation {rollout.trial} serves all calls" if rollout.candidate is not None else _moved_words(rollout)
    return finish(state.to(cause=Cause(What.DONE, words, rollout.actor, now)), Phase.DONE, now)


def _moved_words(rollout: Rollout) -> str:
    if rollout.moved:
        return "the flags are moved"
    if rollout.left_out:
        return f"no flag was moved: {', '.join(rollout.left_out)} had its value already, for everybody"
    return "no flag was moved: the version has not run for long enough"
