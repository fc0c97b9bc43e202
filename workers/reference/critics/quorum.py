"""Weighs what the critics say, each by its reputation.

Work is accepted when enough reputation has spoken, the weighted forecasts speak for it, and no critic in good standing
expects it to be bad: a failing test is not outvoted by well-written evidence, unless its failures were often wrong.
Pure.  Above it stands `review`, below it `reputation` and `opinion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workers.reference.critics.opinion import Critic, Opinion
from workers.reference.critics.reputation import Standing

ENOUGH: Final = 0.25
"""Reputation that has to speak: one new critic (0.6) is enough, one that is hardly better than a coin is not."""

MAJORITY: Final = 2 / 3
"""Weighted mean of the forecasts from which on work is accepted."""

EVEN: Final = 0.5
"""Forecast below which a critic expects bad work."""

VETO: Final = 0.3
"""Reputation from which on a critic that expects bad work stops it alone; two mistakes take it from a new critic."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One opinion with its weight.

    Attributes:
        opinion: what was said.
        forecast: how likely that makes good work; None when the critic abstains.
        reputation: how much the critic is believed, 0 to 1.
    """

    opinion: Opinion
    forecast: float | None
    reputation: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the critics say together.

    Attributes:
        accepted: whether the work is good.
        support: weighted mean of the forecasts, 0 to 1.
        quality: percent, the weighted mean of the scores; None when nobody scored.
        reasons: what stands against the work.
        weighed: every opinion, in the order of `Critic`.
    """

    accepted: bool
    support: float
    quality: float | None
    reasons: tuple[str, ...]
    weighed: tuple[Weighed, ...]


def rule(opinions: Sequence[Opinion], standings: Mapping[Critic, Standing]) -> Ruling:
    """Weigh the opinions.

    Args:
        opinions: at most one of each critic.
        standings: what is known of the critics; one that is missing is new.
    """
    order = list(Critic)
    weighed = tuple(
        _weighed(opinion, standings.get(opinion.critic, Standing()))
        for opinion in sorted(opinions, key=lambda opinion: order.index(opinion.critic))
    )
    spoken = sum(it.reputation for it in weighed if it.forecast is not None)
    support = _mean([(it.forecast, it.reputation) for it in weighed])
    scores = [(it.opinion.score, it.reputation) for it in weighed]
    scored = any(score is not None for score, _ in scores)
    stopped = any(it.forecast is not None and it.forecast < EVEN and it.reputation >= VETO for it in weighed)
    accepted = spoken >= ENOUGH and support >= MAJORITY and not stopped
    return Ruling(
        accepted=accepted,
        support=round(support, 6),
        quality=round(100 * _mean(scores), 6) if scored else None,
        reasons=_reasons(weighed, spoken, support, accepted=accepted),
        weighed=weighed,
    )


def _weighed(opinion: Opinion, standing: Standing) -> Weighed:
    forecast = None if opinion.passed is None else standing.forecast(passed=opinion.passed)
    return Weighed(opinion, forecast, standing.reputation)


def _mean(values: Sequence[tuple[float | None, float]]) -> float:
    """Return the weighted mean of what is known; the plain one when nobody has any weight, 0 when nothing is known."""
    known = [(value, weight) for value, weight in values if value is not None]
    total = sum(weight for _, weight in known)
    if total == 0:
        return sum(value for value, _ in known) / len(known) if known else 0.0
    return sum(value * weight for value, weight in known) / total


def _reasons(weighed: Sequence[Weighed], spoken: float, support: float, *, accepted: bool) -> tuple[str, ...]:
    against = [reason for it in weighed if it.opinion.passed is False for reason in it.opinion.reasons]
    if accepted or against:
        return tuple(against)
    if spoken < ENOUGH:
        return ("the critics who spoke are hardly better than a coin; have somebody look, and say so with plan_update",)
    return (f"the critics' support is {support:.2f}, it takes {MAJORITY:.2f}",)
