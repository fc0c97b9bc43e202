"""Presets: the numbers are those of the plans that ship, and a plan's own limits go before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.plans.findings import Severity
from orchestrator.domain.plans.limits import PRESET_NAMES, Limit, Statistic
from orchestrator.domain.plans.lint import lint
from orchestrator.domain.plans.presets import PRESETS, expanded
from orchestrator.flags.registry_file import read_registry
from orchestrator.plans.plan_file import PlanError, document, plan_of, read_plan
from orchestrator.plans.shipped import find_plan

pytestmark = pytest.mark.requirement("PLAN-10")

STEP = '[[steps]]\nweight = 50\npause = "1h"\n'


@pytest.mark.parametrize(
    ("name", "ships"), [("weathervane", "default"), ("planner", "planner"), ("atlasforge", "engine")]
)
def test_a_preset_has_the_numbers_of_the_plan_it_comes_from(name: str, ships: str) -> None:
    preset, plan = PRESETS[name], find_plan(ships).plan
    assert preset.limits == plan.limits
    assert set(preset.metrics) == set(plan.metrics)
    assert preset.flags == {stage.flag: stage.limits for stage in plan.flags if stage.limits}
    assert set(PRESETS) == set(PRESET_NAMES)


def test_a_plan_takes_a_preset_over_and_its_own_limits_go_before(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    own = '[[limits]]\nmetric = "quality"\nmargin = 8.0\nmin_samples = 50\n'
    stage = '[[flags]]\nflag = "DANGER_GATES"\nto = "1"\nsoak = "5m"\n'
    path.write_text(f'presets = ["weathervane"]\n{STEP}{stage}{own}')
    plan = read_plan(path).plan
    assert plan.limits[0] == Limit("quality", margin=8.0, min_samples=50)
    assert [limit.metric for limit in plan.limits] == ["quality", "tokens", "error", "memory", "cpu"]
    assert [limit.metric for limit in plan.flags[0].limits] == ["rejected", "violations"]
    assert [metric.name for metric in plan.metrics] == ["rejected", "violations"]  # those that are watched
    assert [one for one in lint(plan, read_registry().registry) if one.severity is Severity.ERROR] == []
    assert expanded(plan) == plan == plan_of(document(plan))


def test_several_presets_are_taken_over_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'presets = ["planner", "atlasforge"]\n{STEP}')
    limits = read_plan(path).plan.limits
    assert [(limit.metric, limit.statistic) for limit in limits if limit.metric == "duration"] == [
        ("duration", Statistic.P95), ("duration", Statistic.MEAN)
    ]  # fmt: skip
    assert next(limit for limit in limits if limit.metric == "error").margin == 0.05


def test_what_the_daemon_counts_needs_no_declaration_wherever_a_limit_is_on_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'{STEP}[[steps.limits]]\nmetric = "error_logs"\nmost = 0\nmin_samples = 1\n')
    plan = read_plan(path).plan
    assert [(metric.name, metric.unit) for metric in plan.metrics] == [("error_logs", "lines")]
    assert [one for one in lint(plan, read_registry().registry) if one.severity is Severity.ERROR] == []
    assert expanded(plan) == plan == plan_of(document(plan))


def test_a_preset_that_does_not_exist_is_refused_with_its_line_and_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'presets = ["planer"]\n{STEP}')
    with pytest.raises(PlanError) as refusal:
        read_plan(path)
    said = str(refusal.value)
    assert said.startswith(f"{path}:1: presets")
    assert "there is no preset planer" in said
    assert '"weathervane", "planner", "atlasforge"' in said
