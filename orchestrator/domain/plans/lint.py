"""Lint: what about a plan cannot work, or does nothing.  A pure function of the plan and what it will meet.

Above: the verb `lint`; whoever starts a rollout asks it first.  Below: the rules, by what they are about.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.epochs import epochs
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.findings import Expected, Finding, Severity, error, warning
from orchestrator.domain.plans.freeze import ever_open
from orchestrator.domain.plans.limits import Spread
from orchestrator.domain.plans.lint_flags import flag_findings
from orchestrator.domain.plans.lint_limits import limit_findings
from orchestrator.domain.plans.lint_policy import policy_findings
from orchestrator.domain.plans.lint_steps import step_findings
from orchestrator.domain.plans.plan import Plan, StateUse
from orchestrator.domain.plans.times import whole

__all__ = ["Finding", "Severity", "lint"]


def lint(
    plan: Plan, registry: Registry, *, rate: float | None = None, reported: AbstractSet[str] = frozenset()
) -> tuple[Finding, ...]:
    """Examine a plan.

    Args:
        plan: the plan.
        registry: the declared flags.
        rate: calls a minute that are expected; without it nothing is said about samples that cannot come.
        reported: metrics that are known to be reported, besides those every worker has and those the plan declares.

    Returns:
        What was found; errors first, each kind in the order of the plan's parts.
    """
    expected = Expected(plan, registry, rate, reported)
    found = [
        *_shape(plan),
        *step_findings(expected),
        *_bake(plan),
        *flag_findings(expected),
        *limit_findings(expected),
        *policy_findings(plan),
        *_time(expected),
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.ERROR))


def _shape(plan: Plan) -> Iterator[Finding]:
    if plan.new_generation:
        if plan.state is StateUse.SHARED and not plan.rehearsal.run:
            yield error(
                "shared-without-rehearsal",
                ("rehearsal", "run"),
                "state is shared, and no rehearsal shows that the old version works on what the new one writes",
                "say rehearsal.run = true, or state = exclusive",
            )
        return
    if not plan.flags:
        yield error(
            "nothing-to-do",
            (),
            "the plan replaces no generation and moves no flag",
            "give it [[flags]], or new_generation",
        )
    if plan.steps:
        yield error(
            "steps-without-generation",
            ("steps",),
            "new_generation is false, so there is no canary to give a weight to",
            "leave the steps out, or say new_generation = true",
        )
    if plan.promotion.hold is not None:
        yield warning(
            "promotion-without-generation",
            ("promotion", "hold"),
            "new_generation is false, so there is no promotion to hold",
            "leave it out",
        )


def _bake(plan: Plan) -> Iterator[Finding]:
    if not plan.new_generation:
        return
    if plan.flags and plan.bake.unlock < plan.bake.health:
        yield error(
            "unlock-before-health",
            ("bake", "unlock"),
            f"flags may move after {lasting(plan.bake.unlock)}, before health is judged at {lasting(plan.bake.health)}",
            "let unlock be health or more",
        )
    if plan.bake.health and plan.state is StateUse.EXCLUSIVE and plan.bake.mirror:
        yield error(
            "exclusive-with-mirror",
            ("bake", "mirror"),
            "state is exclusive, so calls cannot be mirrored to the old version",
            "say mirror = false; then only most and least are judged",
        )
    compares = any(limit.compares for limit in plan.limits)
    if plan.bake.health and compares and not plan.bake.mirror and plan.state is StateUse.SHARED:
        yield warning(
            "bake-without-baseline",
            ("bake", "mirror"),
            "after the promotion nothing is there to compare with, so limits against the baseline go by what was "
            "measured before, and without a guarantee",
            "say mirror = true",
        )
    if plan.bake.health and not plan.limits:
        yield warning(
            "bake-without-limits",
            ("bake", "health"),
            "the bake is judged, and nothing says by what",
            "give the plan limits",
        )


def _time(expected: Expected) -> Iterator[Finding]:
    plan = expected.plan
    takes = whole(plan, expected.registry)
    if plan.deadline is not None and plan.deadline < takes:
        yield error(
            "deadline-too-short",
            ("deadline",),
            f"the deadline is {lasting(plan.deadline)}, and the plan takes {lasting(takes)} at the least",
            "make it longer, or the waits shorter",
        )
    if plan.freeze and not ever_open(plan.freeze):
        yield error(
            "always-frozen",
            ("freeze",),
            "the freeze windows cover the whole week, so nothing ever goes on",
            "leave a time in which a rollout may go on",
        )
    spent, alpha = epochs(plan), plan.judge.alpha
    if plan.judge.spread is Spread.NONE and len(spent) > 1:
        yield warning(
            "alpha-not-spread",
            ("judge", "spread"),
            f"each of {len(spent)} epochs has the whole alpha of {alpha:g}, so a version that is no worse is "
            f"rolled back with probability {min(1.0, len(spent) * alpha):g} at most, and not {alpha:g}",
            'say spread = "even"',
        )
