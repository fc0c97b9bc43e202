"""The envelope of points in time that texts hold: spelling, zone, precision, and how far from the call they were.

Above: `texts`.  Below: `moments`, `numbers`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.moments import Moment
from orchestrator.shadow.numbers import SLACK, TRIMMED, WEEK, Misfit, clock_bounds

WINDOW: Final = 900.0
"""Seconds around control's times in which another one is plausible where call times do not help."""
SPANS: Final = 10.0
"""Spans of control's times, likewise."""


class Times(msgspec.Struct, omit_defaults=True):
    """What is known about a point in time that varies."""

    n: int = 0
    samples: int = 0
    spellings: list[str] = []
    fewest: int = 99
    most: int = 0
    low: float = math.inf
    high: float = -math.inf
    early: float = math.inf
    late: float = -math.inf
    clock: bool = True

    def learn(self, values: list[tuple[Moment, float | None]]) -> None:
        """Take in what one place had over the samples, with the call times."""
        self.samples = max(self.samples, len(values))
        for moment, at in values:
            self.n += 1
            if moment.spelling not in self.spellings:
                self.spellings.append(moment.spelling)
            self.fewest, self.most = min(self.fewest, moment.digits), max(self.most, moment.digits)
            self.low, self.high = min(self.low, moment.seconds), max(self.high, moment.seconds)
            if at is None or abs(moment.seconds - at) > WEEK:
                self.clock = False
                continue
            off = moment.seconds - at
            self.early, self.late = min(self.early, off), max(self.late, off)

    def merge(self, other: Times) -> None:
        """Take in what another envelope knows."""
        self.n += other.n
        self.samples = max(self.samples, other.samples)
        self.spellings = [*self.spellings, *(one for one in other.spellings if one not in self.spellings)]
        self.fewest, self.most = min(self.fewest, other.fewest), max(self.most, other.most)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.early, self.late = min(self.early, other.early), max(self.late, other.late)
        self.clock = self.clock and other.clock

    def bounds(self, at: float | None) -> tuple[float, float]:
        """Return the earliest and the latest plausible time of a call at `at`."""
        if self.clock and at is not None:
            low, high = clock_bounds(self.early, self.late, self.samples)
            return at + low, at + high
        width = max(SPANS * (self.high - self.low), WINDOW)
        return self.low - width, self.high + width

    def misfit(self, moment: Moment, at: float | None) -> Misfit | None:
        """Say what is wrong with a time, None if it is the noise that is known."""
        if moment.spelling not in self.spellings:
            return Kind.FORMAT, f"control's {self.n} times were written otherwise ({', '.join(self.spellings)})"
        if moment.digits > self.most or self.fewest - moment.digits > TRIMMED:
            return Kind.FORMAT, f"control's {self.n} times had {self.fewest} to {self.most} digits after the second"
        low, high = self.bounds(at)
        if low - moment.tick <= moment.seconds <= high:
            return None
        if self.clock and at is not None:
            return Kind.RANGE, (
                f"control's {self.n} times were {self.early:+.3f} to {self.late:+.3f} s from the call, "
                f"this one is {moment.seconds - at:+.3f} s from it"
            )
        return (
            Kind.RANGE,
            f"it is {max(low - moment.seconds, moment.seconds - high):.0f} s beyond what control's make likely",
        )


def ticking(moment: Moment, at: float | None) -> bool:
    """Whether a time that stands still may be a coarse clock: its tick is the one in which the call was."""
    return at is not None and -SLACK <= at - moment.seconds <= moment.tick + SLACK
