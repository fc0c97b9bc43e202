"""Which task comes next, as pure functions.  The same tasks always give the same order.

Two schedulers: legacy goes by status alone and is fast and predictable, wsjf weighs what delay costs against how long
the job takes.  Above it stand the store, which takes the first ready task inside a transaction, and the tools; below
it `wsjf` and `tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from workers.reference.tasks import Status, Task
from workers.reference.wsjf import economics


class Scheduler(StrEnum):
    """How the order is found; the flag SCHEDULER_MODE says which."""

    LEGACY = "legacy"
    WSJF = "wsjf"


STATUS_WEIGHTS: Final[Mapping[Status, int]] = MappingProxyType(
    {
        Status.NEEDS_REVIEW: 105,
        Status.NEEDS_IMPROVEMENT: 95,
        Status.PENDING: 60,
        Status.IN_PROGRESS: 40,
        Status.DONE: 0,
    }
)
"""The status-based scheduler's weights: what is nearest to done comes first.

What is being worked on follows what can be taken: nobody can take it now, but it is still to be finished.
"""

BLOCKED_WEIGHT: Final = 20
"""Weight of a pending task that waits for another one: below everything on which somebody can act."""

_NEXT: Final = frozenset({Status.NEEDS_REVIEW, Status.NEEDS_IMPROVEMENT, Status.PENDING})
_ASSIGNABLE: Final = frozenset({Status.NEEDS_IMPROVEMENT, Status.PENDING})

Order = Callable[[Task], tuple[Any, ...]]
"""Gives a task's place: the smallest comes first."""


def blocked(tasks: Iterable[Task]) -> list[Task]:
    """Return the pending tasks that wait for another one.

    Args:
        tasks: at least every task that is not done; a dependency that is not among them counts as done.
    """
    known = list(tasks)
    unfinished = {task.id for task in known if task.status is not Status.DONE}
    return [task for task in known if task.status is Status.PENDING and unfinished.intersection(task.depends_on)]


def upcoming(tasks: Iterable[Task], scheduler: Scheduler = Scheduler.LEGACY) -> list[Task]:
    """Return what comes next, first one first.

    legacy orders by status weight, then priority; wsjf by cost of delay over job size, then cost of delay, then status
    weight, then priority.  What is still equal goes by age, the smaller number first.

    Args:
        tasks: at least every task that is not done; a dependency that is not among them counts as done.
        scheduler: how the order is found.
    """
    known = list(tasks)
    waiting = {task.id for task in blocked(known)}
    return sorted((task for task in known if task.status in _NEXT and task.id not in waiting), key=_ORDERS[scheduler])


def ready(tasks: Iterable[Task], scheduler: Scheduler = Scheduler.LEGACY) -> list[Task]:
    """Return what an agent can take now, in the order of `upcoming`; reviews are not an agent's to take."""
    return [task for task in upcoming(tasks, scheduler) if task.status in _ASSIGNABLE]


def open_tasks(tasks: Iterable[Task], scheduler: Scheduler = Scheduler.LEGACY) -> list[Task]:
    """Return everything that is not done: what comes next, then what is taken, then what waits for another task."""
    known = list(tasks)
    waiting = {task.id for task in blocked(known)}
    rest = [task for task in known if task.status is Status.IN_PROGRESS or task.id in waiting]
    order = _ORDERS[scheduler]
    return upcoming(known, scheduler) + sorted(rest, key=lambda task: (-weight(task, waiting), *order(task)))


def weight(task: Task, waiting: Collection[int] = ()) -> int:
    """Return a task's status weight; `waiting` holds the numbers of those that wait for another task."""
    return BLOCKED_WEIGHT if task.id in waiting else STATUS_WEIGHTS[task.status]


def _by_status(task: Task) -> tuple[int, int, int]:
    return (-STATUS_WEIGHTS[task.status], -task.priority, task.id)


def _by_economics(task: Task) -> tuple[Any, ...]:
    worth = economics(task)
    return (-worth.score, -worth.cost_of_delay, *_by_status(task))


_ORDERS: Final[Mapping[Scheduler, Order]] = MappingProxyType(
    {Scheduler.LEGACY: _by_status, Scheduler.WSJF: _by_economics}
)
