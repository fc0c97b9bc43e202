"""What a report says of a suite that asks in vain: of tools that nobody has, and of calls that always fail."""

from __future__ import annotations

import pytest

from orchestrator.domain.rehearsal import Status
from orchestrator.rehearsal import report
from orchestrator.rehearsal.bounds import Means
from orchestrator.rehearsal.samples import Answer, Compared, Difference, Part, Taken
from orchestrator.rehearsal.sandbox import Hold
from orchestrator.rehearsal.shadow_run import Ran
from orchestrator.rehearsal.suite import Case, Expect, Suite

pytestmark = pytest.mark.requirement("REH-11")


def taken(part: Part, *, well: bool) -> Taken:
    return Taken("plan", "plan", part, 0, 0, 0.0, 0.01, Answer.RESULT, b"{}", failed=not well)


def compared(*, listed: bool, control: bool, rehearsal: bool, must_fail: bool | None = None) -> Compared:
    """Return what is told of one call that old and new code answered well or not."""
    suite = Suite(call=[Case(tool="plan", name="plan", expect=Expect(error=must_fail))])
    samples = [taken(Part.CONTROL, well=control), taken(Part.REHEARSAL, well=rehearsal)]
    return report.with_expectations(Compared(), Ran(suite, samples, listed={"plan"} if listed else set()), str)


def test_a_tool_that_neither_version_lists_is_incomplete_however_alike_they_refuse_it() -> None:
    (difference,) = compared(listed=False, control=False, rehearsal=False).counted
    assert (difference.difference_class, difference.tool) == ("incomplete", "plan")
    assert "neither the old nor the new code lists this tool" in difference.message


def test_a_tool_that_works_without_being_listed_is_none() -> None:
    assert compared(listed=False, control=True, rehearsal=True) == Compared()


def test_a_call_that_fails_on_both_sides_is_noted_unless_it_has_to() -> None:
    (note,) = compared(listed=True, control=False, rehearsal=False).notes
    assert note.startswith("plan: old and new code fail at it each time")
    assert compared(listed=True, control=True, rehearsal=False) == Compared()
    assert compared(listed=True, control=False, rehearsal=False, must_fail=True) == Compared()


def test_what_a_suite_expects_and_does_not_get_is_told_once_with_how_often() -> None:
    case = Case(tool="plan", name="plan", expect=Expect(error=False, contains=["task", "id"], within=0.5))
    answers = [(b"task id", 0.1, False), (b"task", 0.9, False), (b"task", 0.7, True)]
    samples = [
        Taken("plan", "plan", Part.REHEARSAL, run, 0, 0.0, seconds, Answer.RESULT, body, failed=failed)
        for run, (body, seconds, failed) in enumerate(answers)
    ]
    found = report.with_expectations(Compared(), Ran(Suite(call=[case]), samples, listed={"plan"}), str).counted
    assert [(one.message, one.seen, one.pairs) for one in found] == [
        ("the suite says: it must not fail", 1, 3),
        ("the suite says: 'id' must be in the answer", 2, 3),
        ("the suite says: it must answer within 0.5 s and took 900 ms", 2, 3),
    ]


def test_a_run_that_found_nothing_to_look_at_says_what_it_found_and_that_there_are_notes() -> None:
    def said(*classes: str, notes: tuple[str, ...] = ()) -> str:
        found = [Difference("plan", "plan", "extra", one, "$.a", "") for one in classes]
        ran, hold = Ran(Suite(call=[Case(tool="plan")])), Hold(Means.BUBBLEWRAP, sees=True, landlock=0, words="")
        outcome = report.shadow_outcome(ran, Compared(found, 4, notes), hold)
        assert outcome.status is Status.OK
        return outcome.message.partition("to the end, ")[2]

    assert said("noise") == "no difference"
    assert said("additive", "expected", "additive") == "nothing unexpected (2 additive, 1 expected)"
    assert said(notes=("expected, but nothing was so",)) == "no difference; 1 note in shadow.json"
