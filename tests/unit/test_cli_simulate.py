"""`switchover simulate`: a timeline, the evidence, what was taken for granted, and a status that scripts can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from recorded_story import BEGAN, Version, recorded

from orchestrator.cli.group import switchover
from orchestrator.domain.evidence.sample_lines import header, line

pytestmark = pytest.mark.requirement("SIM-6")

PLAN = """
on_missing_data = "pause"
steps = [{ weight = 50, pause = "5m" }]
bake = { health = "1m", unlock = "1m" }
limits = [{ metric = "tokens", relative = 0.2, min_samples = 10 }]
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "tried.toml"
    path.write_text(PLAN)
    return str(path)


def written(tmp_path: Path, *versions: Version) -> str:
    """Write calls of these versions as `switchover samples export` does, and return the file."""
    path = tmp_path / "samples.jsonl"
    told = recorded(versions) if versions else []
    path.write_bytes(b"".join([header(BEGAN), *map(line, told)]))
    return str(path)


def run(*words: str) -> Result:
    return CliRunner().invoke(switchover, ["simulate", *words])


def test_a_good_version_ends_with_0_and_the_timeline_says_when_and_why(plan: str, tmp_path: Path) -> None:
    result = run(plan, "--samples", written(tmp_path, Version()))
    assert result.exit_code == 0
    assert "T+0:00:00  step 1 of 1, weight 50 %, for 5 min\n" in result.output
    assert "T+0:05:00  promoted: all traffic to the new version, judged for 1 min\n" in result.output
    assert "  - only generation 1 was recorded" in result.output
    assert result.output.splitlines()[-1].startswith("tried: it would be done at T+0:06:00, ")


def test_a_bad_version_ends_with_1_and_as_json_names_the_metric_and_the_look(plan: str, tmp_path: Path) -> None:
    result = run(plan, "--samples", written(tmp_path, Version(), Version(tokens=1600.0)), "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["ending"], told["metric"]) == ("rolled_back", "tokens")
    assert told["timeline"][-1]["look"]["verdict"] == "regression"
    assert told["lasted"] == told["timeline"][-1]["at"] < 300


def test_who_would_wait_for_data_or_for_a_person_ends_with_4(plan: str, tmp_path: Path) -> None:
    result = run(plan, "--samples", written(tmp_path))
    assert result.exit_code == 4
    assert result.output.splitlines()[-1].startswith(
        "tried: it would be paused at T+0:05:00, 0 calls: data are missing"
    )


def test_a_file_that_never_ends_is_refused_and_not_read_for_ever(plan: str) -> None:
    result = run(plan, "--samples", "/dev/zero")
    assert (result.exit_code, "/dev/zero: line 1: is longer than any sample" in result.stderr) == (1, True)


def test_rate_alpha_and_generations_change_what_is_simulated(plan: str, tmp_path: Path) -> None:
    file = written(tmp_path, Version(), Version(tokens=1600.0))
    usual = json.loads(run(plan, "--samples", file, "--json").output)
    slow = json.loads(run(plan, "--samples", file, "--json", "--rate", "60").output)
    strict = json.loads(run(plan, "--samples", file, "--json", "--alpha", "1e-9").output)
    other = json.loads(run(plan, "--samples", file, "--json", "--old", "2", "--new", "2").output)
    assert usual["lasted"] < min(slow["lasted"], strict["lasted"])
    assert any("60 a minute (0.3 times as fast as recorded)" in sentence for sentence in slow["assumed"])
    assert other["ending"] == "done"


def test_what_cannot_be_simulated_is_refused_with_what_to_do(plan: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"type": "other"}\n')
    refused = run(plan, "--samples", str(broken))
    assert refused.exit_code == 1
    assert f"{broken}: line 1: this is no file of samples" in refused.output
    unknown = run(plan, "--samples", written(tmp_path, Version()), "--new", "7")
    assert "no call of generation 7 was recorded; recorded: 1" in unknown.output
    assert run("nowhere", "--samples", written(tmp_path, Version())).exit_code == 1
    assert run(plan, "--samples", str(tmp_path / "none.jsonl")).exit_code == 2


def test_what_calls_say_of_their_subjects_is_told_by_options_and_what_helps_nobody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(PLAN.replace('pause = "5m"', 'pause = "5m", keys = { only_new_by = "created", always = ["a-*"] }'))
    file = written(tmp_path, Version(), Version())
    usual = run(str(path), "--samples", file)
    assert usual.exit_code == 4
    assert "with --attribute created=first-call a key is as old as its first call" in usual.output
    told = run(str(path), "--samples", file, "--attribute", "created=first-call", "--always", "5")
    assert told.exit_code == 0, told.output
    assert "  - 5 % of the keys, drawn anew, are taken to be a-*: always on the canary\n" in told.output
    wrong = run(str(path), "--samples", file, "--attribute", "create=first-call")
    assert wrong.exit_code == 1
    assert "no step of ours looks at the attribute create; it goes by created" in wrong.output
    assert run(str(path), "--samples", file, "--attribute", "created").exit_code == 2
    assert run(str(path), "--samples", "-", "--always", "101").exit_code == 2
