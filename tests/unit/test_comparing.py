"""The comparison by learned noise behind the harness: what old code varies is noise, anything else is told."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.comparing import LearnedComparer
from orchestrator.rehearsal.bounds import Kind
from orchestrator.rehearsal.judge import Stopped
from orchestrator.rehearsal.profiles import PROFILES
from orchestrator.rehearsal.samples import Answer, Compared, Part, Taken
from orchestrator.rehearsal.suite import Case
from orchestrator.shadow.manifest import read_manifest
from orchestrator.shadow.redact import Redactor

NOW = 1_790_000_000.0
TODAY = dt.date(2026, 11, 21)
CASE = Case(tool="plan", name="plan", repeats=1)


def body(role: str, moment: float, **changed: Any) -> bytes:
    """Return what a tool answers: an id, a time and its role are its own, all else is the same."""
    told = {
        "id": str(uuid.uuid4()),
        "at": dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(),
        "role": role,
        "open": 7,
    }
    return json.dumps({"structuredContent": {**told, **changed}}).encode()


def samples(**changed: Any) -> list[Taken]:
    """Six answers of the old code and five of the new, in turn."""
    taken = []
    for turn in range(11):
        part = Part.REHEARSAL if turn % 2 else Part.CONTROL
        at = NOW + turn + 0.001234
        said = body(part, at, **(changed if part is Part.REHEARSAL else {}))
        taken.append(Taken("plan", "plan", part, turn // 2, 0, at, 0.01, Answer.RESULT, said))
    return taken


def compared(place: Path, taken: list[Taken], *, manifest: str = "", fingerprint: str = "f") -> Compared:
    comparer = LearnedComparer(fingerprint, place, read_manifest(manifest), TODAY, Redactor(b"k"))
    return comparer.compare([CASE], taken)


@pytest.mark.requirement("REH-13")
def test_what_the_old_code_varies_itself_and_its_own_role_are_no_differences(tmp_path: Path) -> None:
    found = compared(tmp_path, samples())
    assert found.counted == []
    assert {one.difference_class for one in found.differences} == {"noise"}
    assert found.compared == 5


@pytest.mark.requirement("REH-13")
@pytest.mark.parametrize(
    ("changed", "kind"),
    [({"open": 8}, "value"), ({"open": "7"}, "type"), ({"at": "yesterday"}, "format"), ({"id": "none"}, "format")],
)
def test_a_change_of_the_new_code_is_told_also_where_values_vary(
    tmp_path: Path, changed: dict[str, Any], kind: str
) -> None:
    (difference,) = compared(tmp_path, samples(**changed)).counted
    assert (difference.kind, difference.difference_class) == (kind, "unexpected")
    assert (difference.seen, difference.pairs) == (5, 5)
    assert difference.path.endswith(next(iter(changed)))


@pytest.mark.requirement("REH-13")
def test_an_expected_difference_counts_no_more_until_its_end(tmp_path: Path) -> None:
    manifest = '[[expected]]\npath = "$.structuredContent.open"\nreason = "counts otherwise"\nexpires = {}\n'
    assert compared(tmp_path, samples(open=8), manifest=manifest.format("2026-12-31")).counted == []
    late = compared(tmp_path, samples(open=8), manifest=manifest.format("2026-11-20"))
    assert len(late.counted) == 1
    assert any(note.startswith("expected no longer: entry 1") for note in late.notes)
    unused = compared(tmp_path, samples(), manifest=manifest.format("2026-12-31"))
    assert any(note.startswith("expected, but nothing was so: entry 1") for note in unused.notes)


@pytest.mark.requirement("REH-13")
def test_a_call_that_the_sandbox_stopped_on_both_sides_is_no_pass(tmp_path: Path) -> None:
    stopped = (Stopped("network", "connect", "192.0.2.1"),)  # type: ignore[arg-type]
    taken = [
        Taken(one.case, one.tool, one.part, one.run, 0, one.at, 0.01, Answer.RESULT, one.body, stopped=stopped)
        for one in samples()
    ]
    assert {one.difference_class for one in compared(tmp_path, taken).counted} == {"incomplete"}


@pytest.mark.requirement("REH-13")
def test_noise_is_kept_for_the_next_rehearsal_of_the_same_code_only(tmp_path: Path) -> None:
    compared(tmp_path, samples())
    (kept,) = (tmp_path / PROFILES).iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert compared(tmp_path, samples()).details["profiles"]["plan"]["answers"] == 12
    assert compared(tmp_path, samples(), fingerprint="other").details["profiles"]["plan"]["answers"] == 6
    kept.write_text("{")
    assert any("cannot be read" in note for note in compared(tmp_path, samples()).notes)


@pytest.mark.requirement("REH-13")
def test_answers_that_are_compared_twice_are_learned_from_once(tmp_path: Path) -> None:
    compared(tmp_path, samples())
    comparer = LearnedComparer("f", tmp_path, (), TODAY, Redactor(b"k"))
    told = [comparer.compare([CASE], samples()).details["profiles"]["plan"]["answers"] for _ in range(2)]
    assert told == [12, 12]


@pytest.mark.requirement("REH-13")
@pytest.mark.parametrize(("often", "doubtful"), [(0, False), (2, True), (5, False)])
def test_a_difference_that_some_answers_have_and_others_have_not_is_in_doubt(
    tmp_path: Path, *, often: int, doubtful: bool
) -> None:
    taken = [
        replace(one, body=body(one.part, one.at, open=8)) if one.part is Part.REHEARSAL and one.run < often else one
        for one in samples()
    ]
    assert compared(tmp_path, taken).doubtful is doubtful


def test_a_tool_that_never_answered_the_new_code_is_incomplete(tmp_path: Path) -> None:
    controls = [one for one in samples() if one.part is Part.CONTROL]
    (difference,) = compared(tmp_path, controls).counted
    assert (difference.kind, difference.difference_class) == ("missing", "incomplete")


@pytest.mark.requirement("REH-8")
def test_a_refusal_says_what_was_refused_and_a_call_not_made_why_it_was_not(tmp_path: Path) -> None:
    stopped = (Stopped(Kind.FILE, "openat", "/live/tasks.db"),)
    refused = [replace(one, stopped=stopped) if one.part is Part.REHEARSAL else one for one in samples()]
    (difference,) = compared(tmp_path, refused).counted
    assert difference.message.endswith("stopped: rehearsal: openat /live/tasks.db")
    said = json.dumps({"message": "no earlier call answered ${x.y}"}).encode()
    unasked = [replace(one, answer=Answer.UNASKED, body=said) for one in samples()]
    (difference,) = compared(tmp_path, unasked).counted
    assert difference.message == "there is no pair to be compared: no earlier call answered ${x.y}"


@pytest.mark.requirement("REH-13")
def test_how_the_process_in_service_differs_is_told_as_its_own(tmp_path: Path) -> None:
    active = Taken("plan", "plan", Part.ACTIVE, 0, 0, NOW, 0.01, Answer.RESULT, body("serving", NOW, open=8))
    found = {one.pattern: one for one in compared(tmp_path, [*samples(), active]).differences if one.pairs == 1}
    more, role = found["$.structuredContent.open"], found["$.structuredContent.role"]
    assert (more.difference_class, more.beside, role.difference_class, role.beside) == (
        "skew",
        "active",
        "noise",
        "active",
    )
    assert "\n  control:   7\n  active:    8\n" in more.message
    assert {one.beside for one in compared(tmp_path, samples(open=8)).differences} == {"rehearsal"}
