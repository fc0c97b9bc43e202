"""Real time, behind the port."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clocks; fits `domain.ports.Clock`."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()


class SteadyClock(SystemClock):
    """A wall clock that nobody can set: it counts on from where it began, through suspends; fits the same port.

    Pauses and soaks are measured by it, so that a clock that is put forward ends none of them.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        """Begin now, or at a later time that was reached in an earlier life.

        Args:
            not_before: Unix seconds that have been told already; time does not go back behind them.
        """
        self._began = max(time.time(), not_before)
        self._since = time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Return seconds since the Unix epoch, as they were when this began and counted on since."""
        return self._began + time.clock_gettime(time.CLOCK_BOOTTIME) - self._since
