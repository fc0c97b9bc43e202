"""The newest comparison's summary: runs in a row, the status, the metrics, and the warning after too many."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.api.models import Queue, ShadowDiffs, Status
from orchestrator.cli.status_view import view
from orchestrator.domain.rehearsal import alarm
from orchestrator.domain.routing import RoutingTable
from orchestrator.notify.message import message
from orchestrator.rehearsal.artifacts import Artifacts
from orchestrator.rehearsal.redact import Redactor
from orchestrator.rehearsal.summary import Summary, SummaryError, read_summary
from orchestrator.telemetry.measured import ShadowCounts, Snapshot
from orchestrator.telemetry.metrics import render
from orchestrator.upgrades import Upgrades

pytestmark = pytest.mark.requirement("REH-16")

STATUS = Status(
    version="0", pid=1, uptime=1.0, revision=1, phase="idle", weight=0, kill_switch=False, lanes={}, generations=[],
    sessions=0, in_flight=0, waiting=0, last_switch=None, trouble=None, log_file="/l", tools_socket="/t",
    memory_bytes=1,
)  # fmt: skip


def summarised(place: Path, *counts: int) -> list[int]:
    """Write the summary of one run after another; return what each said of runs in a row."""
    return [
        Artifacts(place, f"run-{len(list(place.glob('upgrades/*')))}", Redactor(b"k")).summarise(count, 0.0)
        for count in counts
    ]


def test_runs_in_a_row_with_differences_are_counted_and_one_without_begins_anew(tmp_path: Path) -> None:
    assert read_summary(tmp_path / "analytics") is None
    assert summarised(tmp_path, 2, 1, 0, 3, 3, 3) == [1, 2, 0, 1, 2, 3]
    found = read_summary(tmp_path / "analytics")
    assert found == Summary(3, "1970-01-01T00:00:00.000Z", "upgrades/run-5/shadow.json", 3)
    assert found.run == "run-5"


@pytest.mark.parametrize("content", ["{", "[]", '{"count": -1, "recorded_at": "", "path": ""}', '{"count": 1}'])
def test_a_summary_that_cannot_be_read_is_said_and_written_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "analytics" / "upgrade_shadow.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(SummaryError, match=r"upgrade_shadow\.json is no summary"):
        read_summary(path.parent)
    assert summarised(tmp_path, 1) == [1]
    path.write_text('{"count": 1, "recorded_at": "", "path": "upgrades/a/shadow.json"}')
    assert summarised(tmp_path, 1) == [1]  # as it was written before runs were counted


def test_status_shows_it_and_calls_more_than_two_in_a_row_trouble() -> None:
    def shown(in_a_row: int, count: int = 4) -> str:
        found = ShadowDiffs(
            count=count, recorded_at="2026-01-01T00:00:00Z", path="upgrades/a/shadow.json", in_a_row=in_a_row
        )
        return "\n".join(view(STATUS.model_copy(update={"queue": Queue(shadow_diffs=found)}), 0.0, colour=False))

    assert "last rehearsal: 4 differences, 2026-01-01T00:00:00Z, upgrades/a/shadow.json" in shown(2)
    assert "in a row" not in shown(2)
    assert "trouble: shadow differences in 3 runs in a row; read them with: switchover shadow diff" in shown(3)
    assert "last rehearsal: no difference" in shown(0, 0)
    assert "last rehearsal" not in "\n".join(view(STATUS, 0.0, colour=False))
    broken = STATUS.model_copy(update={"queue": Queue(shadow_diffs_error="it is no summary")})
    assert "trouble: it is no summary" in "\n".join(view(broken, 0.0, colour=False))


def test_the_metrics_have_both_numbers_once_something_was_compared() -> None:
    assert b"switchover_shadow" not in render(Snapshot(RoutingTable(), {}, 0))
    text = render(Snapshot(RoutingTable(), {}, 0, shadow=ShadowCounts(4, 3))).decode()
    assert "switchover_shadow_differences 4.0" in text
    assert "switchover_shadow_differing_runs 3.0" in text


async def warned(place: Path, run: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what is told when that run is over."""
    told: list[tuple[str, dict[str, Any]]] = []

    async def tell(about: str, what: Any) -> None:
        told.append((about, dict(what)))
        raise OSError("the disk is full")

    upgrades = object.__new__(Upgrades)
    upgrades._here = SimpleNamespace(paths=SimpleNamespace(analytics=place / "analytics"))  # type: ignore[assignment]
    upgrades._tell = tell
    await upgrades._warn(run)
    return told


async def test_the_third_run_in_a_row_is_told_with_a_sentence_and_no_failure_to_tell_ends_anything(
    tmp_path: Path,
) -> None:
    assert await warned(tmp_path, "run-0") == []
    summarised(tmp_path, 1, 1)
    assert await warned(tmp_path, "run-1") == []
    summarised(tmp_path, 5)
    ((about, what),) = await warned(tmp_path, "run-2")
    assert (about, what["event"], what["count"], what["in_a_row"]) == ("rehearsals", "rehearsal.differing", 5, 3)
    worded = message(json.dumps(what))
    assert (
        worded.text == "shadow differences in 3 runs in a row; the newest, run-2, has 5: switchover shadow diff run-2"
    )
    assert worded.alarming
    assert await warned(tmp_path, "another") == []
    (tmp_path / "analytics" / "upgrade_shadow.json").write_text("{")
    assert await warned(tmp_path, "run-2") == []


def test_two_in_a_row_are_no_matter_yet() -> None:
    assert [alarm(runs) for runs in (0, 2, 3)] == [None, None, "shadow differences in 3 runs in a row"]
