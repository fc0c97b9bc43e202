"""Weighted shortest job first."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_parts import a_task

from workers.reference.scheduling import Scheduler, open_tasks, ready, upcoming
from workers.reference.tasks import Status, Task
from workers.reference.wsjf import economics

POINTS = st.integers(0, 20)
TASKS = st.lists(
    st.builds(
        a_task,
        st.integers(1, 99),
        business_value=POINTS,
        time_criticality=POINTS,
        risk_reduction=POINTS,
        job_size=st.integers(1, 30),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda task: task.id,
)


def cost_of_waiting(order: list[Task]) -> Fraction:
    """Return what an order costs: each job's cost of delay for as long as it is not done."""
    now, total = Fraction(0), Fraction(0)
    for task in order:
        now += economics(task).job_size
        total += now * economics(task).cost_of_delay
    return total


def numbers(tasks: list[Task]) -> list[int]:
    return [task.id for task in tasks]


@pytest.mark.requirement("REF-3")
def test_the_published_example_costs_what_its_book_says() -> None:
    """Reinertsen (2009), on principle F17: jobs of 10, 3 and 1 with a cost of delay of 1, 3 and 10."""
    jobs = [(1, 10, 1), (2, 3, 3), (3, 1, 10)]
    tasks = [
        a_task(number, business_value=cost, time_criticality=0, risk_reduction=0, job_size=size)
        for number, size, cost in jobs
    ]
    first_come = cost_of_waiting(tasks)
    best = cost_of_waiting(upcoming(tasks, Scheduler.WSJF))
    own = sum(size * cost for _, size, cost in jobs)
    assert numbers(upcoming(tasks, Scheduler.WSJF)) == [3, 2, 1]
    assert (first_come - own, best - own) == (160, 7), "what waiting costs beyond the jobs' own time"
    assert round(100 * (1 - 7 / 160)) == 96, "per cent less, as the book has it"


@pytest.mark.requirement("REF-3")
def test_the_score_is_the_sum_of_three_over_the_job_size() -> None:
    task = a_task(business_value=13, time_criticality=8, risk_reduction=5, job_size=5)
    assert (economics(task).cost_of_delay, economics(task).score) == (26, Fraction(26, 5))


def test_what_a_task_does_not_say_comes_from_its_priority_and_estimate() -> None:
    worth = economics(a_task(priority=90, estimated_minutes=30))
    assert (worth.business_value, worth.time_criticality, worth.risk_reduction) == (18, 1, 1)
    assert (worth.job_size, worth.score) == (Fraction(1, 2), 40)


@pytest.mark.requirement("REF-3")
@settings(max_examples=25, deadline=None)
@given(tasks=TASKS)
def test_no_other_order_makes_waiting_cost_less(tasks: list[Task]) -> None:
    best = min(cost_of_waiting(list(order)) for order in permutations(tasks))
    assert cost_of_waiting(upcoming(tasks, Scheduler.WSJF)) == best


@pytest.mark.requirement("REF-3")
@given(tasks=TASKS, seed=st.randoms(use_true_random=False))
def test_equal_scores_have_one_order_however_they_were_listed(tasks: list[Task], seed: Random) -> None:
    shuffled = list(tasks)
    seed.shuffle(shuffled)
    assert numbers(upcoming(shuffled, Scheduler.WSJF)) == numbers(upcoming(tasks, Scheduler.WSJF))


def test_ties_go_by_cost_of_delay_then_status_then_priority_then_age() -> None:
    alike = {"time_criticality": 0, "risk_reduction": 0}
    large = a_task(9, business_value=10, job_size=10, **alike)
    rework = a_task(8, Status.NEEDS_IMPROVEMENT, business_value=5, job_size=5, **alike)
    urgent = a_task(7, business_value=5, job_size=5, priority=60, **alike)
    young = a_task(6, business_value=5, job_size=5, **alike)
    old = a_task(5, business_value=5, job_size=5, **alike)
    assert numbers(upcoming([old, young, urgent, rework, large], Scheduler.WSJF)) == [9, 8, 7, 5, 6]


@pytest.mark.requirement("REF-3")
def test_the_two_schedulers_differ_where_a_long_review_meets_a_short_urgent_job() -> None:
    review = a_task(1, Status.NEEDS_REVIEW, priority=10, estimated_minutes=600)
    urgent = a_task(2, priority=100, estimated_minutes=10)
    assert numbers(upcoming([review, urgent], Scheduler.LEGACY)) == [1, 2]
    assert numbers(upcoming([review, urgent], Scheduler.WSJF)) == [2, 1]


def test_what_waits_for_another_task_is_not_ready_whatever_it_is_worth() -> None:
    first = a_task(1, priority=0, estimated_minutes=600)
    waiting = a_task(2, business_value=20, job_size=1, depends_on=(1,))
    assert numbers(ready([first, waiting], Scheduler.WSJF)) == [1]


def test_everything_that_is_open_shows_what_is_taken_and_what_waits_last() -> None:
    tasks = [a_task(1, Status.IN_PROGRESS), a_task(2), a_task(3, depends_on=(2,)), a_task(4, Status.DONE)]
    for scheduler in Scheduler:
        assert numbers(open_tasks(tasks, scheduler)) == [2, 1, 3]
