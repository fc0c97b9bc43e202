"""Rules about a plan's policy: each part of it must be able to have an effect.

Above: `lint`.  Below: `findings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.findings import Finding, error, warning
from orchestrator.domain.plans.limits import SCALES, Answer, JudgeKind, Limit, Statistic
from orchestrator.domain.plans.plan import Plan


def policy_findings(plan: Plan) -> Iterator[Finding]:
    """Yield what is found about the policy and the answers to verdicts."""
    yield from _retreat(plan)
    yield from _held(plan)
    yield from _adapted(plan)
    if plan.on_regression is Answer.PAUSE:
        yield warning(
            "regression-waits",
            ("on_regression",),
            "a version that is worse goes on serving until somebody comes",
            'say on_regression = "roll_back", unless this is meant',
        )


def _retreat(plan: Plan) -> Iterator[Finding]:
    weights = plan.policy.retreat
    if plan.on_inconclusive is Answer.RETREAT and not weights:
        yield error(
            "retreat-nowhere",
            ("on_inconclusive",),
            "on_inconclusive is retreat, and no weights say whereto",
            "give policy.retreat, such as [25, 0]",
        )
    if weights and plan.on_inconclusive is not Answer.RETREAT:
        yield warning(
            "retreat-not-used",
            ("policy", "retreat"),
            f"on_inconclusive is {plan.on_inconclusive}, so nobody retreats",
            'say on_inconclusive = "retreat", or leave it out',
        )
    if any(weight <= later for weight, later in pairwise(weights)):
        yield error(
            "retreat-rises",
            ("policy", "retreat"),
            f"the weights {', '.join(map(str, weights))} do not fall",
            "order them from high to low",
        )
    if weights and plan.steps and min(weights) >= max(step.weight for step in plan.steps):
        yield warning(
            "retreat-above-steps",
            ("policy", "retreat"),
            "no step has a weight above these, so there is nothing to go down from",
            "let them lie below the highest weight",
        )


def _held(plan: Plan) -> Iterator[Finding]:
    held = plan.policy.breach_held
    for at, step in enumerate(plan.steps):
        if step.analysis and step.pause is not None and 0 < step.pause <= held:
            yield error(
                "breach-held-too-long",
                ("policy", "breach_held"),
                f"a breach has to be held for {lasting(held)}, and step {at + 1} is over after {lasting(step.pause)}",
                "let it be shorter than every pause",
            )


def _adapted(plan: Plan) -> Iterator[Finding]:
    policy = plan.policy
    baking = plan.new_generation and plan.bake.health > 0
    if policy.tighter and not baking and not any(step.weight > policy.tighter.above for step in plan.steps):
        yield warning(
            "tighter-not-used",
            ("policy", "tighter"),
            f"no step is above {policy.tighter.above} %, so limits never get tighter",
            "lower it, or leave it out",
        )
    if policy.slower and not any(step.mirror for step in plan.steps):
        yield warning(
            "slower-not-used",
            ("policy", "slower"),
            "no step mirrors calls, so nobody knows how often the versions disagree",
            "say mirror = true in a step, or leave it out",
        )
    steps = [limit for step in plan.steps if step.analysis for limit in plan.limits_of(step)]
    if policy.advance_when_certified and not any(can_be_certified(plan, limit) for limit in steps):
        yield warning(
            "nothing-certified",
            ("policy", "advance_when_certified"),
            "no step has a limit that could be certified, so none ends early",
            "give a limit against the baseline the sequential judge, or leave it out",
        )


def can_be_certified(plan: Plan, limit: Limit) -> bool:
    """Tell whether evidence can show that a limit is surely kept.

    That is so against the baseline, and within a bound that is one of a percentile or of a metric with a scale.
    """
    has_scale = (limit.scale or SCALES.get(plan.kind_of(limit))) is not None
    is_sequential = plan.judge_of(limit) is JudgeKind.SEQUENTIAL
    return is_sequential and (limit.compares or has_scale or limit.statistic is not Statistic.MEAN)
