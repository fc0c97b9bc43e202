"""A task and what may happen to it, as pure functions that take `now`.

Above it stand `changes` and the store, which calls these inside its transactions, and the tools; below it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class TaskError(Exception):
    """A task cannot be what the caller asked for; the message says why and what to do."""


class Status(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    NEEDS_REVIEW = "needs_review"
    NEEDS_IMPROVEMENT = "needs_improvement"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Draft:
    """A task before it has a number.

    Attributes:
        title: what is to be done, one line.
        priority: 0 (some day) to 100 (now).
        estimated_minutes: expected work, minutes.
        depends_on: numbers of the tasks that must be done before.
        details: what an agent should know, any length; empty when the title says it all.
        business_value: worth to users and the business, 0 to 20; None: what the priority says.
        time_criticality: how fast that worth decays, 0 to 20; None: 1.
        risk_reduction: risk reduced or opportunity enabled, 0 to 20; None: 1.
        job_size: how long it blocks the way, 1 to 100; None: the estimated hours.
        files: the files it is about, most important first.
        required_evidence: kinds of evidence that its report must have.
    """

    title: str
    priority: int
    estimated_minutes: int
    depends_on: tuple[int, ...] = ()
    details: str = ""
    business_value: int | None = None
    time_criticality: int | None = None
    risk_reduction: int | None = None
    job_size: int | None = None
    files: tuple[str, ...] = ()
    required_evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: its number, never reused.
        title: what is to be done, one line.
        status: where it stands.
        priority: 0 (some day) to 100 (now).
        estimated_minutes: expected work, minutes.
        depends_on: numbers of the tasks that must be done before, ascending.
        agent: who has it or had it last, None while nobody took it.
        attempt: how often it was assigned; evidence belongs to one attempt.
        updated: when it last changed, with time zone.
        details: what an agent should know, any length; empty when the title says it all.
        business_value: worth to users and the business, 0 to 20; None: what the priority says.
        time_criticality: how fast that worth decays, 0 to 20; None: 1.
        risk_reduction: risk reduced or opportunity enabled, 0 to 20; None: 1.
        job_size: how long it blocks the way, 1 to 100; None: the estimated hours.
        files: the files it is about, most important first.
        required_evidence: kinds of evidence that its report must have.
    """

    id: int
    title: str
    status: Status
    priority: int
    estimated_minutes: int
    depends_on: tuple[int, ...]
    agent: str | None
    attempt: int
    updated: datetime
    details: str = ""
    business_value: int | None = None
    time_criticality: int | None = None
    risk_reduction: int | None = None
    job_size: int | None = None
    files: tuple[str, ...] = ()
    required_evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing an agent shows for its work.

    Attributes:
        kind: what sort of proof it is, for instance "test" or "review".
        passed: whether it speaks for the work.
        detail: what was seen.
    """

    kind: str
    passed: bool
    detail: str


def assign(task: Task, agent: str, now: datetime) -> Task:
    """Give a task to an agent: a new attempt begins, and earlier evidence no longer counts.

    Raises:
        TaskError: somebody has it, or it is under review or done.
    """
    if task.status not in {Status.PENDING, Status.NEEDS_IMPROVEMENT}:
        raise TaskError(f"task {task.id} is {task.status} and cannot be assigned; call plan_next for what can be")
    return replace(task, status=Status.IN_PROGRESS, agent=agent, attempt=task.attempt + 1, updated=now)


def submit(task: Task, agent: str, now: datetime) -> Task:
    """Put an agent's finished work under review.

    Raises:
        TaskError: the task is not being worked on, or another agent has it.
    """
    if task.status is not Status.IN_PROGRESS:
        raise TaskError(f"task {task.id} is {task.status}, nobody is working on it; take a task with dispatch first")
    if task.agent != agent:
        raise TaskError(f"task {task.id} is assigned to {task.agent}, not to {agent}; only {task.agent} can report it")
    return replace(task, status=Status.NEEDS_REVIEW, updated=now)
