"""Evidence that may be looked at after every call: betting e-processes on differences between two arms.

Whoever believes that the canary is no worse than the baseline has to accept fair bets on it.  Each comparison gives a
difference D in [-1, 1], positive where the canary is worse, with mean at most 0 as long as it is not; a bettor with
stake b multiplies its wealth by 1 + b * D.  Under the null that wealth is a supermartingale, so by Ville's inequality
it reaches 1/alpha with probability at most alpha, however often one looks and whenever one stops (Waudby-Smith and
Ramdas 2024, "Estimating means of bounded random variables by betting"; Shafer 2021, "Testing by betting").  A handful
of bettors with different stakes share the money, because the right stake depends on a difference nobody knows.

Above: `evidence` turns samples into differences.  Below: nothing; values in, values out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final

STAKES: Final = (0.05, 0.12, 0.22, 0.35, 0.50, 0.66, 0.82, 0.95)
"""Fractions of its wealth each bettor risks.  Eight on a curve lose less than 3 % of the power of 24 evenly spaced ones
(error rate 1 % against 3 %, 1,000 rollouts), and cost a third."""

FIRST: Final = 0.9
"""Share of the money for the first purse of a kind (`Purse`); what is left waits for later ones."""

_A, _B, _C, _D, _E, _F, _G, _H = STAKES

Wealth = tuple[float, ...]
"""What each bettor has, in multiples of what it began with, one for each of `STAKES`."""

OPENING: Final[Wealth] = (1.0,) * len(STAKES)
"""The wealth before the first bet."""

CEILING: Final = 1e100
"""Wealth beyond which a bettor stops: far above any 1/alpha, and far below what a float can hold."""

GROWTH: Final = 1.0 + max(STAKES)
"""What one bet multiplies an e-value by at the most."""
_LOG_GROWTH: Final = math.log(GROWTH)

CERTAINLY: Final = 1.0 - 1e-9
"""Share of an aim that is surely below it: what floats round off is far less."""

MOST_OWED: Final = 64
"""Bets that are settled at once."""

REMEMBERED: Final = 4 + len(STAKES)
"""Numbers that a purse is remembered by."""

UNBOUNDED: Final = 1e80
"""Wealth up to which `MOST_OWED` bets cannot reach the `CEILING`: 1.95 ** 64 is 4e18."""


def bet(wealth: Wealth, difference: float) -> Wealth:
    """Settle one bet.

    Args:
        wealth: what each bettor has.
        difference: how much worse the canary was, in [-1, 1]; its mean must be at most 0 while it is no worse.

    Raises:
        ValueError: the difference is outside [-1, 1]; such a bet would be no fair one.
    """
    if difference == 0.0:
        return wealth
    if not -1.0 <= difference <= 1.0:
        raise _unfair(difference)
    a, b, c, d, e, f, g, h = wealth  # unrolled: a third of a loop's time, and this is done several times a call
    after = (
        a * (1.0 + _A * difference),
        b * (1.0 + _B * difference),
        c * (1.0 + _C * difference),
        d * (1.0 + _D * difference),
        e * (1.0 + _E * difference),
        f * (1.0 + _F * difference),
        g * (1.0 + _G * difference),
        h * (1.0 + _H * difference),
    )
    return after if difference < 0.0 or sum(after) < CEILING else tuple([min(CEILING, money) for money in after])


def settled(wealth: Wealth, differences: Sequence[float]) -> Wealth:
    """Settle bets one after the other: what `bet` comes to, to the last digit, in a third of the time.

    Args:
        wealth: what each bettor has.
        differences: `MOST_OWED` at the most, each in [-1, 1].
    """
    if max(wealth) > UNBOUNDED:
        return reduce(bet, differences, wealth)
    a, b, c, d, e, f, g, h = wealth
    for difference in differences:
        a *= 1.0 + _A * difference
        b *= 1.0 + _B * difference
        c *= 1.0 + _C * difference
        d *= 1.0 + _D * difference
        e *= 1.0 + _E * difference
        f *= 1.0 + _F * difference
        g *= 1.0 + _G * difference
        h *= 1.0 + _H * difference
    return a, b, c, d, e, f, g, h


def bets_below(value: float, aim: float) -> int:
    """Return after how many more bets an e-value surely lies below an aim, `MOST_OWED` at the most.

    Args:
        value: what it is, or the sum of some that are bet on together.
        aim: above 0.
    """
    ratio = aim * CERTAINLY / value if value > 0.0 else math.inf
    return 0 if ratio <= 1.0 else int(min(MOST_OWED, math.log(ratio) / _LOG_GROWTH))


def evidence(wealth: Wealth) -> float:
    """Return the e-value: the bettors' mean wealth.  At 1/alpha or more the null is given up at level alpha."""
    return sum(wealth) / len(STAKES)


def together(values: Iterable[float]) -> float:
    """Combine e-values of processes that saw the same samples: their mean is one, too (Vovk and Wang 2021).

    None at all is 1.0, no evidence.
    """
    known = values if isinstance(values, list) else list(values)
    return sum(known) / len(known) if known else 1.0


class Purse:
    """Money bet on one kind of difference, opened anew from time to time; what the purses before won is kept.

    A purse may have to be closed: who is drawn may be forgotten, or bet on again.  Each one is an e-process of its own
    whatever became of the others, so a mean of them with weights that were fixed beforehand is one, too: .9 for the
    first, .1 / (j (j - 1)) for the j-th.  A new one has not lost while all was well, so what begins late is found, too.

    Bets are settled when somebody asks what they came to: many at once cost a third, to the same last digit.
    """

    __slots__ = ("_kept", "_number", "_owed", "_settled", "_weight", "_worth")

    def __init__(self) -> None:
        """Open the first one."""
        self._settled: Wealth = OPENING
        """What each bettor of the present purse had when it was settled last."""
        self._worth = 1.0
        """The e-value of all, then."""
        self._kept = 1.0 - FIRST
        """What closed purses ended with, weighted, and what waits for those that come."""
        self._number = 1
        self._weight = FIRST / len(STAKES)
        """Of one bettor's wealth in the present purse."""
        self._owed: list[float] = []
        """Differences that were bet on since."""

    @classmethod
    def of(cls, remembered: Sequence[float]) -> Purse:
        """Return the purse that gave these as its `remembered`.

        Raises:
            ValueError: no purse gives these.
        """
        if len(remembered) != REMEMBERED:
            raise ValueError(f"a purse is remembered by {REMEMBERED} numbers, not {len(remembered)}")
        purse = cls()
        purse._worth, purse._kept, number, purse._weight, *wealth = remembered
        purse._number, purse._settled = int(number), tuple(wealth)
        return purse

    def remembered(self) -> list[float]:
        """Return all there is to it."""
        return [self.value, self._kept, self._number, self._weight, *self.wealth]

    @property
    def wealth(self) -> Wealth:
        """What each bettor of the present purse has."""
        if self._owed:
            self._settle()
        return self._settled

    @property
    def value(self) -> float:
        """The e-value of all."""
        if self._owed:
            self._settle()
        return self._worth

    def bet(self, difference: float) -> None:
        """Bet with the open purse; see `bet`.

        Raises:
            ValueError: the difference is outside [-1, 1].
        """
        if not -1.0 <= difference <= 1.0:
            raise _unfair(difference)
        self._owed.append(difference)
        if len(self._owed) >= MOST_OWED:
            self._settle()

    def lose(self) -> None:
        """Lose all that is in the open purse: what was seen cannot be settled fairly, and this is always safe."""
        self._has((0.0,) * len(STAKES))

    def win(self) -> None:
        """Win all there is: what was seen could not be, were the null true."""
        self._has((CEILING,) * len(STAKES))

    def reopen(self) -> None:
        """Close the open purse and open the next."""
        won = self._weight * sum(self.wealth)
        self._number += 1
        share = (1.0 - FIRST) / (self._number * (self._number - 1))
        self._kept += won - share
        self._weight = share / len(STAKES)
        self._has(OPENING)

    def _settle(self) -> None:
        self._has(settled(self._settled, self._owed))

    def _has(self, wealth: Wealth) -> None:
        self._owed.clear()
        self._settled = wealth
        self._worth = self._kept + self._weight * sum(wealth)


def _unfair(difference: float) -> ValueError:
    return ValueError(f"a difference of {difference!r} is outside [-1, 1]; scale or clip it first")
