"""A loop on which waiting takes no time: when nobody can go on, its clock jumps to the next timer.

Above: simulations.  Below: asyncio.  Threads and sockets do not work on it; a wait without an end fails.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_800_000_000.0
"""Wall time at which every simulation begins."""


class _Jump(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Lets time pass instead of waiting."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everybody waits for somebody else, for ever")
        self.seconds += max(timeout, 0.0)
        return list(super().select(0))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs a week's waiting in milliseconds."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Return the seconds that would have passed."""
        return self._jump.seconds


class VirtualClock:
    """Fits `domain.ports.Clock` on that loop; `ahead` sets the wall clock."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return EPOCH + self.ahead + self.monotonic()


def simulate(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
