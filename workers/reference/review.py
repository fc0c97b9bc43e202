"""Whether a task's evidence is good enough, as pure functions that take `now`.

Above it stand the store and the `verify` tool; below it `tasks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from workers.reference.tasks import Evidence, Status, Task, TaskError

Reviewed = Literal[Status.DONE, Status.NEEDS_IMPROVEMENT]
"""Where a review leaves a task."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a task's evidence says.

    Attributes:
        status: done when there is evidence and all of it passed, else needs_improvement.
        passed: how many pieces of evidence passed.
        total: how many pieces of evidence the latest attempt has.
        reasons: what stands against the work, one sentence each; empty when nothing does.
    """

    status: Reviewed
    passed: int
    total: int
    reasons: tuple[str, ...]

    @property
    def quality(self) -> float | None:
        """Percent of the evidence that passed, None when there is none to judge by."""
        return 100 * self.passed / self.total if self.total else None


def judge(evidence: Sequence[Evidence]) -> Verdict:
    """Weigh the evidence of one attempt."""
    failed = [piece for piece in evidence if not piece.passed]
    reasons = [f"{piece.kind} failed: {piece.detail}" for piece in failed]
    if not evidence:
        reasons.append("no evidence was recorded")
    status: Reviewed = Status.NEEDS_IMPROVEMENT if reasons else Status.DONE
    return Verdict(status=status, passed=len(evidence) - len(failed), total=len(evidence), reasons=tuple(reasons))


def settle(task: Task, verdict: Verdict, now: datetime) -> Task:
    """Move a task under review to what its verdict says.

    Returns:
        The moved task; the same task unchanged when it was reviewed before, so that asking twice changes nothing.

    Raises:
        TaskError: the task has not been reported yet.
    """
    if task.status in {Status.DONE, Status.NEEDS_IMPROVEMENT}:
        return task
    if task.status is not Status.NEEDS_REVIEW:
        raise TaskError(f"task {task.id} is {task.status} and cannot be verified; its agent has to report it first")
    return replace(task, status=verdict.status, updated=now)
