"""The sequential judge of `most` and `least`: bets that the figure lies beyond a bound, whatever the baseline does.

The null is that a call's figure is expected within the bound, whatever came before (Waudby-Smith and Ramdas 2024): of a
mean that the values are, on average; of a percentile that no more calls than its share exceed it.  A mean that must
not rise above a bound needs values from 0 up and no scale (gains beyond 1 are cut, which is on the safe side); any
other mean needs one.  Calls of one key count as one unit, as everywhere.  Above: `limit_judge`.  Below: `betting`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.betting import Purse
from orchestrator.domain.evidence.units import Block
from orchestrator.domain.plans.limits import Limit, Statistic
from orchestrator.guard.scope import Scope
from orchestrator.guard.series import QUANTILES

WIDTH: Final = 2
"""Sums of a block: calls, and what a bet on each would gain."""


class Bounded(msgspec.Struct):
    """The evidence of one limit.

    Attributes:
        bound: what is allowed.
        above: whether values above it are the bad ones.
        share: of a percentile, in (0, 1); 0 of a mean.
        scale: the largest value, None where nobody knows it.
        beyond: bets that the figure lies beyond the bound.
        inside: bets that it does not.
        units: that were bet on.
    """

    bound: float
    above: bool
    share: float
    scale: float | None
    beyond: Purse
    inside: Purse
    units: int = 0

    @classmethod
    def opened(cls, scope: Scope, limit: Limit) -> Bounded | None:
        """Begin an epoch; None where no bet is known to be fair."""
        above = limit.most is not None
        bound = limit.most if limit.most is not None else limit.least
        scale = scope.scale(limit)
        is_mean = limit.statistic is Statistic.MEAN
        fits = bound is not None and (scale is None or 0.0 <= bound <= scale)
        can_rise = above and bound is not None and bound >= 0.0 and scope.kind(limit) is not Kind.SCORE
        if bound is None or (is_mean and not (fits and (scale is not None or can_rise))):
            return None
        return cls(bound, above, QUANTILES.get(limit.statistic, 0.0), scale, Purse(), Purse())

    @property
    def evidence(self) -> float:
        """The e-value against "not beyond the bound"."""
        return self.beyond.value

    @property
    def within(self) -> float:
        """The e-value for "within the bound", 0 where it cannot be had."""
        return self.inside.value if self.share or self.scale is not None else 0.0

    @property
    def leaps(self) -> bool:
        """Whether one call can prove everything: nothing is allowed, and there is something."""
        return self.bound == 0.0 and self.above and not self.share

    def add(self, sums: list[float], at: int, value: float) -> None:
        """Take in a call: add to its block's sums, from a place on."""
        sums[at] += 1.0
        sums[at + 1] += self._gain(value)

    def settle(self, block: Block, at: int) -> None:
        """Bet on a block that is complete."""
        calls, gains = block.sums[at], block.sums[at + 1]
        if calls:
            self._bet(calls, gains)

    def alone(self, value: float) -> None:
        """Take in a call that is a unit of its own: what `add` and `settle` come to."""
        self._bet(1.0, self._gain(value))

    def _bet(self, calls: float, gains: float) -> None:
        self.units += 1
        mean = gains / calls
        if mean < -1.0:  # a value below 0 where none was to be expected
            self.beyond.lose()
            return
        # The rarer a breach is to be, the less is lost without one, and the more calls may be bet on as if one by one.
        room = 1.0 / (1.0 - self.share) if self.share else 1.0
        self.beyond.bet(min(1.0, mean * min(calls, room)))
        if self.leaps and mean > 0.0:
            self.beyond.win()
        if self.within:
            self.inside.bet(max(-1.0, -mean))

    def reopen(self) -> None:
        """Open new purses."""
        self.beyond.reopen()
        self.inside.reopen()

    def _gain(self, value: float) -> float:
        sign = 1.0 if self.above else -1.0
        distance = sign * (value - self.bound)
        if self.share:
            return (distance > 0.0) - (1.0 - self.share)
        if self.scale is not None:
            return distance / max(self.bound, self.scale - self.bound)
        return min(1.0, distance / self.bound) if self.bound else float(distance > 0.0)
