"""Which task comes next, as pure functions.  The same tasks always give the same order.

Above it stand the store, which takes the first ready task inside a transaction, and the tools; below it `tasks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from workers.reference.tasks import Status, Task

STATUS_WEIGHTS: Final[Mapping[Status, int]] = MappingProxyType(
    {
        Status.NEEDS_REVIEW: 105,
        Status.NEEDS_IMPROVEMENT: 95,
        Status.PENDING: 60,
    }
)
"""The status-based scheduler's weights: what is nearest to done comes first.

A status that is missing here is never next: work in progress is taken, and what is done is done.
"""

_ASSIGNABLE: Final = frozenset({Status.NEEDS_IMPROVEMENT, Status.PENDING})


def blocked(tasks: Iterable[Task]) -> list[Task]:
    """Return the pending tasks that wait for another one.

    Args:
        tasks: at least every task that is not done; a dependency that is not among them counts as done.
    """
    known = list(tasks)
    unfinished = {task.id for task in known if task.status is not Status.DONE}
    return [task for task in known if task.status is Status.PENDING and unfinished.intersection(task.depends_on)]


def upcoming(tasks: Iterable[Task]) -> list[Task]:
    """Return what comes next, first one first: by status weight, then priority, then age (the smaller number).

    Args:
        tasks: at least every task that is not done; a dependency that is not among them counts as done.
    """
    known = list(tasks)
    waiting = {task.id for task in blocked(known)}
    able = [task for task in known if task.status in STATUS_WEIGHTS and task.id not in waiting]
    return sorted(able, key=lambda task: (-STATUS_WEIGHTS[task.status], -task.priority, task.id))


def ready(tasks: Iterable[Task]) -> list[Task]:
    """Return what an agent can take now, in the order of `upcoming`; reviews are not an agent's to take."""
    return [task for task in upcoming(tasks) if task.status in _ASSIGNABLE]
