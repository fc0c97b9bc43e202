"""The plainest comparer says what is certain, and that it cannot say more; the suite's expectations come on top."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.domain.rehearsal import Status
from orchestrator.rehearsal.bounds import Kind, Means
from orchestrator.rehearsal.judge import Stopped
from orchestrator.rehearsal.plain import PlainComparer
from orchestrator.rehearsal.report import shadow_outcome, with_expectations
from orchestrator.rehearsal.samples import Answer, Compared, Part, Taken
from orchestrator.rehearsal.sandbox import Hold
from orchestrator.rehearsal.sentry import Attempt
from orchestrator.rehearsal.shadow_run import Ran
from orchestrator.rehearsal.suite import Case, Expect, Suite

pytestmark = pytest.mark.requirement("REH-11")

CASE = Case(tool="read", name="read")
HOLD = Hold(Means.BUBBLEWRAP, sees=True, landlock=7, words="bubblewrap")


def taken(part: Part, body: Any, run: int = 0, **more: Any) -> Taken:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Taken("read", "read", part, run, 0, 0.0, 0.1, more.pop("answer", Answer.RESULT), written, **more)


def classes(*samples: Taken) -> list[tuple[str, str]]:
    found = PlainComparer().compare([CASE], samples).differences
    return [(one.kind, one.difference_class) for one in found]


def test_equal_answers_are_equal_however_they_are_written() -> None:
    both = [taken(Part.CONTROL, b'{"a":1,"b":2}', 0), taken(Part.CONTROL, b'{"b":2, "a":1}', 1)]
    assert classes(*both, taken(Part.REHEARSAL, {"a": 1, "b": 2})) == []
    assert PlainComparer().compare([CASE], [*both, taken(Part.REHEARSAL, {"a": 1, "b": 2})]).compared == 1


@pytest.mark.parametrize("body", [{"a": 2}, {"a": 1.0}, {"a": True}, {"a": "1"}, {}, {"a": 1, "b": None}])
def test_another_answer_is_unexpected_and_types_count(body: Any) -> None:
    assert classes(taken(Part.CONTROL, {"a": 1}), taken(Part.REHEARSAL, body)) == [("value", "unexpected")]


def test_an_error_where_there_was_none_is_named_as_one() -> None:
    failed = taken(Part.REHEARSAL, {"code": 1}, answer=Answer.ERROR)
    assert classes(taken(Part.CONTROL, {"a": 1}), failed) == [("error", "unexpected")]
    late = taken(Part.REHEARSAL, b"", answer=Answer.TIMEOUT)
    assert classes(taken(Part.CONTROL, {"a": 1}), late) == [("timeout", "unexpected")]


@pytest.mark.parametrize(
    "samples",
    [
        [taken(Part.CONTROL, 1), taken(Part.CONTROL, 2, 1), taken(Part.REHEARSAL, 1)],
        [taken(Part.CONTROL, b"NaN{"), taken(Part.REHEARSAL, b"NaN{")],
        [taken(Part.CONTROL, b"[" * 100_000), taken(Part.REHEARSAL, b"[" * 100_000)],
        [taken(Part.CONTROL, b"", answer=Answer.TIMEOUT), taken(Part.REHEARSAL, b"", answer=Answer.TIMEOUT)],
        [taken(Part.CONTROL, 1)],
    ],
)
def test_what_it_cannot_judge_is_incomplete_and_never_a_pass(samples: list[Taken]) -> None:
    assert classes(*samples) == [("value", "incomplete")]
    assert PlainComparer().compare([CASE], samples).compared == 0


def test_a_refusal_on_both_sides_is_incomplete() -> None:
    stopped = (Stopped(Kind.FILE, "openat", "/x"),)
    both = [taken(part, {"a": 1}, stopped=stopped) for part in (Part.CONTROL, Part.REHEARSAL)]
    assert classes(*both) == [("refused", "incomplete")]


def test_how_the_process_in_service_differs_is_skew_and_counts_for_nothing() -> None:
    samples = [taken(Part.CONTROL, 1), taken(Part.REHEARSAL, 1), taken(Part.ACTIVE, 2)]
    assert classes(*samples) == [("value", "skew")]
    assert PlainComparer().compare([CASE], samples).counted == []


def test_what_the_suite_expects_of_the_new_code_is_held_against_it_alone() -> None:
    expect = Expect(error=False, contains=["task", "gone"], within=0.05)
    ran = Ran(Suite(call=[Case(tool="read", name="read", expect=expect)]))
    ran.samples += [taken(Part.CONTROL, {}), taken(Part.REHEARSAL, {"task": 1}, failed=True)]
    found = with_expectations(Compared(), ran).counted
    assert [one.message.removeprefix("the suite says: ")[:24] for one in found] == [
        "it must not fail",
        "'gone' must be in the an",
        "it must answer within 0.",
    ]
    assert with_expectations(Compared(), Ran(Suite(call=[CASE]), ran.samples)) == Compared()


def test_what_a_shadow_run_came_to_is_said_in_one_sentence() -> None:
    ran = Ran(Suite(call=[CASE]), [taken(Part.CONTROL, 1)], shared=True)
    assert shadow_outcome(ran, Compared(compared=1), HOLD).status is Status.OK
    ran.attempts["rehearsal 1"] = [Attempt(Stopped(Kind.FILE, "openat", "/x"), 0.0)]
    ran.broken = ["read: the tool failed"]
    said = shadow_outcome(ran, Compared(), Hold(Means.NONE, sees=False, landlock=0, words="nothing holds"))
    assert said.status is Status.WARNING
    for part in ("1 attempt(s)", "openat /x", "the old code breaks", "nothing holds"):
        assert part in said.message
