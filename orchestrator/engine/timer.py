"""The one timer: sleeps until the machine's earliest deadline, then says so.

Deadlines are data in the state; nothing here decides.  Above: the driver sets it after each step.  Below: the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from orchestrator.domain.ports import Clock

LONGEST: Final = 5.0
"""Seconds of one sleep: a loop's timers stand still while a machine is suspended, so the clock is looked at again."""


class Timer:
    """Calls back when the deadline it was last given has come."""

    def __init__(self, clock: Clock, on_due: Callable[[], None]) -> None:
        """Build it; `run` lets it work.

        Args:
            clock: whose `wall` deadlines are in.
            on_due: called once for each deadline that comes.
        """
        self._clock = clock
        self._on_due = on_due
        self._due: float | None = None
        self._changed = asyncio.Event()

    def set(self, due: float | None) -> None:
        """Wait for this deadline from now on, Unix seconds; None for none."""
        if due != self._due:
            self._due = due
            self._changed.set()

    async def run(self) -> None:
        """Wait for ever."""
        while True:
            left = None if self._due is None else self._due - self._clock.wall()
            if left is not None and left <= 0:
                self._due = None
                self._on_due()
                continue
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if left is None else min(left, LONGEST)):
                    await self._changed.wait()
