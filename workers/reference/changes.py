"""What somebody may change about a task by hand, and what that says about an earlier review.

Pure functions that take `now`.  Above it stand the store and the `plan_update` tool; below it `tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from workers.reference.tasks import Status, Task, TaskError

Target = Literal["pending", "needs_improvement", "done"]
"""Where somebody may move a task by hand."""

_FROM: Final[Mapping[Target, frozenset[Status]]] = {
    "pending": frozenset({Status.IN_PROGRESS}),
    "needs_improvement": frozenset({Status.NEEDS_REVIEW, Status.DONE}),
    "done": frozenset({Status.NEEDS_REVIEW, Status.NEEDS_IMPROVEMENT}),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different.

    Attributes:
        values: new values by the name of a task's field; what is not named stays.
        status: where to move the task, None to leave it.
        reason: why, one line for the task's history.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    status: Target | None = None
    reason: str | None = None


def changed(task: Task, change: Change, now: datetime) -> Task:
    """Apply a change.

    Returns:
        The changed task; the same task when it is already as asked, so that asking twice changes nothing.

    Raises:
        TaskError: the task cannot be moved there, or would depend on itself or a younger task.
    """
    needs = change.values.get("depends_on", ())
    if young := [number for number in needs if number >= task.id]:
        raise TaskError(
            f"task {task.id} cannot depend on task {young[0]}, only on tasks planned before it: so no circle can arise"
        )
    wanted = replace(task, **change.values, status=_moved(task, change.status))
    return task if wanted == task else replace(wanted, updated=now)


def _moved(task: Task, target: Target | None) -> Status:
    if target is None or task.status == target:
        return task.status
    if task.status not in _FROM[target]:
        able = " or ".join(sorted(_FROM[target]))
        raise TaskError(f"task {task.id} is {task.status} and cannot be moved to {target}; it has to be {able}")
    return Status(target)


def judged_good(before: Task, after: Task) -> bool | None:
    """Return what moving a task by hand says of the attempt it had: good, bad, or nothing (None).

    A done task that is reopened was bad after all; a task that somebody takes as it is, against its review, was good.
    """
    if before.status is after.status or before.attempt == 0:
        return None
    if after.status is Status.DONE:
        return True
    return False if after.status is Status.NEEDS_IMPROVEMENT else None
