"""Which task comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.reference.scheduling import STATUS_WEIGHTS, blocked, ready, upcoming
from workers.reference.tasks import Status, Task

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def a_task(number: int, status: Status = Status.PENDING, priority: int = 50, depends_on: tuple[int, ...] = ()) -> Task:
    taken = status is not Status.PENDING
    return Task(
        id=number,
        title=f"task {number}",
        status=status,
        priority=priority,
        estimated_minutes=60,
        depends_on=depends_on,
        agent="ada" if taken else None,
        attempt=int(taken),
        updated=WHEN,
    )


def numbers(tasks: list[Task]) -> list[int]:
    return [task.id for task in tasks]


TASKS = st.lists(
    st.builds(
        a_task,
        st.integers(1, 30),
        st.sampled_from(Status),
        st.integers(0, 100),
        st.lists(st.integers(1, 30), max_size=3).map(tuple),
    ),
    unique_by=lambda task: task.id,
)


@pytest.mark.parametrize(
    ("status", "weight"), [(Status.NEEDS_REVIEW, 105), (Status.NEEDS_IMPROVEMENT, 95), (Status.PENDING, 60)]
)
def test_the_weights_are_the_status_based_schedulers(status: Status, weight: int) -> None:
    assert STATUS_WEIGHTS[status] == weight


def test_what_is_nearest_to_done_comes_first_whatever_its_priority() -> None:
    tasks = [a_task(1, priority=100), a_task(2, Status.NEEDS_IMPROVEMENT, 0), a_task(3, Status.NEEDS_REVIEW, 0)]
    assert numbers(upcoming(tasks)) == [3, 2, 1]


def test_within_a_status_priority_decides_and_then_age() -> None:
    tasks = [a_task(1, priority=10), a_task(2, priority=90), a_task(4), a_task(3)]
    assert numbers(upcoming(tasks)) == [2, 3, 4, 1]


def test_what_is_taken_or_done_is_never_next() -> None:
    assert upcoming([a_task(1, Status.IN_PROGRESS), a_task(2, Status.DONE)]) == []


def test_a_pending_task_waits_until_what_it_depends_on_is_done() -> None:
    waiting = a_task(2, depends_on=(1,))
    assert numbers(upcoming([a_task(1), waiting])) == [1]
    assert blocked([a_task(1), waiting]) == [waiting]
    assert numbers(upcoming([a_task(1, Status.DONE), waiting])) == [2]
    assert numbers(upcoming([waiting])) == [2], "a dependency that is not listed is done"


def test_reviews_come_next_but_are_not_an_agents_to_take() -> None:
    tasks = [a_task(1, Status.NEEDS_REVIEW), a_task(2), a_task(3, Status.NEEDS_IMPROVEMENT)]
    assert numbers(ready(tasks)) == [3, 2]


@given(tasks=TASKS, seed=st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_tasks_were_listed(tasks: list[Task], seed: Random) -> None:
    shuffled = list(tasks)
    seed.shuffle(shuffled)
    assert upcoming(shuffled) == upcoming(tasks)


@given(tasks=TASKS)
def test_every_task_is_next_or_blocked_or_taken_or_done_and_only_one_of_these(tasks: list[Task]) -> None:
    idle = {task.id for task in tasks if task.status in {Status.IN_PROGRESS, Status.DONE}}
    parts = [set(numbers(upcoming(tasks))), set(numbers(blocked(tasks))), idle]
    assert sorted(number for part in parts for number in part) == sorted(numbers(tasks))
