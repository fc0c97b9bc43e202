"""The pages about plans: generated where they describe the format, and true where they show a plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate_plans
from orchestrator.domain.plans.lint import lint
from orchestrator.flags.registry_file import read_registry
from orchestrator.plans.plan_file import read_plan
from orchestrator.plans.shipped import SHIPPED

pytestmark = pytest.mark.requirement("PLAN-9")

DOCS = Path(generate_plans.__file__).parent


def test_the_page_of_the_format_is_what_the_model_says_now() -> None:
    assert (DOCS / "plan-format.md").read_text() == generate_plans.page(), "regenerate it with: make docs"


def test_the_plan_that_the_page_shows_is_one_in_which_lint_finds_nothing(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "plans.md").read_text(), re.DOTALL)
    (tmp_path / "mine.toml").write_text(example)
    plan = read_plan(tmp_path / "mine.toml").plan
    assert lint(plan, read_registry().registry, rate=120) == ()


def test_the_page_names_every_plan_that_ships() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| ", (DOCS / "plans.md").read_text(), re.MULTILINE) == list(SHIPPED)
