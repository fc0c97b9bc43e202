"""Alpha is spread over a plan's epochs, and the least evidence there can be is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_story import good, plans

from orchestrator.domain.evidence.betting import Purse
from orchestrator.domain.plans.epochs import Place, epochs, least_units, spread
from orchestrator.domain.plans.limits import Answer, Judge, Policy, Spread
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Step


@pytest.mark.requirement("PLAN-3")
@given(st.floats(1e-12, 0.999), st.integers(1, 300))
def test_the_parts_of_alpha_are_never_more_than_the_whole_and_waste_nothing(alpha: float, parts: int) -> None:
    shares = spread(alpha, parts)
    assert len(shares) == parts
    assert math.fsum(shares) <= alpha
    assert math.fsum(shares) == pytest.approx(alpha)


@pytest.mark.requirement("PLAN-3")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_the_epochs_of_any_plan_spend_at_most_its_alpha(plan: Plan) -> None:
    spent = epochs(plan)
    assert len({epoch.place for epoch in spent}) == len(spent)
    if plan.judge.spread is Spread.EVEN:
        halves = math.fsum(epoch.alpha for epoch in spent if _has_halves(plan, epoch.place))
        assert math.fsum([halves, *(epoch.alpha for epoch in spent)]) <= plan.judge.alpha * (1 + 1e-12)
    else:
        assert {epoch.alpha for epoch in spent} <= {plan.judge.alpha}


def _has_halves(plan: Plan, place: Place) -> bool:
    return place[0] == "flags" and plan.flags[int(place[1])].half_first


@pytest.mark.requirement("PLAN-3")
def test_judged_steps_the_bake_flag_stages_and_retreats_are_epochs() -> None:
    plan = good(
        steps=(Step(0, 60.0, analysis=False), Step(50, 60.0)),
        on_inconclusive=Answer.RETREAT,
        policy=Policy(retreat=(25, 0)),
        judge=Judge(alpha=0.06),
    )
    assert [epoch.place for epoch in epochs(plan)] == [
        ("steps", 1), ("bake",), ("flags", 0), ("flags", 1), ("policy", "retreat", 0), ("policy", "retreat", 1)
    ]  # fmt: skip
    assert epochs(plan)[0].alpha == pytest.approx(0.06 / 8)  # each half of a flag stage has one
    assert [epoch.place for epoch in epochs(good(new_generation=False, steps=()))] == [("flags", 0), ("flags", 1)]
    assert spread(0.01, 0) == ()


@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.01, 0.001])
def test_no_evidence_is_faster_than_the_fewest_units_said(alpha: float) -> None:
    purse = Purse()
    for _ in range(least_units(alpha) - 1):
        purse.bet(1.0)
    assert purse.value < 1 / alpha
    purse.bet(1.0)
    assert purse.value >= 1 / alpha
