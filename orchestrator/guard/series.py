"""Values of one metric and one side as they come, and the figures that people know: mean and percentiles.

Above: everybody in the guard who compares figures.  Below: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from orchestrator.domain.plans.limits import MOST_CALLS, Statistic, Window

NEWEST: Final = 120
"""Values that percentiles are taken of where no window says how many."""

QUANTILES: Final = {Statistic.P50: 0.50, Statistic.P95: 0.95, Statistic.P99: 0.99}


class Figure(msgspec.Struct, frozen=True):
    """What is known of one side's values.

    Attributes:
        samples: how many there were.
        mean: of all of them.
        deviation: their standard deviation.
        p50: the median of the newest.
        p95: what 95 % of the newest do not exceed.
        p99: what 99 % of the newest do not exceed.
    """

    samples: int
    mean: float
    deviation: float
    p50: float
    p95: float
    p99: float

    def of(self, statistic: Statistic) -> float:
        """Return one of them."""
        return float(getattr(self, statistic.value))


class Series(msgspec.Struct):
    """One side's values: how many, their sum, and the newest.

    Attributes:
        most: how many are kept.
        seconds: how old they may be; None: as old as they are.
        count: how many there were.
        total: their sum.
        squares: the sum of their squares.
        zeros: how many of them were 0.
        at: where the next one is kept.
        values: the newest, in no order.
        times: when these were measured; empty where nobody asks.
    """

    most: int = NEWEST
    seconds: float | None = None
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    zeros: int = 0
    at: int = 0
    values: list[float] = []
    times: list[float] = []

    def add(self, value: float, at: float) -> None:
        """Take a value in, measured at a time in seconds."""
        self.count += 1
        self.total += value
        self.squares += value * value
        if value == 0.0:
            self.zeros += 1
        if len(self.values) < self.most:
            self.values.append(value)
            if self.seconds is not None:
                self.times.append(at)
            return
        self.values[self.at] = value
        if self.seconds is not None:
            self.times[self.at] = at
        self.at = (self.at + 1) % self.most

    def newest(self, now: float) -> list[float]:
        """Return the kept values that are not too old."""
        if self.seconds is None:
            return self.values
        return [value for value, at in zip(self.values, self.times, strict=True) if now - at <= self.seconds]

    def figure(self) -> Figure | None:
        """Return what is known of all values, None without any."""
        if not self.count:
            return None
        ordered = sorted(self.values)
        p50, p95, p99 = (quantile(ordered, share) for share in QUANTILES.values())
        mean = self.total / self.count
        deviation = math.sqrt(max(0.0, self.squares / self.count - mean * mean))
        return Figure(self.count, mean, deviation, p50, p95, p99)


class Sides(msgspec.Struct):
    """The values of both sides of a metric.

    Attributes:
        trial: what is on trial, as served.
        baseline: the other side, as served.
        new: what is on trial, in calls that both answered.
        old: the other side in these calls.
    """

    trial: Series
    baseline: Series
    new: Series
    old: Series

    @classmethod
    def opened(cls, window: Window | None = None) -> Sides:
        """Begin an epoch.

        Args:
            window: which values count; by itself all, and the `NEWEST` for percentiles.
        """
        most = NEWEST if window is None else window.calls or MOST_CALLS
        seconds = window.seconds if window is not None else None
        return cls(*(Series(most, seconds) for _ in range(4)))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share of some values does not exceed (nearest rank).

    Args:
        ordered: the values, ascending; at least one.
        share: in (0, 1).
    """
    return ordered[math.ceil(share * len(ordered)) - 1]
