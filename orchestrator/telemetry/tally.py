"""What is counted about each generation's calls: the source of `status` and `/metrics`."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

from orchestrator.domain.routing import Lane

RECENT = 1024
"""Durations kept for the percentiles `status` shows, and digested at a time."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the duration histogram, seconds."""


class Tally:
    """Counters of one generation.

    The hot path appends one number a call; sums and histogram are made from a batch of them at a time.

    Attributes:
        errors: calls answered with an error or with `isError`.
        lost: calls answered `worker_lost`.
        expired: calls that met their deadline.
        replayed: calls sent once more after their worker died.
        own: calls sent for the daemon's own rehearsals; those that are answered are among `calls`.
        default: how often it was chosen because it is active and gets everything.
        selected: how often it was chosen otherwise, by lane and whether the kill switch was on.
    """

    __slots__ = (
        "_batch", "_buckets", "_calls", "_recent", "_seconds", "default", "errors", "expired", "lost", "own",
        "replayed", "selected",
    )  # fmt: skip

    def __init__(self) -> None:
        self.errors = 0
        self.lost = 0
        self.expired = 0
        self.replayed = 0
        self.own = 0
        self.default = 0
        self.selected: Counter[tuple[Lane, bool]] = Counter()
        self._batch: list[float] = []
        self._recent: list[float] = []
        self._calls = 0
        self._seconds = 0.0
        self._buckets = [0] * (len(BUCKETS) + 1)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """Count one answered call."""
        self._batch.append(seconds)
        if failed:
            self.errors += 1
        if len(self._batch) >= RECENT:
            self._digest()

    @property
    def calls(self) -> int:
        """Answered calls, whatever the answer."""
        return self._calls + len(self._batch)

    @property
    def seconds(self) -> float:
        """Sum of the durations."""
        self._digest()
        return self._seconds

    @property
    def buckets(self) -> list[int]:
        """Calls by duration: one count per bound of `BUCKETS`, and one for those above."""
        self._digest()
        return self._buckets

    def percentile(self, fraction: float) -> float | None:
        """Return a percentile of the last `RECENT` or so durations in seconds, None before the first call."""
        recent = sorted([*self._recent, *self._batch][-RECENT:])
        return recent[min(len(recent) - 1, int(fraction * len(recent)))] if recent else None

    def _digest(self) -> None:
        """Work a batch into sums and histogram."""
        batch, self._batch = self._batch, []
        self._recent = [*self._recent, *batch][-RECENT:]
        self._calls += len(batch)
        self._seconds += sum(batch)
        batch.sort()
        below = 0
        for index, bound in enumerate(BUCKETS):
            upto = bisect_right(batch, bound)
            self._buckets[index] += upto - below
            below = upto
        self._buckets[-1] += len(batch) - below


class GapMeter:
    """The longest time between two completed calls around the last switch.

    A gap counts only while calls were in flight: silence without callers is no gap.

    Attributes:
        longest: seconds, None when there was none.
        until: monotonic seconds; later completions need not be reported.
    """

    __slots__ = ("_last", "longest", "until")

    WINDOW = 10.0
    """Seconds after a switch during which gaps are attributed to it."""

    def __init__(self) -> None:
        self._last: float | None = None
        self.until = 0.0
        self.longest: float | None = None

    def switched(self, now: float, last: float | None) -> None:
        """Begin measuring; `last` is when a call was last completed, None when no call is in flight."""
        self.longest = None
        self.until = now + self.WINDOW
        self._last = last

    def completed(self, now: float, *, busy: bool) -> None:
        """Note a completed call; `busy` says whether more are in flight."""
        if now < self.until and self._last is not None:
            gap = now - self._last
            if self.longest is None or gap > self.longest:
                self.longest = gap
        self._last = now if busy else None
