"""Rules about a plan's steps.

Above: `lint`.  Below: `findings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from orchestrator.domain.plans.epochs import Place
from orchestrator.domain.plans.findings import Expected, Finding, error, warning
from orchestrator.domain.plans.plan import StateUse
from orchestrator.domain.plans.steps import Step

ALL: Final = 100
"""The weight at which every key is the canary's."""


def step_findings(expected: Expected) -> Iterator[Finding]:
    """Yield what is found about the steps."""
    plan = expected.plan
    if plan.state is StateUse.EXCLUSIVE and plan.steps:
        yield error(
            "exclusive-with-steps",
            ("steps",),
            "state is exclusive: two versions cannot serve at a time, so there can be no steps",
            "leave the steps out, or say state = shared and let the rehearsal show that it is",
        )
    for at, step in enumerate(plan.steps):
        yield from _one(expected, ("steps", at), step)
    for at, (before, step) in enumerate(pairwise(plan.steps), 1):
        yield from _order(("steps", at), before, step)


def _one(expected: Expected, place: Place, step: Step) -> Iterator[Finding]:
    if step.analysis:
        yield from _analysed(expected, place, step)
    elif step.limits:
        yield warning(
            "limits-not-judged",
            (*place, "limits"),
            "the step has limits, and analysis is off",
            "switch analysis on, or leave the limits out",
        )
    if step.pause == 0 and not step.analysis and step.hold is None:
        yield warning(
            "step-without-time", (*place, "pause"), "the step lasts no time", "give it a pause, or leave it out"
        )
    if step.pause is None and step.hold is not None:
        yield warning(
            "waits-twice",
            place,
            "it waits for its hold before it begins, and for somebody to resume it at its end",
            "give it a pause with an end, unless both are meant",
        )
    if step.weight == ALL:
        yield warning(
            "step-at-100",
            (*place, "weight"),
            "at weight 100 nobody is left to compare with",
            "leave the step out: the promotion moves all traffic, and the bake mirrors calls to the old version",
        )


def _analysed(expected: Expected, place: Place, step: Step) -> Iterator[Finding]:
    limits = expected.plan.limits_of(step)
    if step.pause == 0:
        yield error(
            "analysis-without-time",
            (*place, "pause"),
            "the step is judged after no time, so there is nothing to judge",
            'give it a pause, or say "analysis = false"',
        )
    if not limits:
        yield warning(
            "analysis-without-limits",
            place,
            "the step is judged, and nothing says by what",
            "give the plan limits, or say analysis = false",
        )
    has_no_arm = step.weight in (0, ALL) and not step.mirror and not (step.keys and step.keys.always)
    if has_no_arm and any(limit.compares for limit in limits):
        yield error(
            "nothing-to-compare",
            (*place, "weight"),
            f"at weight {step.weight} one of the two versions has no calls, so limits against the baseline get no data",
            "say mirror = true, or analysis = false",
        )


class _Taken(NamedTuple):
    """Whom a step takes besides its weight."""

    always: frozenset[str]
    new: tuple[str, str | None]


def _order(place: Place, before: Step, step: Step) -> Iterator[Finding]:
    was, now = _keys(before), _keys(step)
    gone = sorted(was.always - now.always) if step.weight < ALL else []
    if gone or (before.weight and now.new[0] and not was.new[0]):
        yield error(
            "keys-moved-back",
            (*place, "keys"),
            f"{', '.join(gone)} would be moved back" if gone else "keys that are not new would be moved back",
            "take at least those that the step before takes",
        )
    if step.weight < before.weight:
        yield error(
            "weight-falls",
            (*place, "weight"),
            f"the weight falls from {before.weight} to {step.weight}: keys would be moved back and then forth again",
            "let weights rise; policy.retreat is for going down",
        )
    elif step.weight == before.weight and not _is_more(before, step):
        yield warning(
            "weight-repeats",
            (*place, "weight"),
            f"the weight stays {step.weight}, and nobody else is taken either",
            "raise it, or make one longer step of the two",
        )


def _is_more(before: Step, step: Step) -> bool:
    """Tell whether a step of the same weight does more than the one before it: takes more keys, judges or mirrors."""
    if (step.analysis, step.mirror, step.limits) != (before.analysis, before.mirror, before.limits):
        return True
    was, now = _keys(before), _keys(step)
    return was.new != now.new or not now.always <= was.always


def _keys(step: Step) -> _Taken:
    keys = step.keys
    return _Taken(frozenset(keys.always), (keys.only_new_by, keys.since)) if keys else _Taken(frozenset(), ("", None))
