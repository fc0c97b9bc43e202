"""The newest values of both arms together, in order: where a value stands among them is its rank.

Under the null a canary's call and a baseline's call come from one distribution, whatever it is and however it drifts,
so the difference of their ranks among what came before has mean 0.  Ranks need no scale, forgive outliers and keep
nearly all of the information (the Mann-Whitney test is the same idea, looked at once).

Above: `badness`, `evidence`.  Below: nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

NEWEST: Final = 128
"""Values kept: they find a slowdown of 20 % as soon as all values do (170 calls, alpha .01), and cost a kilobyte."""


class Pool:
    """At most `NEWEST` numbers, oldest forgotten first."""

    __slots__ = ("_arrived", "_sorted")

    def __init__(self, values: Iterable[float] = ()) -> None:
        """Begin with some values, oldest first."""
        self._arrived: deque[float] = deque()
        self._sorted: list[float] = []
        for value in values:
            self.add(value)

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[float]:
        """Give the values, oldest first."""
        return iter(self._arrived)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pool) and self._arrived == other._arrived

    __hash__ = None  # type: ignore[assignment]  # it changes

    def add(self, value: float) -> None:
        """Take a value in; beyond `NEWEST` the oldest goes."""
        insort(self._sorted, value)
        self._arrived.append(value)
        if len(self._arrived) > NEWEST:
            del self._sorted[bisect_left(self._sorted, self._arrived.popleft())]

    def rank(self, value: float) -> float:
        """Return where `value` stands, in (0, 1): 0.5 in an empty pool; a tie counts half."""
        known = self._sorted
        below = bisect_left(known, value)
        return (0.5 * (below + bisect_right(known, value, below)) + 1.0) / (len(known) + 2.0)

    def ranked(self, value: float) -> float:
        """Return where a value stands, and then take it in: `rank` and `add` at once."""
        known, arrived = self._sorted, self._arrived
        below = bisect_left(known, value)
        up_to = bisect_right(known, value, below)
        stands = (0.5 * (below + up_to) + 1.0) / (len(known) + 2.0)
        known.insert(up_to, value)
        arrived.append(value)
        if len(arrived) > NEWEST:
            del known[bisect_left(known, arrived.popleft())]
        return stands

    def quantile(self, share: float) -> float | None:
        """Return the value that a share of the pool does not exceed, None while the pool says little about it.

        Args:
            share: in (0, 1); of .95 at least 20 values have to be known.
        """
        known = len(self._sorted)
        if known * (1.0 - share) < 1.0:
            return None
        return self._sorted[int(share * known)]
