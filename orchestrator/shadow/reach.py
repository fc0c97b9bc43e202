"""How far beyond the values seen so far the next one may lie.

Of n values drawn from a uniform distribution of unknown bounds, the next one lies more than t ranges below the least
with probability (1 + t)^-(n-1) / (n + 1) (the predictive distribution of order statistics; Aitchison and Dunsmore
1975).  Solved for t, that is a bound with a known rate of false alarms; tails longer than a uniform's get at least
one range.

Above: `numbers`, `times`, `learn`.  Below: nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

ALARM: Final = 2e-5
"""Rate at which a value that is only noise may be called a difference."""
LEAST: Final = 1.0
"""Ranges: what a normal distribution needs when many values are known (2.5 + 5 standard deviations)."""
MOST: Final = 40.0
"""Ranges: two values say little about their distribution."""


@lru_cache(maxsize=256)
def reach(n: int) -> float:
    """Return how many ranges beyond the least and the greatest of `n` values are still plausible."""
    if n < 2:  # noqa: PLR2004 - one value has no range
        return MOST
    return float(min(MOST, max(LEAST, (1.0 / (ALARM * (n + 1))) ** (1.0 / (n - 1)) - 1.0)))
