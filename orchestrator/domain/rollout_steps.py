"""The canary's steps: a hold that has to agree, a weight for a while, down again in retreat; and the promotion.

Above: `rollout_clock`, `rollout_people`, `rollout_begin`.  Below: `rollout_stages`, `rollout_back`, `judgement`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.domain.generation import Standing
from orchestrator.domain.judgement import epoch_of
from orchestrator.domain.moves import _retire, _route
from orchestrator.domain.plan_steps import Hold, Step
from orchestrator.domain.rollout_back import because, pause
from orchestrator.domain.rollout_stages import enter_bake
from orchestrator.domain.state import Part, Phase, State, What


def enter_step(state: State, index: int, now: float) -> State:
    """Go on to a step, or past the last one to the promotion."""
    rollout = state.under_way
    if index >= len(rollout.plan.steps):
        return enter_promotion(state, now)
    state = state.to(phase=Phase.STEPPING, index=index, retreat=0, climbed=False)
    hold = rollout.plan.steps[index].hold
    return _hold(state, hold, now) if hold is not None else run_step(state, now)


def _hold(state: State, hold: Hold, now: float) -> State:
    due = None if hold.longest is None else now + hold.longest
    return state.to(part=Part.HOLD, entered=now, due=due, frozen=False)


def weight_of(state: State) -> int:
    """Return the weight the present step wants."""
    rollout = state.under_way
    wanted = rollout.plan.steps[rollout.index].weight
    lower = [weight for weight in rollout.plan.policy.retreat if weight < wanted]
    return lower[rollout.retreat - 1] if rollout.retreat else wanted


def run_step(state: State, now: float, *, left: float | None = None) -> State:
    """Give the canary the step's weight; a new epoch begins.

    Args:
        state: the state, at the step.
        now: the time.
        left: seconds of it that are left, None for all of them.
    """
    rollout = state.under_way
    step = rollout.plan.steps[rollout.index]
    weight = weight_of(state)
    state = _routed(state, step, weight, now)
    lasts = step.pause if left is None or step.pause is None else left
    rollout = replace(
        rollout, phase=Phase.STEPPING, part=Part.RUNNING, entered=now, slowed=False, frozen=False, waiting=False
    )
    rollout = replace(rollout, visit=rollout.visit + 1, due=None if lasts is None else now + lasts)
    rollout = replace(rollout, began=now if rollout.began is None else rollout.began)
    kind = "retreat" if rollout.retreat else "steps"
    watch = epoch_of(rollout, kind, rollout.index, share=weight / 100, weight=weight)
    return replace(state, rollout=replace(rollout, watch=watch, look=None))


def _routed(state: State, step: Step, weight: int, now: float) -> State:
    """Route by a step: its weight, and whom it takes besides."""
    rollout, keys = state.under_way, step.keys
    since = rollout.began if rollout.began is not None else now
    if keys is not None and keys.since is not None:
        since = datetime.fromisoformat(keys.since).timestamp()
    always = keys.always if keys is not None else ()
    new_by = keys.only_new_by if keys is not None else ""
    wanted = {"weight": weight, "always": always, "new_by": new_by, "new_since": since if new_by else 0.0}
    table = state.table
    if table.kill_switch or all(getattr(table, name) == value for name, value in wanted.items()):
        return state
    return _route(state, now, **wanted)


def set_weight(state: State, weight: int, now: float) -> State:
    """Give the canary a weight that a person chose; the evidence begins anew, for the share is another one."""
    rollout = state.under_way
    state = _route(state, now, weight=weight)
    rollout = replace(rollout, visit=rollout.visit + 1)
    watch = epoch_of(rollout, "steps", rollout.index, share=weight / 100, weight=weight)
    return replace(state, rollout=replace(rollout, watch=watch, look=None))


def retreat(state: State, now: float, words: str) -> State:
    """Go down to the next lower weight of the plan; with none left a person has to look."""
    rollout = state.under_way
    wanted = rollout.plan.steps[rollout.index].weight
    if rollout.phase is Phase.STEPPING and rollout.part is Part.RUNNING and not rollout.climbed:
        lower = [weight for weight in rollout.plan.policy.retreat if weight < wanted]
        if rollout.retreat < len(lower) and weight_of(state) > 0:
            return run_step(state.to(retreat=rollout.retreat + 1), now)
    cause = because(state, What.INCONCLUSIVE, f"{words}; there is no lower weight to go down to", now, by="switchover")
    return pause(state, cause, now, over=True)


def enter_promotion(state: State, now: float) -> State:
    """Go on to the promotion, which may have to wait for somebody."""
    hold = state.under_way.plan.promotion.hold
    state = state.to(phase=Phase.PROMOTING, frozen=False)
    return _hold(state, hold, now) if hold is not None else promote(state, now)


def promote(state: State, now: float) -> State:
    """Move all traffic to the candidate once it is ready; the old version stays warm as `previous`."""
    rollout, table = state.under_way, state.table
    number = rollout.trial
    if table.kill_switch:
        cause = because(state, What.PERSON, "the kill switch is on, so nothing is promoted", now, by="switchover")
        return pause(state.to(phase=Phase.PROMOTING, part=Part.READY), cause, now)
    if state.generations[number].standing is not Standing.READY:
        return state.to(phase=Phase.PROMOTING, part=Part.READY, entered=now, due=None)
    replaced = table.previous
    moved = _route(
        state,
        now,
        active=number,
        previous=table.active,
        canary=None,
        weight=0,
        always=(),
        new_by="",
        new_since=0.0,
    )
    moved, _ = _retire(moved, replaced)
    return enter_bake(moved, now)
