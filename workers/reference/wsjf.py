"""Weighted shortest job first: what delay costs, over how long the job blocks the way.

The order by ``cost of delay / job size``, highest first, makes the delay of all jobs together cost the least on one
machine (W. E. Smith, "Various optimizers for single-stage production", 1956); for product development see D. G.
Reinertsen, "The Principles of Product Development Flow" (2009), principle F17.  The cost of delay is the sum of three
relative numbers, as in the Scaled Agile Framework's article on WSJF: user-business value, time criticality, and risk
reduction or opportunity enablement.  Above it stands `scheduling`, below it `tasks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from workers.reference.tasks import Task

LEAST: Final = 1
"""What a task counts for in time criticality and risk reduction unless it says otherwise: SAFe's smallest number."""

PRIORITY_PER_POINT: Final = 5
"""A task without a business value of its own takes priority / 5, which maps 0..100 to the scale's 0..20."""

MINUTES_PER_POINT: Final = 60
"""A task without a job size of its own takes its estimated hours: size stands for duration."""


@dataclass(frozen=True, slots=True)
class Economics:
    """What the order of one task is decided by, exact so that equal is equal.

    Attributes:
        business_value: worth to users and the business, 0 to 20.
        time_criticality: how fast that worth decays, 0 to 20.
        risk_reduction: risk reduced or opportunity enabled, 0 to 20.
        job_size: how long the job blocks the way; one point is an hour.
    """

    business_value: Fraction
    time_criticality: Fraction
    risk_reduction: Fraction
    job_size: Fraction

    @property
    def cost_of_delay(self) -> Fraction:
        """Points lost per unit of time while the job is not done."""
        return self.business_value + self.time_criticality + self.risk_reduction

    @property
    def score(self) -> Fraction:
        """Cost of delay over job size; the highest comes first."""
        return self.cost_of_delay / self.job_size


def economics(task: Task) -> Economics:
    """Return a task's numbers: its own where it has them, else what priority and estimate say."""
    return Economics(
        business_value=_own(task.business_value, Fraction(task.priority, PRIORITY_PER_POINT)),
        time_criticality=_own(task.time_criticality, Fraction(LEAST)),
        risk_reduction=_own(task.risk_reduction, Fraction(LEAST)),
        job_size=_own(task.job_size, Fraction(task.estimated_minutes, MINUTES_PER_POINT)),
    )


def _own(given: int | None, otherwise: Fraction) -> Fraction:
    return otherwise if given is None else Fraction(given)
