"""The evidence that what is on trial is worse by less than a margin: what lets a step end early.

The null is "worse by the margin or more".  Where a metric has a scale (a rate, a score), that is meant on average, and
the estimate of the difference weighs each unit by how probable its arm was (Horvitz and Thompson 1952), so it rests on
the draw alone.  Where it has none (milliseconds, tokens), the margin is taken off the values of the trial: if each call
had been worse by just the margin, they would now be as if from the baseline, so evidence that they are better refutes
it (Rosenbaum 2002, inverting the test of a constant effect); it speaks of the typical call, not of the slowest.

Above: the guard.  Below: `evidence`, `betting`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from orchestrator.domain.evidence.betting import Purse
from orchestrator.domain.evidence.evidence import UP, staked

LEAST_FACTOR: Final = 1e-9
"""Keeps divisors above 0."""


class Tolerance(msgspec.Struct, frozen=True):
    """What is tolerated: a change, or a share of the baseline.

    Attributes:
        sign: `UP` where more is worse, `DOWN` where less is.
        margin: in the metric's unit; 0 where `relative` says it.
        relative: as a share.
        floor: in the metric's unit; a change up to this is tolerated besides.
    """

    sign: int
    margin: float = 0.0
    relative: float = 0.0
    floor: float = 0.0

    def taken_off(self, value: float) -> float:
        """Return what a trial's value would be had it not been worse by all that is tolerated."""
        factor = 1.0 + self.sign * self.relative
        factor = max(factor, LEAST_FACTOR)
        lifted = value / factor - self.sign * self.margin
        if not self.floor:
            return lifted
        least = value - self.sign * self.floor
        return min(lifted, least) if self.sign == UP else max(lifted, least)

    def exceeded(self, trial: float, baseline: float) -> bool:
        """Tell whether a difference is more than is tolerated."""
        return self.sign * (trial - baseline) > max(self.margin + self.relative * abs(baseline), self.floor)


class MeanWithin(msgspec.Struct):
    """Evidence for "worse by less than this on average" of a metric with a scale.

    The tolerance's floor is left out: with it more would be tolerated, so without it evidence only comes later.

    Attributes:
        tolerance: what is tolerated.
        scale: the largest value the metric can take; the least is 0.
        purse: the money.
    """

    tolerance: Tolerance
    scale: float
    purse: Purse

    def __post_init__(self) -> None:
        if not 0.0 < max(self.tolerance.margin, self.tolerance.relative * self.scale) < self.scale:
            raise ValueError(f"{self.tolerance} does not lie between 0 and the scale {self.scale!r}")

    def observe(self, value: float, expected: float, share: float, *, trial: bool) -> None:
        """Take in a unit.

        Args:
            value: what was measured.
            expected: what it was expected to be before it was seen; the nearer the faster.
            share: probability with which it was to be the trial's, in (0, 1).
            trial: whether it was.

        Raises:
            ValueError: its share leaves nothing to draw.
        """
        if not 0.0 < share < 1.0:
            raise ValueError(f"a share of {share!r} leaves nothing to draw; evidence needs both arms served")
        sign, margin, factor = self._terms(expected)
        level = expected / self.scale
        level = 0.0 if level < 0.0 else min(level, 1.0)
        surprise = sign * (value / self.scale - level)
        most, least = (1.0 - level, -level) if sign == UP else (level, level - 1.0)  # what a surprise can be
        worst, lowest = most / share, -factor * least / (1.0 - share)
        estimate = surprise / share if trial else -factor * surprise / (1.0 - share)
        self._bet(margin - estimate, max(worst, lowest) - margin, margin)

    def observe_pair(self, trial: float, baseline: float) -> None:
        """Take in a call that both answered."""
        sign, margin, _ = self._terms(baseline)
        self._bet(margin - sign * (trial - baseline) / self.scale, 1.0 - margin, margin)

    def _terms(self, baseline: float) -> tuple[int, float, float]:
        tolerance = self.tolerance
        margin = tolerance.margin / self.scale
        if tolerance.relative:
            margin += tolerance.relative * min(1.0, max(0.0, baseline / self.scale))
        return tolerance.sign, margin, 1.0 + tolerance.sign * tolerance.relative

    def _bet(self, gain: float, loss: float, margin: float) -> None:
        """Bet so that only a loss cannot exceed the wealth; a gain beyond 1 is cut, which is on the safe side."""
        ratio = gain / max(loss, margin, LEAST_FACTOR)
        self.purse.bet(1.0 if ratio > 1.0 else max(ratio, -1.0))


class TypicalWithin(msgspec.Struct):
    """Evidence for "the typical call is worse by less than this" of a metric without a scale.

    Attributes:
        tolerance: what is tolerated.
        purse: the money.
    """

    tolerance: Tolerance
    purse: Purse

    def observe(self, stands: float, share: float, *, trial: bool) -> None:
        """Take in a unit by where it stands, in [-1, 1], with the tolerance taken off if it was the trial's.

        Raises:
            ValueError: its share leaves nothing to draw.
        """
        self.bet(staked(stands, share, trial=trial))

    def bet(self, won: float) -> None:
        """Take in a unit by what a bet on it gains (`staked`)."""
        self.purse.bet(-won if self.tolerance.sign == UP else won)
