"""The end of the process: SIGTERM lets the calls under way finish, then closes the browsers.

Above it stand `__main__`, which asks for it, and `server`, which says what is a call and what is to be closed; below it
`switchover_kit`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from switchover_kit import Drain

CLOSE_SECONDS: Final = 0.6
"""How long closing may take: with the drain's 4 s and its pause less than the 5 s after which Switchover kills."""

Close = Callable[[], Coroutine[Any, Any, None]]


class Ending:
    """Ends the process when it is asked to and nothing is under way any more."""

    def __init__(self) -> None:
        self._drain = Drain()
        self._opened: tuple[asyncio.AbstractEventLoop, Close] | None = None

    def on_sigterm(self) -> None:
        """Have SIGTERM wait for the calls; a second one ends the process at once.  To be called in the main thread."""
        self._drain.on_sigterm(end=self._end)

    def opened(self, close: Close) -> None:
        """Remember, on the loop that serves, what closes all that calls have opened."""
        self._opened = asyncio.get_running_loop(), close

    async def counted(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Count a tool's call; a middleware of the server.  What else is asked for may go on for ever."""
        if ctx.method != "tools/call":
            return await call_next(ctx)
        with self._drain.call():
            return await call_next(ctx)

    def _end(self) -> None:
        """Close what is open, then end; in the drain's own thread."""
        if self._opened is not None:
            loop, close = self._opened
            with suppress(Exception):  # the process ends, whatever became of the loop
                asyncio.run_coroutine_threadsafe(close(), loop).result(CLOSE_SECONDS)
        # The server waits for stdin in a thread that nothing can interrupt; writes are transactions.
        os._exit(0)
