"""What people type to the verbs of `flags` and neither JSON nor an address can hold: refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.api.flags.models import DifferenceShown
from orchestrator.cli.flags.ask import attributes
from orchestrator.cli.flags.show import step
from orchestrator.cli.group import switchover

pytestmark = pytest.mark.requirement("FLAG-51")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["target", "MODE", "--rules", '{"percentage": {"value": "on", "percent": NaN}}'], "no NaN and no infinity"),
        (["set", "LIMIT=1", "--timeout", "nan"], "no NaN and no infinity"),
        (["explain", "MODE", "--attribute", "age=Infinity"], "no NaN and no infinity"),
        (["target", "MODE", "--rules", '{"deny": ["\\ud800"]}'], "not UTF-8, or holds half a character"),
        (["set", "TEXT=\udcff\udcfe"], "not UTF-8, or holds half a character"),
        (["explain", "MODE", "--for", "\udcff"], "not UTF-8, or holds half a character"),
        (["get", "\udcff"], "there is no flag '\\udcff'"),
        (["get", ""], "there is no flag ''"),
        (["get", ".."], "there is no flag '..'"),
        (["history", "a/b"], "there is no flag 'a/b'"),
        (["reset", "--all", "MODE"], "not both"),
        (["get", "MODE"], "no daemon answers on"),
    ],
    ids=lambda given: ascii(given)[:40],
)
def test_what_cannot_be_sent_is_refused_in_words(tmp_path: Path, words: list[str], complaint: str) -> None:
    done = CliRunner().invoke(switchover, ["flags", *words, "--state-dir", str(tmp_path)])
    assert complaint in done.stderr
    assert done.exit_code in {1, 2, 3}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, {"percentage": {"value": 3, "percent": 25}}, "targeting changed: percentage - -> 25 % 3"),
        ({"percentage": {"value": 3, "percent": 25}}, {"percentage": {"value": 3, "percent": 50}}, "25 % 3 -> 50 % 3"),
        ({"deny": ["m"], "rules": []}, {"deny": ["m", "n"], "forced": {}}, "deny changed, rules removed, forced added"),
        ({"deny": ["m"]}, None, "targeting removed"),
        (None, {}, "targeting changed"),
    ],
)
def test_a_change_of_targeting_says_which_part_of_it_changed(before: Any, after: Any, said: str) -> None:
    change = DifferenceShown(key="LIMIT", before=1, after=1, targeting_before=before, targeting_after=after)
    assert step(change).endswith(said)


def test_an_empty_text_is_shown_as_one() -> None:
    change = DifferenceShown(key="TEXT", before="", after="x", targeting_before=None, targeting_after=None)
    assert step(change) == '"" -> x'


def test_an_attribute_that_nests_too_deep_for_json_is_text() -> None:
    deep = "[" * 100_000
    assert attributes([f"deep={deep}", "age=7"]) == {"deep": deep, "age": 7}
