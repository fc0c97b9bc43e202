"""One piece of work after the other, each to its end.

A change of flags is decided, written, published and told as one: a caller that goes away in the middle (a client that
hangs up) must not leave it half done.  Above: `service`.  Below: asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Whoever comes waits for those who came before."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._working: set[asyncio.Task[Any]] = set()

    async def take(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a piece of work when its turn comes; it is done to its end also when this caller is cancelled."""
        task = asyncio.ensure_future(self._in_turn(work))
        self._working.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def over(self) -> None:
        """Wait until everything that was asked for is done."""
        while self._working:
            await asyncio.wait(self._working)

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._lock:
            return await work()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has it, or is gone
