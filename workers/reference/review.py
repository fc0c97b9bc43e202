"""The review of one attempt: every critic's opinion, their ruling, and where it leaves the task.

Pure functions that take `now`.  Above it stand the store and the `verify` tool; below it `critics` and `tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from workers.reference.critics import evidence as critic
from workers.reference.critics.opinion import Critic, Opinion
from workers.reference.critics.quorum import Weighed, rule
from workers.reference.critics.reputation import Standing
from workers.reference.tasks import Evidence, Status, Task, TaskError

Reviewed = Literal[Status.DONE, Status.NEEDS_IMPROVEMENT]
"""Where a review leaves a task."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a review is made from.

    Attributes:
        required: kinds of evidence that the task requires.
        evidence: the evidence of the attempt.
        before: the evidence of the attempt before it.
        standings: what is known of the critics.
    """

    required: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    before: tuple[Evidence, ...] = ()
    standings: Mapping[Critic, Standing] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a review says.

    Attributes:
        status: where it leaves the task.
        support: the critics' weighted forecasts that the work is good, 0 to 1.
        quality: percent that is good, as the critics scored it; None when nobody could.
        passed: how many pieces of evidence passed.
        total: how many pieces of evidence the attempt has.
        reasons: what stands against the work, one sentence each; empty when nothing does.
        weighed: what each critic said and how much it counted.
    """

    status: Reviewed
    support: float
    quality: float | None
    passed: int
    total: int
    reasons: tuple[str, ...]
    weighed: tuple[Weighed, ...] = ()


def judge(case: Case, seen: Sequence[Opinion] = ()) -> Verdict:
    """Have every critic judge an attempt.

    Args:
        case: what is known from the store.
        seen: opinions of the critics that looked at the work itself; they replace those made from evidence alone.
    """
    own = [
        critic.evidence(case.evidence),
        critic.completeness(case.evidence, case.required),
        critic.regression(case.evidence, case.before),
    ]
    spoken = {opinion.critic: opinion for opinion in (*own, *seen)}
    ruling = rule(list(spoken.values()), case.standings or {})
    return Verdict(
        status=Status.DONE if ruling.accepted else Status.NEEDS_IMPROVEMENT,
        support=ruling.support,
        quality=ruling.quality,
        passed=sum(piece.passed for piece in case.evidence),
        total=len(case.evidence),
        reasons=ruling.reasons,
        weighed=ruling.weighed,
    )


def settle(task: Task, verdict: Verdict, now: datetime) -> Task:
    """Move a task under review to what its verdict says.

    Returns:
        The moved task; the same task unchanged when it was reviewed before, so that asking twice changes nothing.

    Raises:
        TaskError: the task has not been reported yet.
    """
    if reviewed(task):
        return task
    return replace(task, status=verdict.status, updated=now)


def reviewed(task: Task) -> bool:
    """Return whether a task was reviewed already, False when it is to be.

    Raises:
        TaskError: the task has not been reported yet.
    """
    if task.status in {Status.DONE, Status.NEEDS_IMPROVEMENT}:
        return True
    if task.status is Status.NEEDS_REVIEW:
        return False
    raise TaskError(f"task {task.id} is {task.status} and cannot be verified; its agent has to report it first")
