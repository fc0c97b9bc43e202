"""Who wants to hear of changes, and their queues.

Above: `service` tells; the API's streams, tokens and tool gates listen.  Below: nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from orchestrator.flags.told import Changed

QUEUE: Final = 256
"""Changes a listener may be behind before it is let go: it starts again from the present flags."""


class News:
    """Every listener has its own queue; a slow one loses itself, not the others."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Changed | None]] = set()

    def tell(self, changed: Changed) -> None:
        """Hand a change to every listener."""
        for queue in list(self._queues):
            if queue.qsize() >= QUEUE:
                self._let_go(queue)
            else:
                queue.put_nowait(changed)

    def close(self) -> None:
        """End every listener's iteration."""
        for queue in list(self._queues):
            self._let_go(queue)

    def subscribe(self) -> AsyncIterator[Changed]:
        """Return every change from now on (from this call, not from the first step); it ends when the daemon stops.

        It also ends for a listener that is `QUEUE` changes behind: one that needs every change looks at the history.
        """
        queue: asyncio.Queue[Changed | None] = asyncio.Queue()
        self._queues.add(queue)
        return self._follow(queue)

    async def _follow(self, queue: asyncio.Queue[Changed | None]) -> AsyncIterator[Changed]:
        try:
            while (changed := await queue.get()) is not None:
                yield changed
        finally:
            self._queues.discard(queue)

    def _let_go(self, queue: asyncio.Queue[Changed | None]) -> None:
        self._queues.discard(queue)
        queue.put_nowait(None)
