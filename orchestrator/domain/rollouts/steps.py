"""The canary's steps: a hold that has to agree, a weight for a while, down again in retreat; and the promotion.

Above: `clock`, `people`, `begin`.  Below: `stages`, `back`, `judgement`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts.back import because, pause
from orchestrator.domain.rollouts.cut import begin_cut
from orchestrator.domain.rollouts.edits import retire, route
from orchestrator.domain.rollouts.judgement import watch_anew
from orchestrator.domain.rollouts.stages import enter_bake
from orchestrator.domain.rollouts.state import Part, Phase, State, What


def enter_step(state: State, index: int, now: float) -> State:
    """Go on to a step, or past the last one to the promotion."""
    rollout = state.under_way
    state = state.to(began=now if rollout.began is None else rollout.began)
    if index >= len(rollout.plan.steps):
        return enter_promotion(state, now)
    state = state.to(index=index, retreat=0, climbed=False)
    hold = rollout.plan.steps[index].hold
    return run_step(state, now) if hold is None else _hold(state, Phase.STEPPING, hold, now)


def _hold(state: State, phase: Phase, hold: Hold, now: float) -> State:
    return state.enter(phase, Part.HOLD, now, None if hold.longest is None else now + hold.longest)


def weight_of(state: State) -> int:
    """Return the weight the present step wants."""
    rollout = state.under_way
    wanted = rollout.plan.steps[rollout.index].weight
    return _lower(state)[rollout.retreat - 1] if rollout.retreat else wanted


def _lower(state: State) -> list[int]:
    """Return the weights the present step can be gone down by."""
    rollout = state.under_way
    wanted = rollout.plan.steps[rollout.index].weight
    return [weight for weight in rollout.plan.policy.retreat if weight < wanted]


def routing_of(state: State) -> dict[str, Any]:
    """Return the members of the routing table that the present step decides."""
    rollout = state.under_way
    keys = rollout.plan.steps[rollout.index].keys
    since = rollout.began or 0.0
    if keys is not None and keys.since is not None:
        since = datetime.fromisoformat(keys.since).timestamp()
    new_by = keys.only_new_by if keys is not None else ""
    return {
        "weight": weight_of(state),
        "always": keys.always if keys is not None else (),
        "new_by": new_by,
        "new_since": since if new_by else 0.0,
    }


def is_routed(state: State) -> bool:
    """Tell whether the table is as the present step wants it: a person, or a broken journal, may have changed it."""
    return all(getattr(state.table, name) == value for name, value in routing_of(state).items())


def run_step(state: State, now: float, *, left: float | None = None) -> State:
    """Give the canary the step's weight; a new epoch begins.

    Args:
        state: the state, at the step.
        now: the time.
        left: seconds of it that are left, None for all of them.
    """
    rollout = state.under_way
    step, weight = rollout.plan.steps[rollout.index], weight_of(state)
    if not is_routed(state):
        state = route(state, now, **routing_of(state))
    lasts = step.pause if left is None or step.pause is None else left
    state = state.enter(Phase.STEPPING, Part.RUNNING, now, None if lasts is None else now + lasts)
    kind = "retreat" if rollout.retreat else "steps"
    return watch_anew(state, kind, rollout.index, share=weight / 100, weight=weight)


def set_weight(state: State, weight: int, now: float, **others: Any) -> State:
    """Give the canary a weight that no step says; the evidence begins anew, for the share is another one."""
    state = route(state, now, weight=weight, **others)
    return watch_anew(state, "steps", state.under_way.index, share=weight / 100, weight=weight)


def retreat(state: State, now: float, words: str) -> State:
    """Go down to the next lower weight of the plan; with none left, or at 0 %, a person has to look."""
    rollout = state.under_way
    cause = because(state, What.INCONCLUSIVE, f"{words}; there is no lower weight to go down to", now)
    runs = (rollout.phase, rollout.part) == (Phase.STEPPING, Part.RUNNING) and not rollout.climbed
    if not runs or rollout.retreat >= len(_lower(state)):
        return pause(state, cause, now, over=True)
    state = run_step(state.to(retreat=rollout.retreat + 1), now)
    if weight_of(state):
        return state
    cause = because(state, What.INCONCLUSIVE, f"{words}; gone down to 0 %, where nothing more can be learned", now)
    return pause(state, cause, now, over=True)


def enter_promotion(state: State, now: float) -> State:
    """Go on to the promotion, which may have to wait for somebody."""
    hold = state.under_way.plan.promotion.hold
    return promote(state, now) if hold is None else _hold(state, Phase.PROMOTING, hold, now)


def promote(state: State, now: float) -> State:
    """Move all traffic to the candidate, which is ready; the old version stays warm as `previous`.

    Where both may not serve at a time, have the state handed over first.
    """
    if state.under_way.is_exclusive:
        return begin_cut(state, now)
    rollout, table = state.under_way, state.table
    moved = route(state, now, active=rollout.trial, previous=table.active, canary=None, weight=0)
    moved, _ = retire(moved, table.previous)
    return enter_bake(moved, now)
