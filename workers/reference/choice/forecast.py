"""What executing one task by each profile would come to, and what the caller allows it to.

Pure.  Above it stand `front` and `engine`, below it `profiles` and `tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workers.reference.choice.profiles import Profile
from workers.reference.choice.resources import Resources
from workers.reference.tasks import Task

PRIOR_REVIEWS: Final = 10
"""A profile's declared quality counts like so many reviews; what is seen outweighs it once there are more."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a profile has done: reviews that its work passed, and all reviews it had."""

    passed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a task would come to if this profile executed it.

    Attributes:
        profile: the profile's name.
        cost: money.
        minutes: time until it is done.
        quality: percent; how likely the work passes its review.
        share: the larger of its shares of the cores and of the memory that are left; above 1 it does not fit.
    """

    profile: str
    cost: float
    minutes: float
    quality: float
    share: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the caller allows, None for no limit.

    Attributes:
        max_cost: money.
        max_minutes: time until it is done.
        min_quality: percent.
    """

    max_cost: float | None = None
    max_minutes: float | None = None
    min_quality: float | None = None


def forecast(
    task: Task, profiles: Mapping[str, Profile], records: Mapping[str, Record], left: Resources | None
) -> list[Forecast]:
    """Return what every profile would come to, by name.

    Args:
        task: what is to be executed.
        profiles: the ways there are, by name.
        records: how the profiles have done so far, by name.
        left: what the machine has left; None when nobody asks, then every profile fits.
    """
    return [_one(task, name, profile, records.get(name, Record()), left) for name, profile in sorted(profiles.items())]


def _one(task: Task, name: str, profile: Profile, record: Record, left: Resources | None) -> Forecast:
    minutes = task.estimated_minutes * profile.pace
    share = 0.0
    if left is not None:
        busy = profile.cores / left.cores
        memory = profile.memory_gib / left.memory_gib if left.memory_gib else float(profile.memory_gib > 0) * 2
        share = max(busy, memory)
        minutes *= max(1.0, busy)  # with fewer cores than it wants it gets its share of them, and takes longer
    return Forecast(
        profile=name,
        cost=task.estimated_minutes * profile.tokens * profile.price / 1000,
        minutes=minutes,
        quality=(PRIOR_REVIEWS * profile.quality + 100 * record.passed) / (PRIOR_REVIEWS + record.total),
        share=share,
    )


def violation(option: Forecast, limits: Limits) -> float:
    """Return by how much an option breaks the limits or the machine, as parts of the bounds; 0 when by nothing."""
    most = [(option.cost, limits.max_cost), (option.minutes, limits.max_minutes), (option.share, 1.0)]
    over = sum(max(0.0, value - bound) / (bound or 1.0) for value, bound in most if bound is not None)
    least = limits.min_quality
    return over if not least else over + max(0.0, least - option.quality) / least
