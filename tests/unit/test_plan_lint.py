"""Lint: each mistake is found by its rule and no other, and a plan without one is left alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flags_story import declare, flag, switch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_story import ERROR, FLAGS, GOOD, found, good, plans, rules

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.flags.declaration import Prerequisite, Registry, registry
from orchestrator.domain.plans import lint as plan_lint
from orchestrator.domain.plans.findings import Severity
from orchestrator.domain.plans.freeze import FreezeWindow, Weekday
from orchestrator.domain.plans.limits import (
    Answer,
    Judge,
    JudgeKind,
    Limit,
    Metric,
    Policy,
    Slower,
    Spread,
    Tighter,
    Window,
)
from orchestrator.domain.plans.lint import lint
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, Rehearsal, StateUse
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Keys, Step, TooYoung

pytestmark = pytest.mark.requirement("PLAN-4")

MOVE = FlagStage("A", "on", 300.0)
THRESHOLD = JudgeKind.THRESHOLD
PERSON = Hold(HoldKind.PERSON)
ALWAYS = FreezeWindow("UTC")
FLAG_ONLY = good(new_generation=False, steps=(), rehearsal=Rehearsal(run=False))

CASES = {
    "exclusive-with-steps": good(state=StateUse.EXCLUSIVE, bake=Bake(mirror=False)),
    "exclusive-with-mirror": good(state=StateUse.EXCLUSIVE, steps=()),
    "shared-without-rehearsal": good(rehearsal=Rehearsal(run=False)),
    "steps-without-generation": replace(FLAG_ONLY, steps=GOOD.steps),
    "promotion-without-generation": replace(FLAG_ONLY, promotion=Promotion(PERSON)),
    "nothing-to-do": replace(FLAG_ONLY, flags=()),
    "weight-falls": good(steps=(Step(50, 60.0), Step(10, 60.0))),
    "weight-repeats": good(steps=(Step(50, 60.0), Step(50, 60.0))),
    "keys-moved-back": good(steps=(Step(10, 60.0, keys=Keys(always=("us-*",))), Step(50, 60.0))),
    "analysis-without-time": good(steps=(Step(10, 0.0),)),
    "analysis-without-limits": good(steps=(Step(10, 60.0),), limits=(), bake=Bake(health=0.0)),
    "limits-not-judged": good(steps=(Step(10, 60.0, analysis=False, limits=(ERROR,)),)),
    "nothing-to-compare": good(steps=(Step(0, 60.0),)),
    "step-without-time": good(steps=(Step(10, 0.0, analysis=False),)),
    "step-at-100": good(steps=(Step(100, 60.0, mirror=True),)),
    "waits-twice": good(steps=(Step(10, None, hold=PERSON),)),
    "unlock-before-health": good(bake=Bake(health=600.0, unlock=60.0)),
    "bake-without-baseline": good(bake=Bake(mirror=False)),
    "bake-without-limits": good(limits=(), steps=()),
    "unknown-flag": good(flags=(FlagStage("AA", "on", 300.0),)),
    "unknown-value": good(flags=(FlagStage("A", "onn", 300.0),)),
    "flag-stays": good(flags=(FlagStage("A", "off", 300.0),)),
    "prerequisite-later": good(flags=(FlagStage("B", "on", 300.0), MOVE)),
    "prerequisite-unmet": good(flags=(FlagStage("B", "on", 300.0),)),
    "soak-without-time": good(flags=(FlagStage("A", "on", 0.0),)),
    "metric-unknown": good(limits=(replace(ERROR, metric="errors"),)),
    "metric-unused": good(metrics=(Metric("queue", Kind.MAGNITUDE),)),
    "bound-never-held": good(limits=(ERROR, Limit("quality", least=101.0))),
    "bound-never-exceeded": good(limits=(ERROR, Limit("error", most=1.0))),
    "limit-twice": good(limits=(ERROR, ERROR)),
    "window-not-used": good(limits=(replace(ERROR, window=Window(100)),)),
    "window-too-small": good(limits=(replace(ERROR, judge=THRESHOLD, window=Window(20)),)),
    "threshold-without-samples": good(judge=Judge(THRESHOLD), limits=(replace(ERROR, min_samples=0),)),
    "alpha-not-spread": good(judge=Judge(spread=Spread.NONE)),
    "regression-waits": good(on_regression=Answer.PAUSE),
    "retreat-nowhere": good(on_inconclusive=Answer.RETREAT),
    "retreat-not-used": good(policy=Policy(retreat=(25, 0))),
    "retreat-rises": good(on_inconclusive=Answer.RETREAT, policy=Policy(retreat=(0, 25))),
    "retreat-above-steps": good(on_inconclusive=Answer.RETREAT, policy=Policy(retreat=(60, 50))),
    "breach-held-too-long": good(steps=(Step(10, 60.0),), policy=Policy(breach_held=60.0)),
    "tighter-not-used": good(bake=Bake(health=0.0), policy=Policy(tighter=Tighter(50))),
    "slower-not-used": good(policy=Policy(slower=Slower())),
    "nothing-certified": good(limits=(Limit("duration", most=900.0),), policy=Policy(advance_when_certified=True)),
    "deadline-too-short": good(deadline=1200.0 + 900 + 600 - 1),
    "always-frozen": good(freeze=(ALWAYS,)),
}
"""A plan for each rule that needs no more than the plan."""


def test_nothing_is_found_in_a_good_plan() -> None:
    assert lint(GOOD, FLAGS) == lint(FLAG_ONLY, FLAGS) == ()
    assert lint(good(deadline=1200.0 + 900 + 600), FLAGS, rate=120) == ()


@pytest.mark.parametrize("rule", CASES)
def test_each_mistake_is_found_by_its_own_rule_alone(rule: str) -> None:
    assert rules(CASES[rule]) == [rule]


def test_every_rule_there_is_has_a_case() -> None:
    folder = Path(plan_lint.__file__).parent
    sources = "".join(path.read_text() for path in folder.glob("lint*.py"))
    named = set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)+)"', sources))
    elsewhere = {"kill-switch", "min-stable-shortened", "waits-for-min-stable", "skipped", "samples-out-of-reach"}
    assert named - elsewhere == CASES.keys()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans, st.sampled_from([FLAGS, Registry()]), st.none() | st.floats(0.001, 1e6))
def test_lint_never_fails_and_says_what_is_wrong_where_and_what_to_do(
    plan: Plan, flags: Registry, rate: float | None
) -> None:
    findings = lint(plan, flags, rate=rate)
    assert all(finding.says and finding.advice and finding.rule for finding in findings)
    assert list(findings) == sorted(findings, key=lambda one: one.severity is Severity.WARNING)
    names = {"", *Plan.__dataclass_fields__}
    assert all(str(finding.place[0] if finding.place else "") in names for finding in findings)


def test_what_cannot_work_is_an_error_and_what_does_nothing_a_warning() -> None:
    assert found("flag-stays", CASES["flag-stays"]).severity is Severity.WARNING
    assert found("weight-repeats", CASES["weight-repeats"]).severity is Severity.WARNING
    assert found("unknown-flag", CASES["unknown-flag"]).severity is Severity.ERROR
    assert found("weight-falls", CASES["weight-falls"]).place == ("steps", 1, "weight")


def test_unknown_names_come_with_the_nearest_and_unknown_values_with_what_is_allowed() -> None:
    assert found("unknown-flag", CASES["unknown-flag"]).advice == "did you mean A?"
    assert found("unknown-value", CASES["unknown-value"]).advice == 'allowed: "off", "on", "other"'
    assert found("metric-unknown", CASES["metric-unknown"]).advice.startswith("did you mean error?")
    assert rules(CASES["metric-unknown"], reported=frozenset({"errors"})) == []
    assert found("unknown-flag", good(flags=(MOVE,)), Registry(invalid={"A": "no type"})).says.endswith("no type")


def test_the_same_weight_is_no_repetition_where_more_keys_are_taken_or_more_is_looked_at() -> None:
    inside, new = Keys(always=("us-*",)), Keys(only_new_by="created")
    for first, second in (
        (Step(50, 60.0, keys=new), Step(50, 60.0)),
        (Step(50, 60.0), Step(50, 60.0, keys=inside)),
        (Step(50, 60.0, analysis=False), Step(50, 60.0)),
        (Step(50, 60.0), Step(50, 60.0, mirror=True)),
    ):
        assert rules(good(steps=(first, second))) == []
    assert rules(good(steps=(Step(50, 60.0, keys=inside), Step(50, 60.0, keys=inside)))) == ["weight-repeats"]


def test_a_step_that_takes_fewer_keys_than_the_one_before_would_move_them_back() -> None:
    inside, new = Keys(always=("us-*",)), Keys(only_new_by="created")
    assert "us-* would be moved back" in found("keys-moved-back", CASES["keys-moved-back"]).says
    assert rules(good(steps=(Step(10, 60.0), Step(50, 60.0, keys=new)))) == ["keys-moved-back"]
    assert rules(good(steps=(Step(0, 60.0, keys=inside), Step(50, 60.0, keys=inside)))) == []


def test_at_weight_0_a_mirrored_step_and_limits_without_a_baseline_can_be_judged() -> None:
    assert rules(good(steps=(Step(0, 60.0, mirror=True),))) == []
    ceiling = Limit("error", most=0.05)
    assert rules(good(limits=(ceiling,), steps=(Step(0, 60.0),))) == []


def test_a_stage_is_seen_with_the_values_that_those_before_it_leave() -> None:
    there_and_back = (MOVE, FlagStage("A", "other", 300.0), FlagStage("B", "on", 300.0))
    assert rules(good(flags=there_and_back)) == ["prerequisite-unmet"]
    assert rules(good(flags=(MOVE, MOVE))) == ["flag-stays"]
    either = declare(flag("A"), flag("B", prerequisites=(Prerequisite("A", ("on", "other")),)))
    assert rules(good(flags=there_and_back), either) == []


def test_the_kill_switch_is_left_to_people() -> None:
    stage = FlagStage("DISABLE_NEW", "1", 300.0)
    assert rules(good(flags=(stage,)), declare(switch())) == ["kill-switch"]


def test_what_a_flag_wants_before_it_moves_is_told_where_it_is_waited_for_shortened_or_never_there() -> None:
    old, _ = registry([flag("A", min_stable=86400.0), flag("B")])
    assert rules(good(flags=(MOVE,)), old) == ["waits-for-min-stable"]
    assert "23 h 45 min" in found("waits-for-min-stable", good(flags=(MOVE,)), old).says
    assert rules(good(flags=(replace(MOVE, min_stable=60.0),)), old) == ["min-stable-shortened"]
    assert rules(good(flags=(replace(MOVE, if_too_young=TooYoung.SKIP),)), old) == ["skipped"]
    assert rules(replace(FLAG_ONLY, flags=(MOVE,)), old) == []


def test_samples_that_cannot_come_in_the_time_at_the_rate_are_told_with_the_time_it_takes() -> None:
    plan = good(steps=(Step(10, 600.0),), bake=Bake(health=0.0), flags=())
    assert rules(plan, rate=30) == []
    finding = found("samples-out-of-reach", plan, rate=29)
    assert "wants 30 samples of each side, and at 29 calls a minute only 29 come in 10 min of step 1" in finding.says
    assert finding.advice.startswith("give it 10 min 21 s or more")
    assert finding.place == ("steps", 0)


@pytest.mark.parametrize(("weight", "enough"), [(90, 30), (10, 30), (50, 6)])
def test_the_side_with_fewer_calls_decides_how_many_samples_come(weight: int, enough: int) -> None:
    plan = good(steps=(Step(weight, 600.0),), bake=Bake(health=0.0), flags=())
    assert rules(plan, rate=enough) == []
    assert rules(plan, rate=enough - 1) == ["samples-out-of-reach"]


def test_a_limit_without_a_baseline_needs_the_canarys_samples_alone() -> None:
    ceiling = Limit("error", most=0.05, min_samples=30)
    plan = good(steps=(Step(90, 600.0),), limits=(ceiling,), bake=Bake(health=0.0), flags=())
    assert rules(plan, rate=4) == []


def test_fewer_samples_than_evidence_takes_at_the_least_are_out_of_reach_too() -> None:
    plan = good(steps=(Step(50, 60.0),), limits=(replace(ERROR, min_samples=0),), bake=Bake(health=0.0), flags=())
    assert "wants 11 samples" in found("samples-out-of-reach", plan, rate=20).says
    assert rules(replace(plan, judge=Judge(alpha=0.5)), rate=20) == []


def test_windows_that_leave_an_hour_are_not_always_frozen() -> None:
    week = tuple(day for day in Weekday if day is not Weekday.WED)
    wednesday = (FreezeWindow("UTC", (Weekday.WED,), "00:00", "11:00"), FreezeWindow("UTC", (Weekday.WED,), "12:00"))
    assert rules(good(freeze=(FreezeWindow("UTC", week), *wednesday))) == []
    asleep = (FreezeWindow("UTC", week), replace(wednesday[0], end="12:00"), wednesday[1])
    assert rules(good(freeze=asleep)) == ["always-frozen"]
