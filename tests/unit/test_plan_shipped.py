"""The plans that ship: their steps, times and limits, and what lint says of them."""

from __future__ import annotations

import pytest

from orchestrator.domain.plans.findings import Severity
from orchestrator.domain.plans.limits import JudgeKind, Limit, Statistic, Window
from orchestrator.domain.plans.lint import lint
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.times import timeline, whole
from orchestrator.flags.registry_file import read_registry
from orchestrator.plans.shipped import SHIPPED, find_plan

pytestmark = pytest.mark.requirement("PLAN-5")

FLAGS = read_registry().registry
DAY = 86400.0


def plan(name: str) -> Plan:
    return find_plan(name).plan


def bounds(limits: tuple[Limit, ...]) -> dict[str, float | None]:
    """Return each metric's tolerated change or bound."""
    return {one.metric: one.margin or one.relative or (one.most if one.least is None else one.least) for one in limits}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_plan_has_its_files_name_one_line_for_people_and_no_errors(name: str) -> None:
    shipped = plan(name)
    assert shipped.name == name
    assert shipped.description.endswith(".")
    assert [finding for finding in lint(shipped, FLAGS) if finding.severity is Severity.ERROR] == []


def test_the_default_plan_switches_at_once_and_moves_six_flags_with_their_waits() -> None:
    default = plan("default")
    assert default.rehearsal.flags == "safe"
    assert [(step.name, step.weight, step.analysis) for step in default.steps] == [("baseline", 0, False)]
    assert (default.bake.health, default.bake.unlock) == (600, 900)
    assert [(stage.flag, stage.to, stage.soak) for stage in default.flags] == [
        ("PROMPT_MODE", "compact", 300),
        ("SANDBOX_MODE", "pool", 300),
        ("SCHEDULER_MODE", "wsjf", 300),
        ("SELECTIVE_TESTS", "1", 300),
        ("DANGER_GATES", "1", 300),
        ("MO_ENGINE", "1", 600),
    ]


def test_the_default_plan_ends_by_the_numbers_it_was_given() -> None:
    default = plan("default")
    general = {"tokens": 100_000, "quality": 0.10, "error": 0.05, "memory": 0.20, "cpu": 0.20}
    assert bounds(default.limits) == general
    assert [bounds(stage.limits) for stage in default.flags] == [
        {"tokens": 0.05},
        {"memory": 0.10, "processes": 0.10},
        {"queue_depth": 0.15, "wait_ms": 0.15, "duration": 0.15},
        {"test_pass_rate": 0.95},
        {"rejected": 0.01, "violations": 0.01},
        {},
    ]


def test_lint_says_that_the_default_plans_first_stage_does_nothing_and_which_flags_are_waited_for() -> None:
    found = lint(plan("default"), FLAGS)
    assert [(finding.rule, finding.place[1]) for finding in found] == [
        ("flag-stays", 0), ("waits-for-min-stable", 2), ("waits-for-min-stable", 3), ("waits-for-min-stable", 5)
    ]  # fmt: skip
    promoted = next(one.at for one in timeline(plan("default"), FLAGS) if one.place == ("promotion",))
    begins = [one.at - promoted for one in timeline(plan("default"), FLAGS) if one.place[0] == "flags"]
    assert begins == [900, 1200, 3600, DAY, DAY + 300, 60 * DAY]


def test_the_planners_weeks_are_0_5_10_20_50_and_100_percent() -> None:
    planner = plan("planner")
    week = 7 * DAY
    assert [(step.weight, step.pause) for step in planner.steps] == [
        (0, week), (5, week), (10, week), (20, week), (50, 2 * week)
    ]  # fmt: skip
    assert planner.steps[0].mirror
    assert planner.bake.health == 3 * DAY
    assert bounds(planner.limits) == {"error": 0.05, "quality": 5.0, "duration": 1600.0, "cost": 3.0}
    for limit in planner.limits:
        assert (limit.min_samples, limit.window) == (30, Window(100, 300.0))
        assert planner.judge_of(limit) is JudgeKind.THRESHOLD
    assert [limit.statistic for limit in planner.limits if limit.metric == "duration"] == [Statistic.P95]


def test_the_engine_goes_to_our_own_missions_first_then_to_new_ones_to_half_to_all_and_bakes_a_week() -> None:
    engine = plan("engine")
    inside, new, half = engine.steps
    assert inside.weight == 0
    assert inside.keys
    assert inside.keys.always == ("internal-*",)
    assert new.keys
    assert new.keys.only_new_by == "created"
    assert half.weight == 50
    assert half.keys
    assert not half.keys.only_new_by
    assert engine.bake.health == 7 * DAY
    assert bounds(engine.limits) == {
        "error": 0.05, "generation_ms": 500.0, "duration": 0.10, "error_logs": 0.0, "missing_events": 0.0
    }  # fmt: skip


def test_the_quick_plan_takes_minutes_at_a_few_calls_a_second_and_flag_only_starts_nothing() -> None:
    assert whole(plan("quick"), FLAGS) <= 600
    assert lint(plan("quick"), FLAGS, rate=180) == ()
    assert not plan("flag-only").new_generation
    assert lint(plan("flag-only"), FLAGS, rate=10) == ()
