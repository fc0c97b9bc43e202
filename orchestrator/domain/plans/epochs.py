"""A plan's epochs, and how much of alpha each may spend.

Evidence starts anew with each step, the bake and each flag stage.  A rollout rolls back by mistake if any of its epochs
does, so by the union bound the mistake of all is at most the sum of theirs: alpha is spread over them.  Above: the
guard, `lint`.  Below: `plan`, `betting` for what a bettor can gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from orchestrator.domain.evidence.betting import FIRST, STAKES
from orchestrator.domain.plans.limits import Answer, Spread
from orchestrator.domain.plans.plan import Plan

Place: TypeAlias = tuple[str | int, ...]
"""Where something stands in a plan: `("steps", 2, "pause")`."""

MOST_UNITS: Final = 10_000
"""Beyond any 1/alpha a float can hold."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch with evidence of its own.

    Attributes:
        place: the part of the plan; `("policy", "retreat", i)` for a step that is only gone through in retreat.
        alpha: how probable a mistake it may make; a flag stage's first and second half each.
    """

    place: Place
    alpha: float


def epochs(plan: Plan) -> tuple[Epoch, ...]:
    """Return a plan's epochs in their order, retreats last."""
    places: list[Place] = [("steps", at) for at, step in enumerate(plan.steps) if step.analysis]
    places += [("bake",)] if plan.new_generation else []
    places += [("flags", at) for at in range(len(plan.flags))]
    if plan.on_inconclusive is Answer.RETREAT:
        places += [("policy", "retreat", at) for at in range(len(plan.policy.retreat))]
    if plan.judge.spread is Spread.NONE:
        return tuple(Epoch(place, plan.judge.alpha) for place in places)
    halves = sum(stage.half_first for stage in plan.flags)
    return tuple(map(Epoch, places, spread(plan.judge.alpha, len(places) + halves)))


def spread(alpha: float, parts: int) -> tuple[float, ...]:
    """Divide alpha evenly; the sum of the parts is never more than alpha, whatever rounding does."""
    if parts < 1:
        return ()
    part = alpha / parts
    while math.fsum([part] * parts) > alpha:
        part = math.nextafter(part, 0.0)
    return (part,) * parts


def least_units(alpha: float) -> int:
    """Return after how many units the evidence against a canary can at the earliest reach 1/alpha.

    Each bettor gains at most its stake with each unit: the canary is as bad as can be, the baseline as good.
    """
    for units in range(MOST_UNITS):
        won = sum((1.0 + stake) ** units for stake in STAKES) / len(STAKES)
        if FIRST * won + (1.0 - FIRST) >= 1.0 / alpha:
            return units
    return MOST_UNITS
