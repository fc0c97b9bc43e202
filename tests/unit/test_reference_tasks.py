"""What may happen to a task, decided without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from workers.reference.review import judge, settle
from workers.reference.tasks import Evidence, Status, Task, TaskError, assign, submit

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
PENDING = Task(
    id=7,
    title="Write the guide",
    status=Status.PENDING,
    priority=50,
    estimated_minutes=60,
    depends_on=(),
    agent=None,
    attempt=0,
    updated=BEFORE,
)
TAKEN = replace(PENDING, status=Status.IN_PROGRESS, agent="ada", attempt=1)
PASSED = Evidence("test", passed=True, detail="12 passed")
FAILED = Evidence("test", passed=False, detail="2 of 50 failed")


def test_a_pending_task_can_be_assigned() -> None:
    assert assign(PENDING, "ada", NOW) == replace(TAKEN, updated=NOW)


def test_rework_is_a_new_attempt_and_may_go_to_another_agent() -> None:
    again = assign(replace(TAKEN, status=Status.NEEDS_IMPROVEMENT), "grace", NOW)
    assert (again.status, again.agent, again.attempt) == (Status.IN_PROGRESS, "grace", 2)


@pytest.mark.parametrize("status", [Status.IN_PROGRESS, Status.NEEDS_REVIEW, Status.DONE])
def test_what_is_taken_reviewed_or_done_cannot_be_assigned(status: Status) -> None:
    with pytest.raises(TaskError, match=f"task 7 is {status} and cannot be assigned; call plan_next"):
        assign(replace(TAKEN, status=status), "grace", NOW)


def test_the_agent_who_has_a_task_can_report_it() -> None:
    assert submit(TAKEN, "ada", NOW) == replace(TAKEN, status=Status.NEEDS_REVIEW, updated=NOW)


def test_nobody_else_can_report_it() -> None:
    with pytest.raises(TaskError, match="assigned to ada, not to grace; only ada can report it"):
        submit(TAKEN, "grace", NOW)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.IN_PROGRESS])
def test_a_task_nobody_works_on_cannot_be_reported(status: Status) -> None:
    with pytest.raises(TaskError, match=f"task 7 is {status}, nobody is working on it; take a task with dispatch"):
        submit(replace(TAKEN, status=status), "ada", NOW)


def test_evidence_that_all_passed_makes_a_task_done() -> None:
    verdict = judge([PASSED, PASSED])
    assert (verdict.status, verdict.quality, verdict.reasons) == (Status.DONE, 100.0, ())


def test_one_failed_piece_of_evidence_asks_for_improvement_and_says_why() -> None:
    verdict = judge([PASSED, FAILED, PASSED, PASSED])
    assert (verdict.status, verdict.quality) == (Status.NEEDS_IMPROVEMENT, 75.0)
    assert verdict.reasons == ("test failed: 2 of 50 failed",)


def test_no_evidence_is_no_proof_and_has_no_quality() -> None:
    verdict = judge([])
    assert (verdict.status, verdict.quality) == (Status.NEEDS_IMPROVEMENT, None)
    assert verdict.reasons == ("no evidence was recorded",)


@pytest.mark.parametrize(("evidence", "status"), [(PASSED, Status.DONE), (FAILED, Status.NEEDS_IMPROVEMENT)])
def test_a_review_moves_the_task_to_its_verdict(evidence: Evidence, status: Status) -> None:
    reported = replace(TAKEN, status=Status.NEEDS_REVIEW)
    assert settle(reported, judge([evidence]), NOW) == replace(reported, status=status, updated=NOW)


@pytest.mark.parametrize("status", [Status.DONE, Status.NEEDS_IMPROVEMENT])
def test_a_second_review_changes_nothing(status: Status) -> None:
    reviewed = replace(TAKEN, status=status)
    assert settle(reviewed, judge([PASSED]), NOW) is reviewed


@pytest.mark.parametrize("task", [PENDING, TAKEN])
def test_a_task_that_was_not_reported_cannot_be_reviewed(task: Task) -> None:
    with pytest.raises(TaskError, match="cannot be verified; its agent has to report it first"):
        settle(task, judge([PASSED]), NOW)
