"""What is counted about each generation's calls: the source of `status` and `/metrics`."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

RECENT = 1024
"""Durations kept for the percentiles `status` shows."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the duration histogram, seconds."""


class Tally:
    """Counters of one generation.

    Attributes:
        calls: answered calls, whatever the answer.
        errors: of these, the ones answered with an error or with `isError`.
        lost: calls answered `worker_lost`.
        expired: calls that met their deadline.
        replayed: calls sent once more after their worker died.
        seconds: sum of durations.
        buckets: cumulative-ready histogram counts, one per bound of `BUCKETS` and one above.
    """

    __slots__ = ("_recent", "buckets", "calls", "errors", "expired", "lost", "replayed", "seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.lost = 0
        self.expired = 0
        self.replayed = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self._recent: deque[float] = deque(maxlen=RECENT)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """Count one answered call."""
        self.calls += 1
        if failed:
            self.errors += 1
        self.seconds += seconds
        self._recent.append(seconds)
        self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def percentile(self, fraction: float) -> float | None:
        """Return a percentile of the recent durations in seconds, None before the first call."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


class GapMeter:
    """The longest time between two completed calls around the last switch.

    A gap counts only while calls were in flight: silence without callers is no gap.
    """

    __slots__ = ("_last", "_until", "longest")

    WINDOW = 10.0
    """Seconds after a switch during which gaps are attributed to it."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._until = 0.0
        self.longest: float | None = None

    def switched(self, now: float, *, busy: bool) -> None:
        """Begin measuring; `busy` says whether calls are in flight at this moment."""
        self.longest = None
        self._until = now + self.WINDOW
        if not busy:
            self._last = None

    def completed(self, now: float, *, busy: bool) -> None:
        """Note a completed call; `busy` says whether more are in flight."""
        if now < self._until and self._last is not None:
            gap = now - self._last
            if self.longest is None or gap > self.longest:
                self.longest = gap
        self._last = now if busy else None
