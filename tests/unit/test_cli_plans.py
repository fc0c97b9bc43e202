"""`switchover plans` and `switchover lint`: without a daemon, by name or file, with a status that scripts can use."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.group import switchover
from orchestrator.plans.plan_file import document, plan_of
from orchestrator.plans.shipped import SHIPPED, find_plan

pytestmark = pytest.mark.requirement("PLAN-8")


def run(*words: str) -> Result:
    """Run the command line as it is."""
    return CliRunner().invoke(switchover, list(words))


def test_plans_lists_what_ships_with_one_line_each() -> None:
    lines = run("plans").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(SHIPPED)
    assert json.loads(run("plans", "--json").output).keys() == set(SHIPPED)


def test_a_plan_is_shown_in_words_as_its_file_or_as_json() -> None:
    assert "step 2 of 3: weight 25 %, for 1 min, judged" in run("plans", "quick").output
    quick = find_plan("quick").plan
    assert plan_of({"name": "quick", **tomllib.loads(run("plans", "quick", "--toml").output)}) == quick
    assert json.loads(run("plans", "quick", "--json").output) == document(quick)


def test_lint_names_file_and_line_what_is_wrong_and_what_to_do_and_ends_with_1_on_errors(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[steps]]\nweight = 50\npause = "1m"\nanalysis = false\n[[steps]]\nweight = 5\npause = 1\nanalysis = false\n'
    )
    result = run("lint", str(path))
    assert result.exit_code == 1
    assert f"{path}:6: error: the weight falls from 50 to 5" in result.output
    assert "policy.retreat is for going down [weight-falls]" in result.output
    assert result.output.endswith("mine: 1 error, 1 warning\n")


def test_lint_ends_with_0_when_it_only_warns_and_says_the_same_as_json() -> None:
    assert run("lint", "default").exit_code == 0
    assert run("lint", "quick").output == "quick: nothing found\n"
    answer = json.loads(run("lint", "default", "--json").output)
    assert (answer["plan"], answer["findings"][0]["place"]) == ("default", "flags[0].to")
    assert answer["findings"][0]["at"].startswith(answer["file"] + ":")


def test_lint_takes_the_rate_metrics_and_flags_of_the_place_where_the_plan_will_run(tmp_path: Path) -> None:
    assert run("lint", "quick", "--rate", "10").exit_code == 1
    assert run("lint", "quick", "--rate", "0").exit_code == 2
    plan, flags = tmp_path / "mine.toml", tmp_path / "flags.toml"
    plan.write_text(
        'new_generation = false\n[[flags]]\nflag = "A"\nto = true\nsoak = "5m"\n[[limits]]\nmetric = "mine"\nmost = 1\n'
    )
    flags.write_text('[flags.A]\ntype = "bool"\ndefault = false\nsafe = false\n')
    assert run("lint", str(plan)).exit_code == 1
    assert run("lint", str(plan), "--flags", str(flags), "--metric", "mine").exit_code == 0
    assert "A is not declared" in run("lint", str(plan), "--metric", "mine").output


def test_a_plan_that_is_none_is_refused_with_1_and_the_reason_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("steps = 3")
    for verb in ("lint", "plans"):
        result = run(verb, str(tmp_path / "bad.toml"))
        assert result.exit_code == 1
        assert "bad.toml:1: steps: is the number 3; allowed: list of tables" in result.stderr
        assert "did you mean quick?" in run(verb, "quik").stderr
    assert "flags.toml: cannot be read" in run("lint", "quick", "--flags", str(tmp_path / "flags.toml")).stderr
