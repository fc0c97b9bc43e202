"""The envelope of a number that varies: which numbers are still the same noise.

Kept are ranges, not values: of all values, of one place over the samples, and, if the values follow the call time, of
their distance from it.  Integers and floats stay apart; so do signs, magnitudes and numbers of decimals that never
occurred.

Above: `leaves`, `texts`.  Below: `reach`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.reach import reach

Number = int | float
Misfit = tuple[Kind, str]
"""What is wrong with a value, and by which rule."""

SCALES: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Units in which epochs are counted."""
WEEK: Final = 7 * 86400.0
"""Seconds around the call time in which a number is taken for a clock: of random 31-bit integers .06 % are."""
SLACK: Final = 5.0
"""Seconds that a clock may be off when every sample was within less: calls take time, machines are busy."""
TINY: Final = 1e-3
"""Of the greatest value: below it are less than .1 % of values that begin at 0, and all whose unit was changed."""
FARTHEST: Final = 50.0
"""Times the greatest value, and a part of the least: of a lognormal of sigma 1.5, .005 % lie beyond six values' so."""
SKEWED: Final = 6.0
"""Times the greatest value where the values seen have no tail; a unit changed by 1,000 is far beyond."""
EVEN: Final = 0.42
"""Mean of the values in terms of the sum of the least and greatest; .5 is a uniform distribution's."""
FULL: Final = 10
"""Decimals from which on a float is taken to be unrounded."""
RECENT: Final = 40
"""Values that are remembered to see whether others repeat them."""
HUGE: Final = 1e300
"""Beyond it integers are all alike."""


class Numbers(msgspec.Struct, omit_defaults=True):
    """What is known about a number that varies.

    `step` is what one digit more at the end is worth, where the number stands in a unit: 60 of whole minutes.
    """

    n: int = 0
    samples: int = 0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    spread: float = 0.0
    ratio: float = 0.0
    ints: bool = False
    floats: bool = False
    wholes: bool = False
    fewest: int = 99
    most: int = 0
    again: int = 0
    recent: list[float] = []
    step: float = 0.0
    unit: str = ""
    early: float = math.inf
    late: float = -math.inf

    def learn(self, values: list[tuple[Number, float | None]]) -> None:
        """Take in what one place had over the samples, with the call times."""
        reals = [real(value) for value, _ in values]
        least, greatest = min(reals), max(reals)
        self.n += len(reals)
        self.total += sum(reals)
        self.again += sum(one in self.recent for one in reals)
        self.recent = [*self.recent, *reals][-RECENT:]
        self.samples = max(self.samples, len(reals))
        self.low, self.high = min(self.low, least), max(self.high, greatest)
        self.spread = max(self.spread, greatest - least)
        self.ratio = max(self.ratio, _log_ratio(least, greatest))
        for value, at in values:
            self._learn_form(value)
            self._learn_clock(real(value), at)

    def _learn_form(self, value: Number) -> None:
        if isinstance(value, int):
            self.ints = True
            return
        self.floats = True
        self.wholes = self.wholes or value.is_integer()
        count = decimals(value)
        self.fewest, self.most = min(self.fewest, count), max(self.most, count)

    def _learn_clock(self, value: float, at: float | None) -> None:
        if at is None or self.unit == "-":
            return
        unit = clock_unit(value, at)
        if unit is None or self.unit not in {"", unit}:
            self.unit = "-"
            return
        self.unit = unit
        off = value / SCALES[unit] - at
        self.early, self.late = min(self.early, off), max(self.late, off)

    def merge(self, other: Numbers) -> None:
        """Take in what another envelope knows."""
        self.n += other.n
        self.again += other.again + sum(one in self.recent for one in other.recent)
        self.recent = [*self.recent, *other.recent][-RECENT:]
        self.total += other.total
        self.samples = max(self.samples, other.samples)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.spread, self.ratio = max(self.spread, other.spread), max(self.ratio, other.ratio)
        self.ints, self.floats = self.ints or other.ints, self.floats or other.floats
        self.wholes = self.wholes or other.wholes
        self.fewest, self.most = min(self.fewest, other.fewest), max(self.most, other.most)
        if other.unit and self.unit != other.unit:
            self.unit = other.unit if not self.unit else "-"
        self.early, self.late = min(self.early, other.early), max(self.late, other.late)
        self.step = max(self.step, other.step)

    @property
    def known(self) -> int:
        """How many values are evidence of their own: those of one answer's places may be one and the same (a pid)."""
        return self.n if self.again * 5 < self.n else self.samples

    @property
    def clock(self) -> bool:
        """Whether the values follow the call time."""
        return self.unit in SCALES

    def bounds(self, at: float | None) -> tuple[float, float]:
        """Return the least and the greatest plausible value of a call at that time."""
        if self.clock and at is not None:
            scale = SCALES[self.unit]
            low, high = clock_bounds(self.early, self.late, self.samples)
            return (at + low) * scale, (at + high) * scale
        if self.low >= 0.0:
            return self._positive(self.low, self.high)
        if self.high <= 0.0:
            low, high = self._positive(-self.high, -self.low)
            return -high, -low
        width = reach(self.known) * (self.high - self.low)
        return self.low - width, self.high + width

    def _positive(self, low: float, high: float) -> tuple[float, float]:
        far = reach(self.known)
        width = far * (high - low)
        least, greatest = max(0.0, low - width), high + width
        if low > 0.0:
            factor = min(FARTHEST, math.exp(min(600.0, far * math.log(high / low))))
            half = 0.5 * max(self.step, 10.0 ** -(self.most if self.floats else 0))
            least = min(max(least, TINY * high - half), low / factor)
            greatest = max(greatest, high * min(factor, SKEWED if self._even(low, high) else FARTHEST))
        return least, greatest

    def _even(self, low: float, high: float) -> bool:
        """Return whether the values lie about the middle of their range, as those with a long tail do not."""
        return self.n > FEW and abs(self.total / self.n) >= EVEN * (low + high)

    def misfit(self, control: Number | None, value: Number, at: float | None) -> Misfit | None:
        """Say what is wrong with a value that differs, None if it is the noise that is known."""
        return self._form_misfit(value) or self.range_misfit(control, value, at)

    def range_misfit(self, control: Number | None, value: Number, at: float | None) -> Misfit | None:
        """Say whether a value lies beyond what is plausible, however it is written."""
        low, high = self.bounds(at)
        one = real(value)
        if not low <= one <= high:
            return Kind.RANGE, f"control's {self.n} values were {self._range()}; plausible is {low:.6g} to {high:.6g}"
        if control is not None and not self.clock and self.too_far(real(control), one):
            return Kind.RANGE, f"in one place control varies by {self.spread:.6g} at most"
        return None

    def _range(self) -> str:
        if self.clock:
            return f"{self.early:+.3f} to {self.late:+.3f} s from the call"
        return f"{self.low:.6g} to {self.high:.6g}"

    def together(self, least: float, greatest: float) -> bool:
        """Return whether no two values in a range are farther apart than one place varies."""
        return self.clock or greatest - least <= (1.0 + 2.0 * reach(self.samples)) * self.spread

    def too_far(self, control: float, value: float) -> bool:
        """Return whether two values are farther apart than one place varies."""
        far = 1.0 + 2.0 * reach(self.samples)
        if abs(value - control) <= far * self.spread:
            return False
        return _log_ratio(min(control, value), max(control, value)) > far * self.ratio

    def _form_misfit(self, value: Number) -> Misfit | None:
        if isinstance(value, int):
            if self.ints or (self.floats and self.most == 1 and not self.wholes):
                return None  # some languages write 5.0 as 5; with one decimal that is every tenth value
            return Kind.TYPE, f"control's {self.n} numbers all had decimals"
        if not self.floats:
            return Kind.TYPE, f"control's {self.n} numbers were all integers"
        return decimals_misfit(decimals(value), self.fewest, self.most, self.n)


def decimals_misfit(count: int, fewest: int, most: int, n: int) -> Misfit | None:
    """Say whether a number of decimals is none that rounding, and trimming zeros, gives.

    A decimal at the end is 0 in one of ten numbers, so two less than ever seen is still chance.
    """
    if most < FULL and count > most + (fewest < most and n < MANY) and n > FEW:
        return Kind.FORMAT, f"control's {n} numbers had at most {most} decimals, this one has {count}"
    if min(fewest, FULL) - count > TRIMMED:
        return Kind.FORMAT, f"control's {n} numbers {AT_LEAST.format(fewest, count)}"
    return None


AT_LEAST: Final = "had at least {} decimals, this one has {}"
FEW: Final = 3
"""Numbers of which the greatest number of decimals says nothing yet."""
MANY: Final = 30
"""Numbers below which one more decimal is chance where decimals vary: six significant digits, trimmed zeros."""
TRIMMED: Final = 2
"""Decimals that chance may take away."""


def trimmed(rule: str) -> bool:
    """Return whether a rule says that a number has fewer decimals than any: of 1,000 one ends in three zeros."""
    return AT_LEAST.partition("{")[0] in rule


def clock_bounds(early: float, late: float, samples: int) -> tuple[float, float]:
    """Return how far from the call time a clock may be, in seconds.

    What was never in the future stays out of it, and what was never in the past, too.
    """
    width = reach(samples) * (late - early) + SLACK
    low = max(early - width, -SLACK) if early >= -SLACK and late > SLACK else early - width
    high = min(late + width, SLACK) if late <= SLACK else late + width
    return low, high


def clock_unit(value: float, at: float) -> str | None:
    """Return the unit in which a number is near the call time, None if it is in none."""
    for unit, scale in SCALES.items():
        if abs(value / scale - at) <= WEEK:
            return unit
    return None


def decimals(value: float) -> int:
    """Count the decimals of a float as the shortest text that reads back as it."""
    mantissa, _, exponent = repr(value).partition("e")
    _, _, digits = mantissa.partition(".")
    count = 0 if digits == "0" else len(digits)
    return max(0, count - int(exponent)) if exponent else count


def real(value: Number) -> float:
    """Return a number as a float; integers beyond any float are all `HUGE`."""
    return float(value) if -HUGE < value < HUGE else HUGE if value > 0 else -HUGE


def _log_ratio(least: float, greatest: float) -> float:
    if least > 0.0:
        return math.log(greatest / least)
    if greatest < 0.0:
        return math.log(least / greatest)
    return 0.0 if least == greatest else HUGE
