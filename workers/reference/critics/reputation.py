"""How much a critic is believed, learned from how its earlier opinions turned out.

An opinion is turned into a forecast: how likely the work is good, given that this critic says what it says.  That is
the mean of a Beta distribution over the opinions that were settled before.  Once it is known whether the work was good,
the forecast is scored by its squared error (G. W. Brier, "Verification of forecasts expressed in terms of
probability", 1950).  The rule is strictly proper: no critic gains by another forecast than the one that fits
(T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation", 2007).  Reputation is the
skill over a coin, which forecasts 1/2 and scores 1/4.  Pure.  Above it stand `quorum` and the status tools, below it
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BELIEF: Final = 8
DOUBT: Final = 2
"""A new critic's opinion counts as if it had held eight times and failed twice: Beta(8, 2), a forecast of 0.8."""

COIN: Final = 0.25
"""Brier score of somebody who always forecasts 1/2."""

PRIOR_SCORE: Final = 0.1
"""Brier score that a new critic is credited with; with `COIN` that makes a reputation of 0.6."""

PRIOR_COUNT: Final = 10
"""For how many forecasts that credit counts: one mistake is no ruin, three in a row are."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An earlier opinion of which it is known how it turned out.

    Attributes:
        passed: what the critic said.
        forecast: how likely that made good work, when it was said.
        good: whether the work was good.
    """

    passed: bool
    forecast: float
    good: bool

    @property
    def held(self) -> bool:
        """Whether the critic was right."""
        return self.passed is self.good


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one critic.

    Attributes:
        past: its settled opinions.
    """

    past: tuple[Settled, ...] = ()

    def forecast(self, *, passed: bool) -> float:
        """Return how likely the work is good when this critic says so: 0 to 1."""
        alike = [it for it in self.past if it.passed is passed]
        good, bad = (BELIEF, DOUBT) if passed else (DOUBT, BELIEF)
        return (good + sum(it.good for it in alike)) / (good + bad + len(alike))

    @property
    def brier(self) -> float | None:
        """Return the mean squared error of its forecasts, None before the first was settled."""
        return _squares(self.past) / len(self.past) if self.past else None

    @property
    def reputation(self) -> float:
        """Return the skill over a coin, 0 to 1, drawn towards a new critic's while few opinions are settled."""
        score = (PRIOR_COUNT * PRIOR_SCORE + _squares(self.past)) / (PRIOR_COUNT + len(self.past))
        return max(0.0, 1 - score / COIN)

    @property
    def held(self) -> int:
        """Return how many of its opinions held."""
        return sum(it.held for it in self.past)


def _squares(past: Sequence[Settled]) -> float:
    return sum((it.forecast - it.good) ** 2 for it in past)
