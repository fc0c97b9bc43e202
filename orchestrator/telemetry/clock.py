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
