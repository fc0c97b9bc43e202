"""`switchover shadow diff` and `explain` over a run's artifacts: what is shown, what is said of what is not there."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.group import switchover
from orchestrator.cli.shadow import record
from orchestrator.cli.shadow.explain import unindexed
from orchestrator.shadow.manifest import read_manifest

pytestmark = pytest.mark.requirement("REH-14")

NOISE = {
    "path": "$.tasks[].at", "varies": "a point in time", "answers": 6, "values": 12, "differing": 9, "pairs": 10,
    "seen": ['"10:00"'],
}  # fmt: skip


def difference(number: int, **changed: Any) -> dict[str, Any]:
    plain = {
        "number": number, "case": "plan", "tool": "plan", "kind": "value", "class": "unexpected",
        "path": "$.tasks[].at", "pattern": "$.tasks[].at", "message": "it has another value\n  rule: never varied",
        "rule": "never varied", "reason": "", "seen": 2, "pairs": 3, "control": "1", "rehearsal": "2",
    }  # fmt: skip
    return {**plain, **changed}


DIFFERENCES = [
    difference(1, **{"class": "noise"}),
    difference(2),
    difference(3, case="list", tool="list", kind="timeout", path="$", pattern="$", **{"class": "incomplete"}),
]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Leave what a run leaves."""
    call = {"name": "plan", "tool": "plan", "control": {"answers": {"result": 6}, "median_ms": 1.5}}
    found = {
        "id": "one", "count": 2, "compared": 5, "classes": {"noise": 1, "unexpected": 1, "incomplete": 1},
        "differences": DIFFERENCES, "attempts": {"control 1": [{"call": "openat", "target": "/x"}]},
        "state": {"shared": False, "broken": ["plan: the tool failed"]}, "notes": ["unused"],
        "suite": {"left_out": [{"tool": "drop", "reason": "it does not say that it only reads"}]},
        "calls": [call, {"name": "list", "tool": "list"}],
        "details": {"profiles": {"plan": {"answers": 6, "calls": 1, "enough": True}}, "noise": {"plan": [NOISE]}},
    }  # fmt: skip
    folder = tmp_path / "upgrades" / "one"
    folder.mkdir(parents=True)
    (folder / "shadow.json").write_text(json.dumps(found))
    (tmp_path / "upgrades" / "early").mkdir()
    (tmp_path / "upgrades" / "failed").mkdir()
    (tmp_path / "upgrades" / "failed" / "report.json").write_text("{}")
    (tmp_path / "analytics").mkdir()
    summary = {"count": 2, "recorded_at": "2026-01-01T00:00:00Z", "path": "upgrades/one/shadow.json"}
    (tmp_path / "analytics" / "upgrade_shadow.json").write_text(json.dumps(summary))
    return tmp_path


@pytest.fixture
def shadow(state_dir: Path) -> Callable[..., Result]:
    """Run a verb of `shadow` on that state directory."""
    return lambda *words: CliRunner().invoke(switchover, ["shadow", *words, "--state-dir", str(state_dir)])


def test_differences_are_shown_by_tool_and_class_with_values_and_how_often(shadow: Callable[..., Result]) -> None:
    shown = shadow("diff").output
    assert shown.index("unexpected\n    #2") < shown.index("noise\n    #1")
    assert "#2   $.tasks[].at  value, in 2 of 3 pairs\n         control:   1\n         rehearsal: 2" in shown
    assert "stopped: openat /x" in shown
    assert "the old code breaks on what the new code wrote: plan: the tool failed" in shown
    assert "not called: drop, it does not say that it only reads" in shown


def test_what_no_value_shows_is_said_and_who_was_beside_the_control(
    shadow: Callable[..., Result], state_dir: Path
) -> None:
    report = state_dir / "upgrades" / "one" / "shadow.json"
    found = json.loads(report.read_text())
    ended = difference(4, kind="error", path="$", rule="control's answer was a result", rehearsal="")
    unmet = difference(5, kind="expectation", path="$", rule="", message="the suite says: it must fail")
    flagged = difference(7, kind="error", path="$.isError", control="false", rehearsal="true")
    skewed = difference(6, beside="active", **{"class": "skew"})
    report.write_text(json.dumps({**found, "compared": 1, "differences": [ended, unmet, skewed, flagged]}))
    shown = shadow("diff").output
    assert "1 answer compared to the end" in shown
    assert (
        "pairs\n         control's answer was a result\n         control:   1\n         rehearsal: (nothing)" in shown
    )
    assert "the suite says: it must fail\n" in shown
    assert "#7   $.isError  error, in 2 of 3 pairs\n         control:   false\n" in shown
    assert "control:   1\n         active:    2" in shown


def test_they_are_chosen_by_class_and_tool_and_printed_as_json(shadow: Callable[..., Result]) -> None:
    shown = json.loads(shadow("diff", "one", "--class", "unexpected", "--class", "noise", "--json").output)
    assert (shown["id"], shown["count"]) == ("one", 2)
    assert {tool: list(classes) for tool, classes in shown["tools"].items()} == {"plan": ["unexpected", "noise"]}
    assert list(json.loads(shadow("diff", "one", "--tool", "list", "--json").output)["tools"]) == ["list"]
    assert "none of them is of that class and tool" in shadow("diff", "one", "--class", "skew").output
    refused = shadow("diff", "one", "--tool", "lst")
    assert (refused.exit_code, "it called: plan, list" in refused.output) == (2, True)


def test_one_is_explained_by_its_number_with_evidence_and_an_entry_that_expects_it(
    shadow: Callable[..., Result],
) -> None:
    shown = shadow("explain", "one", "2", "--reason", 'counts "anew"').output
    assert "evidence: 6 answers of the old code to 1 call\n" in shown
    assert "known noise here: a point in time (9 of 10 pairs differ, 6 answers)" in shown
    assert "ended: control 6 result, 1.5 ms" in shown
    (entry,) = read_manifest(shown[shown.index("[[expected]]") :])
    assert (entry.path, entry.tool, entry.reason) == ("$.tasks[].at", "plan", 'counts "anew"')
    assert entry.expires > dt.datetime.now(dt.UTC).date()


def test_what_no_manifest_can_expect_says_what_is_needed(shadow: Callable[..., Result]) -> None:
    shown = shadow("explain", "one", "#3").output
    assert "no manifest can expect this; give calls more time (upgrade.call_timeout)" in shown
    assert "[[expected]]" not in shown


def test_a_path_is_explained_with_what_was_taken_as_noise_there(shadow: Callable[..., Result]) -> None:
    shown = shadow("explain", "one", "$.tasks[3].at").output
    assert "#1  plan: value, noise" in shown
    assert "#2  plan: value, unexpected" in shown
    assert '$.tasks[].at  a point in time (9 of 10 pairs differ, 6 answers)\n    such as "10:00"' in shown
    assert shadow("explain", "one").output.count("[[expected]]") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("diff", "other"), "there is no rehearsal 'other'"),
        (("diff", "../one"), "there is no rehearsal '../one'"),
        (("diff", "early"), "rehearsal early is not so far"),
        (("diff", "failed"), "rehearsal failed came to no shadow comparison"),
        (("explain", "one", "9"), "has 3 differences, none of them is number 9"),
        (("explain", "one", "$.nothing"), "nothing differed at $.nothing in one"),
    ],
)
def test_what_is_not_there_is_said(shadow: Callable[..., Result], words: tuple[str, ...], said: str) -> None:
    refused = shadow(*words)
    assert (refused.exit_code, said in refused.output) == (1, True), refused.output


def test_a_report_that_is_withheld_or_broken_is_no_pass(shadow: Callable[..., Result], state_dir: Path) -> None:
    report = state_dir / "upgrades" / "one" / "shadow.json"
    for text, said in (('{"withheld": "mail address"}', "mail address"), ("{", "cannot be read"), ("[]", "no report")):
        report.write_text(text)
        refused = shadow("diff", "one")
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    (state_dir / "analytics" / "upgrade_shadow.json").unlink()
    assert "nothing was compared yet" in shadow("diff").output


def test_indexes_are_taken_out_of_a_path_and_nothing_else() -> None:
    assert unindexed("$.a[3].b[12][0]") == "$.a[].b[][]"
    assert unindexed("$.a[].b{}.c[x]") == "$.a[].b{}.c[x]"


@pytest.mark.requirement("REH-15")
def test_a_suite_that_cannot_be_written_any_more_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "suite.toml"
    recorded = {
        "running": False, "distinct": 1, "seen": 2, "passed": 0, "left_out": [],
        "calls": [{"tool": "plan", "arguments": {"limit": 3}, "times": 2}],
    }  # fmt: skip

    def asked(_paths: object, _method: str, path: str, _body: object = None) -> dict[str, Any]:
        if path.endswith("stop"):
            output.write_text("somebody else's")
        return recorded

    monkeypatch.setattr(record, "ask", asked)
    words = ["shadow", "record", "-o", str(output), "--calls", "1", "--state-dir", str(tmp_path)]
    said = CliRunner().invoke(switchover, words)
    assert (said.exit_code, output.read_text()) == (1, "somebody else's")
    assert "until 1 different call;" in said.stderr
    assert "cannot be written (File exists); the suite stands above" in said.stderr
    assert 'tool = "plan"\narguments = { limit = 3 }' in said.stdout
