"""The shadow comparison's summary, as the worker finds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workers.reference.results import ShadowDiffs
from workers.reference.shadow_summary import SUMMARY, SummaryError, shadow_diffs

CONTENT = {"count": 3, "recorded_at": "2026-01-01T10:00:00Z", "path": "upgrades/4/shadow.json"}
DIFFS = ShadowDiffs(count=3, recorded_at=datetime(2026, 1, 1, 10, tzinfo=UTC), path="upgrades/4/shadow.json")


def put(directory: Path, content: str) -> None:
    path = directory / SUMMARY
    path.parent.mkdir(parents=True)
    path.write_text(content)


def test_there_is_none_before_the_first_comparison(tmp_path: Path) -> None:
    assert shadow_diffs(tmp_path / "worker") is None


@pytest.mark.parametrize("place", [".", "worker"])
def test_it_is_found_in_the_state_directory_and_in_the_one_around_it(tmp_path: Path, place: str) -> None:
    put(tmp_path / place, json.dumps(CONTENT))
    assert shadow_diffs(tmp_path / "worker") == DIFFS


@pytest.mark.requirement("REH-16")
def test_the_daemon_says_where_it_is_when_the_workers_state_is_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "daemon", json.dumps(CONTENT))
    put(tmp_path / "worker", "{")
    named = {"SWITCHOVER_ANALYTICS": str(tmp_path / "daemon" / "analytics")}
    assert shadow_diffs(tmp_path / "worker", named) == DIFFS
    assert shadow_diffs(tmp_path / "worker", {"SWITCHOVER_ANALYTICS": str(tmp_path / "none")}) is None


def test_more_than_we_know_of_does_no_harm(tmp_path: Path) -> None:
    put(tmp_path, json.dumps({**CONTENT, "classes": {"noise": 2}}))
    assert shadow_diffs(tmp_path) == DIFFS


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
        ('{"count": -1, "recorded_at": "2026-01-01T10:00:00Z"}', "count: Input should be greater than or equal to 0"),
        ('{"count": 1}', "recorded_at: Field required"),
    ],
)
def test_a_summary_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path, content: str, problem: str) -> None:
    put(tmp_path, content)
    with pytest.raises(SummaryError, match=f"upgrade_shadow.json is no summary: {problem}"):
        shadow_diffs(tmp_path)


def test_a_summary_that_cannot_be_opened_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / SUMMARY).mkdir(parents=True)
    with pytest.raises(SummaryError, match="cannot be read: Is a directory"):
        shadow_diffs(tmp_path)
