"""From the machine's state and the newest look to what the guard API says: pure functions.

Above: `guard`.  Below: `guard_models`, the domain.
"""

from __future__ import annotations

import math

from orchestrator.api.rollouts.guard_models import ConfigNow, Evaluation, Threshold, VersionStats
from orchestrator.api.rollouts.report import weight_of
from orchestrator.domain.evidence.look import LimitLook, Look, Verdict
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.rollouts.judgement import part_of
from orchestrator.domain.rollouts.state import Phase, Rollout, State, What
from orchestrator.domain.rollouts.why import limit_words

IDLE = "no rollout is under way, so nothing is watched; begin one with: switchover upgrade -- COMMAND"


def concerned(state: State) -> Rollout | None:
    """Return the rollout that is spoken of: the last one too, unless somebody has started a canary by hand since."""
    rollout = state.rollout
    by_hand = rollout is not None and rollout.is_over and state.table.canary is not None
    return None if by_hand else rollout


def config_of(state: State) -> ConfigNow:
    """Return what is in force."""
    rollout, table = state.rollout, state.table
    under_way = rollout is not None and not rollout.is_over
    weight = weight_of(state, rollout) if rollout is not None and under_way else table.weight
    return ConfigNow(
        canary_pct=weight,
        kill_switch=table.kill_switch,
        paused=rollout is not None and rollout.paused is not None,
        revision=table.revision,
    )


def stats_of(state: State, look: Look | None) -> dict[str, VersionStats]:
    """Return the figures of both versions; of a limit that looks at one side, that side's."""
    rollout = concerned(state)
    trial = rollout.trial if rollout is not None else state.table.canary
    baseline = rollout.baseline if rollout is not None else state.table.active
    limits = look.limits if look is not None else ()
    ours = {_named(one): one.trial.figure for one in limits}
    theirs = {_named(one): one.baseline.figure for one in limits}
    return {
        "v1": VersionStats(
            generation=baseline, samples=look.baseline if look is not None else 0, metrics=_finite(theirs)
        ),
        "v2": VersionStats(generation=trial, samples=look.trial if look is not None else 0, metrics=_finite(ours)),
    }


def evaluation_of(state: State, look: Look | None) -> Evaluation:
    """Return what the evidence says, and what was done about it."""
    rollout = concerned(state)
    if rollout is None or look is None:
        idle = IDLE if rollout is None or rollout.is_over else "there was no look yet: too few calls were served"
        return Evaluation(action="none", verdict="not_watching", breaches=[], samples=0, looked_at=None, message=idle)
    breaches = [limit_words(one) for one in look.limits if one.verdict is Verdict.REGRESSION]
    return Evaluation(
        action=_action(rollout),
        verdict=look.verdict.value,
        breaches=breaches,
        samples=look.trial,
        looked_at=look.at,
        otherwise=look.otherwise,
        message=look.cause or look.verdict.value.replace("_", " "),
    )


def thresholds_of(state: State) -> list[Threshold]:
    """Return the limits that are judged now, or the plan's own where nothing is watched."""
    rollout = concerned(state)
    if rollout is None:
        return []
    plan = rollout.plan
    limits: tuple[Limit, ...] = plan.limits if rollout.watch is None else plan.limits_of(part_of(plan, rollout.watch))
    return [_threshold(plan, limit) for limit in limits]


def _threshold(plan: Plan, limit: Limit) -> Threshold:
    bounds = ((name, getattr(limit, name)) for name in ("margin", "relative", "most", "least"))
    bound, value = next((name, value) for name, value in bounds if value is not None)
    return Threshold(
        limit=plan.told(limit),
        metric=limit.metric,
        bound=bound,
        value=value,
        statistic=limit.statistic.value,
        min_samples=limit.min_samples,
        judge=plan.judge_of(limit).value,
    )


def _named(one: LimitLook) -> str:
    """Return what a figure is of: the metric, or a percentile of it where the limit names one."""
    said = one.limit.removeprefix(f"{one.metric} (")
    return one.metric if said == one.limit else f"{one.metric} {said.partition(')')[0]}"


def _action(rollout: Rollout) -> str:
    """Return what a regression led to."""
    back = rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    if back and rollout.cause is not None and rollout.cause.what is What.REGRESSION:
        return "rollback"
    stopped = rollout.paused is not None and rollout.paused.cause.what is What.REGRESSION
    return "paused" if stopped else "none"


def _finite(figures: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}
