"""What may happen to a task, decided without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from workers.reference.changes import Change, Target, changed, judged_good
from workers.reference.review import Case, judge, reviewed, settle
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
    verdict = judge(Case(evidence=(PASSED, PASSED)))
    assert (verdict.status, verdict.quality, verdict.reasons) == (Status.DONE, 100.0, ())


def test_one_failed_piece_of_evidence_asks_for_improvement_and_says_why() -> None:
    verdict = judge(Case(evidence=(PASSED, FAILED, PASSED, PASSED)))
    assert (verdict.status, verdict.quality) == (Status.NEEDS_IMPROVEMENT, 75.0)
    assert verdict.reasons == ("test failed: 2 of 50 failed",)


def test_no_evidence_is_no_proof_and_has_no_quality() -> None:
    verdict = judge(Case())
    assert (verdict.status, verdict.quality) == (Status.NEEDS_IMPROVEMENT, None)
    assert verdict.reasons == ("no evidence was recorded",)


def test_a_required_kind_of_evidence_may_not_be_missing() -> None:
    verdict = judge(Case(required=("review", "test"), evidence=(PASSED,)))
    assert verdict.status is Status.NEEDS_IMPROVEMENT
    assert verdict.reasons == ("evidence of the kind review is missing",)


def test_an_attempt_may_not_be_worse_than_the_one_before() -> None:
    half, third = (PASSED, FAILED), (PASSED, FAILED, FAILED)
    worse = judge(Case(evidence=third, before=half))
    assert "33 % of the evidence passed, 50 % in the attempt before" in worse.reasons
    assert len(judge(Case(evidence=half, before=third)).reasons) == 1, "only what failed, not that it got better"


@pytest.mark.parametrize(("evidence", "status"), [(PASSED, Status.DONE), (FAILED, Status.NEEDS_IMPROVEMENT)])
def test_a_review_moves_the_task_to_its_verdict(evidence: Evidence, status: Status) -> None:
    reported = replace(TAKEN, status=Status.NEEDS_REVIEW)
    assert settle(reported, judge(Case(evidence=(evidence,))), NOW) == replace(reported, status=status, updated=NOW)


@pytest.mark.parametrize("status", [Status.DONE, Status.NEEDS_IMPROVEMENT])
def test_a_second_review_changes_nothing(status: Status) -> None:
    task = replace(TAKEN, status=status)
    assert reviewed(task)
    assert settle(task, judge(Case(evidence=(PASSED,))), NOW) is task


@pytest.mark.parametrize("task", [PENDING, TAKEN])
def test_a_task_that_was_not_reported_cannot_be_reviewed(task: Task) -> None:
    with pytest.raises(TaskError, match="cannot be verified; its agent has to report it first"):
        settle(task, judge(Case(evidence=(PASSED,))), NOW)


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "target", "good"),
    [
        (Status.IN_PROGRESS, "pending", None),
        (Status.NEEDS_REVIEW, "needs_improvement", False),
        (Status.DONE, "needs_improvement", False),
        (Status.NEEDS_REVIEW, "done", True),
        (Status.NEEDS_IMPROVEMENT, "done", True),
    ],
)
def test_moving_a_task_by_hand_says_whether_its_work_was_good(status: Status, target: Target, good: bool) -> None:  # noqa: FBT001
    before = replace(TAKEN, status=status)
    after = changed(before, Change(status=target), NOW)
    assert (after.status, after.updated, after.attempt) == (Status(target), NOW, 1)
    assert judged_good(before, after) is good


@pytest.mark.parametrize(
    ("task", "target"),
    [(PENDING, "done"), (TAKEN, "done"), (TAKEN, "needs_improvement"), (PENDING, "needs_improvement")],
)
def test_a_task_cannot_be_moved_by_hand_past_its_work(task: Task, target: Target) -> None:
    with pytest.raises(TaskError, match=f"task 7 is {task.status} and cannot be moved to {target}; it has to be"):
        changed(task, Change(status=target), NOW)


def test_a_change_that_is_there_already_changes_nothing() -> None:
    change = Change({"title": "Write a guide"}, reason="shorter")
    once = changed(PENDING, change, NOW)
    assert once == replace(PENDING, title="Write a guide", updated=NOW)
    assert changed(once, change, NOW) is once
    assert judged_good(PENDING, once) is None


def test_a_task_can_only_depend_on_older_ones() -> None:
    assert changed(PENDING, Change({"depends_on": (3,)}), NOW).depends_on == (3,)
    for number in (7, 8):
        with pytest.raises(TaskError, match=f"task 7 cannot depend on task {number}, only on tasks planned before it"):
            changed(PENDING, Change({"depends_on": (number,)}), NOW)
