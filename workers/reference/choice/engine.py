"""Picks the profile that executes a task: by one objective, or by all of them at once.

Multi-objective (MO_ENGINE 1): of the options within the limits the Pareto front, of the front the option with the
smallest augmented weighted Chebyshev distance from the ideal point (R. E. Steuer and E.-U. Choo, "An interactive
weighted Tchebycheff procedure for multiple objective programming", 1983).  Unlike a weighted sum it also reaches the
unsupported parts of a front, and with equal weights it answers with a knee: no objective is far from its best.  Where
nothing is within the limits, the option that breaks them least is taken (constraint-domination: Deb, Pratap, Agarwal
and Meyarivan, 2002).

Single-objective (0): the cheapest, or the fastest if that is preferred, whose quality passes a basic check.
Pure but for the library that `front` loads.  Above it stand the tools, below it `front` and `forecast`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from workers.reference.choice.forecast import Forecast, Limits, violation
from workers.reference.choice.front import objectives, pareto_front


class Preference(StrEnum):
    """What matters most to the caller."""

    BALANCED = "balanced"
    COST = "cost"
    SPEED = "speed"
    QUALITY = "quality"
    RESOURCES = "resources"


class Engine(StrEnum):
    """How an option is picked; the flag MO_ENGINE says which."""

    SINGLE = "single_objective"
    MULTI = "multi_objective"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was picked and why.

    Attributes:
        engine: how it was picked.
        option: what was picked.
        front: names of the options on the Pareto front, or of all that passed the basic check.
        reason: one sentence.
    """

    engine: Engine
    option: Forecast
    front: tuple[str, ...]
    reason: str


BASIC_QUALITY: Final = 60.0
"""Percent below which the single-objective engine takes nothing unless the caller sets another limit."""

EMPHASIS: Final = 4.0
"""How many times a preferred objective counts what another one does."""

AUGMENTATION: Final = 1e-3
"""Weight of the sum in the augmented distance; small, it only keeps weakly dominated options from winning ties."""

_PLACES: Final = (Preference.COST, Preference.SPEED, Preference.QUALITY, Preference.RESOURCES)


def choose_single(options: Sequence[Forecast], limits: Limits, preference: Preference) -> Choice:
    """Pick the cheapest option, or the fastest if speed is preferred, among those of sufficient quality.

    Args:
        options: what there is, at least one.
        limits: what the caller allows; without a limit for quality `BASIC_QUALITY` holds.
        preference: speed for the fastest; everything else means the cheapest.
    """
    least = BASIC_QUALITY if limits.min_quality is None else limits.min_quality
    asked = Limits(limits.max_cost, limits.max_minutes, least)
    allowed = [option for option in options if violation(option, asked) == 0]
    if not allowed:
        return _least_violation(Engine.SINGLE, options, asked)
    fast = preference is Preference.SPEED
    best = min(allowed, key=lambda it: (it.minutes if fast else it.cost, it.cost, it.minutes, it.profile))
    what = "fastest" if fast else "cheapest"
    reason = f"the {what} of {len(allowed)} with a quality of at least {asked.min_quality:g} %"
    return Choice(Engine.SINGLE, best, _names(allowed), reason)


def choose_multi(options: Sequence[Forecast], limits: Limits, preference: Preference) -> Choice:
    """Pick from the Pareto front of what is within the limits.

    Args:
        options: what there is, at least one.
        limits: what the caller allows.
        preference: which objective counts `EMPHASIS` times; balanced for none.
    """
    allowed = [option for option in options if violation(option, limits) == 0]
    if not allowed:
        return _least_violation(Engine.MULTI, options, limits)
    front = pareto_front(allowed)
    distances = chebyshev([objectives(option) for option in front], weights(preference))
    _, _, best = min(zip(distances, _names(front), front, strict=True), key=lambda it: it[:2])
    left_out = len(options) - len(allowed)
    reason = f"nearest to the best of everything among {len(front)} on the front, {preference}"
    reason += f"; {left_out} left out by the limits or the machine" if left_out else ""
    return Choice(Engine.MULTI, best, _names(front), reason)


def weights(preference: Preference) -> tuple[float, ...]:
    """Return each objective's weight, in the order of `objectives`; together 1."""
    raw = [EMPHASIS if place is preference else 1.0 for place in _PLACES]
    return tuple(value / sum(raw) for value in raw)


def chebyshev(points: Sequence[Sequence[float]], weight: Sequence[float]) -> list[float]:
    """Return each point's augmented weighted Chebyshev distance from the ideal point.

    Every objective is scaled to 0 (the best of the points) to 1 (the worst of them), so that money and minutes compare;
    rounded to 12 places, so that equal points are equal on every machine.
    """
    best = [min(column) for column in zip(*points, strict=True)]
    span = [max(column) - low for column, low in zip(zip(*points, strict=True), best, strict=True)]
    distances = []
    for point in points:
        parts = [
            share * ((value - low) / width if width else 0.0)
            for value, low, width, share in zip(point, best, span, weight, strict=True)
        ]
        distances.append(round(max(parts) + AUGMENTATION * sum(parts), 12))
    return distances


def _least_violation(engine: Engine, options: Sequence[Forecast], limits: Limits) -> Choice:
    best = min(options, key=lambda option: (violation(option, limits), option.cost, option.profile))
    return Choice(engine, best, (), "nothing is within the limits; this one breaks them least")


def _names(options: Sequence[Forecast]) -> tuple[str, ...]:
    return tuple(option.profile for option in options)
