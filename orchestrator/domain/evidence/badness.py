"""How bad a value is, compared with what came before from the same tool: what a bet is made of.

Tools differ: one is slow, one fails often.  A value is therefore compared with those of its own tool, so that neither
their differences nor who happened to call which tool is noise in the evidence, and yet all bets go into one purse.  Any
yardstick will do for a fair bet, as long as it is made of the past alone and does not ask who served the call.

- a *rate* (errors): the value less the mean so far;
- a *magnitude* (duration, tokens, cost): its rank among the newest of both arms (`pool`); and, as some regressions only
  show in the slowest calls, whether it exceeds their 95th percentile;
- a *score* (quality): its rank.

Above: `evidence`, `certainty`, the guard.  Below: `pool`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from orchestrator.domain.evidence.pool import Pool

TAIL: Final = 0.95
"""Share of the pool beyond which a value is one of the largest."""
NOT_LARGEST: Final = -(1.0 - TAIL)
LARGEST: Final = 1.0 + NOT_LARGEST
"""What either gains: as few are among the largest, one of them gains more."""

BEFORE: Final = (0.5, 25.0)
"""What a rate is believed to be before anything is seen: half a failure in 25 calls."""

STRATA: Final = 3
"""Tools that are compared with themselves, in the order of their first call; the others share one more yardstick.  Few
tools make most calls, and each yardstick costs a kilobyte."""

OTHERS: Final = ""


class Kind(StrEnum):
    """How a metric is compared."""

    RATE = "rate"
    """A number in [0, 1], more is worse; such as 1.0 for a failed call."""
    MAGNITUDE = "magnitude"
    """Any number, more is worse; its slowest calls matter on their own."""
    SCORE = "score"
    """Any number, less is worse."""


Standing = tuple[float, float, float | None]
"""Where a value stands, more being higher: its body, in [-1, 1], about 0 on average; its tail, in [-1, 1], above 0 when
it is one of the largest, 0 while that is not known, or not asked; and what it was expected to be, None while nothing
is known."""


class Stratum(msgspec.Struct):
    """What one tool's calls gave.

    Attributes:
        pool: the newest of them; of a rate none, its mean says all.
        total: their sum.
        count: how many there were.
    """

    pool: Pool
    total: float
    count: float


class Yardstick(msgspec.Struct):
    """What values of one metric are compared with.

    Attributes:
        kind: the metric's.
        strata: by tool.
    """

    kind: Kind
    strata: dict[str, Stratum]

    def takes(self, tool: str, value: float) -> Standing:
        """Return where a value stands among those before it, and let later ones be compared with it, too."""
        stratum = self.strata.get(tool) or self._stratum(tool)
        expected = stratum.total / stratum.count if stratum.count else None
        stratum.total += value
        stratum.count += 1.0
        if self.kind is Kind.RATE:
            return value - (expected or 0.0), 0.0, expected
        pool = stratum.pool
        tail = 0.0
        if self.kind is Kind.MAGNITUDE and (slowest := pool.quantile(TAIL)) is not None:
            tail = LARGEST if value > slowest else NOT_LARGEST
        return 2.0 * pool.ranked(value) - 1.0, tail, expected

    def rank(self, tool: str, value: float) -> float:
        """Return where a value would stand, in [-1, 1], without taking it for one."""
        stratum = self.strata.get(tool) or self._stratum(tool)
        return 2.0 * stratum.pool.rank(value) - 1.0

    def _stratum(self, tool: str) -> Stratum:
        known = self.strata.get(tool)
        if known is None:
            if len(self.strata) >= STRATA + (OTHERS in self.strata):
                tool = OTHERS
            known = self.strata.get(tool)
        if known is None:
            total, count = BEFORE if self.kind is Kind.RATE else (0.0, 0.0)
            known = self.strata[tool] = Stratum(Pool(), total, count)
        return known
