"""The end of all event streams when the daemon ends.  Above: `planes` says when.  Below: `sse` listens for it."""

from __future__ import annotations

import asyncio


class Closing:
    """Ends all streams at once, so that a stopping daemon need not wait for their readers."""

    def __init__(self) -> None:
        """Build it while nothing ends."""
        self._event = asyncio.Event()

    def end(self) -> None:
        """End them."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for the end."""
        await self._event.wait()
