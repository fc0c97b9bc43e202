"""Lets calls finish before the process ends: counts those under way, and holds SIGTERM back until there are none.

Above it stands a worker's own code, which says where a call begins and ends; below it `signal` and `threading`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import iscoroutinefunction
from queue import SimpleQueue
from typing import Any, Final, TypeVar, cast

GRACE: Final = 4.0
"""Seconds that SIGTERM is held back at most; less than the 5 s after which Switchover kills by default."""

SETTLE: Final = 0.2
"""Seconds without a call before the end.  A call is over when its work is; its answer has yet to be written."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Drain:
    """The calls of one process that are under way.  Any number of threads and event loops may use it."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._under_way = 0
        self._when_idle: list[Callable[[], None]] = []
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._draining = False
        self._owner = 0
        self._before: Any = signal.SIG_DFL

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return self._under_way

    @property
    def draining(self) -> bool:
        """Whether SIGTERM has come and the process ends as soon as it may."""
        return self._draining

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the block as a call, however it ends."""
        with self._turn:
            self._under_way += 1
            self._turn.notify_all()
        try:
            yield
        finally:
            with self._turn:
                self._under_way -= 1
                told = [] if self._under_way else self._when_idle.copy()
                self._turn.notify_all()
            for tell in told:
                tell()

    def counted(self, function: Function) -> Function:
        """Decorate a function, async or not, so that each of its runs counts as a call."""
        if iscoroutinefunction(function):

            @wraps(function)
            async def run_later(*values: Any, **named: Any) -> Any:
                with self.call():
                    return await function(*values, **named)

            return cast("Function", run_later)

        @wraps(function)
        def run(*values: Any, **named: Any) -> Any:
            with self.call():
                return function(*values, **named)

        return cast("Function", run)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Block this thread until no call is under way.

        Args:
            timeout: seconds to wait at most, None for ever.

        Returns:
            Whether no call is under way.
        """
        with self._turn:
            return self._turn.wait_for(lambda: not self._under_way, timeout)

    async def until_idle(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - the twin of `wait_idle`
        """Wait on asyncio until no call is under way; arguments and result are those of `wait_idle`."""
        import asyncio  # noqa: PLC0415 - a worker without it need not load it

        loop, idle = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(idle.set)

        with self._turn:
            if not self._under_way:
                return True
            self._when_idle.append(tell)
        try:
            async with asyncio.timeout(timeout):
                await idle.wait()
        except TimeoutError:
            return False
        finally:
            with self._turn:
                self._when_idle.remove(tell)
        return True

    def on_sigterm(self, grace: float = GRACE, end: Callable[[], None] | None = None) -> None:
        """Have SIGTERM end the process only when its calls are through; a second SIGTERM ends it at once.

        A child that was forked from this process ends at once, too: its parent's calls are not its own.

        Args:
            grace: seconds the calls may take together; more than 0.
            end: called in a thread of its own instead of what SIGTERM did before.

        Raises:
            ValueError: `grace` is not more than 0, or this is not the main thread.
        """
        if not grace > 0:
            raise ValueError(f"grace is {grace!r}; give the seconds that calls may take, more than 0")
        self._owner = os.getpid()
        self._before = signal.signal(signal.SIGTERM, self._heard)
        # Begun now: a handler may interrupt anything, also a thread's start.
        threading.Thread(target=self._finish, args=(grace, end or self._again), name="drain", daemon=True).start()

    def _heard(self, number: int, _frame: object) -> None:
        """Note the first SIGTERM, and let the second do what it did before."""
        if self._draining or os.getpid() != self._owner:
            signal.signal(number, signal.SIG_DFL if self._before is None else self._before)
            os.kill(os.getpid(), number)
            return
        self._draining = True
        self._asked.put(None)  # may be called from a signal handler, unlike a lock or an event

    def _finish(self, grace: float, end: Callable[[], None]) -> None:
        """Wait for SIGTERM, then until calls are through or the grace is over, then end."""
        self._asked.get()
        deadline = time.monotonic() + grace
        while (left := deadline - time.monotonic()) > 0 and self.wait_idle(left):
            with self._turn:
                if not self._turn.wait_for(lambda: self._under_way > 0, SETTLE):
                    break
        end()

    def _again(self) -> None:
        """Send the second SIGTERM, to the main thread: a handler runs only there, and a wait there has to end."""
        signal.pthread_kill(cast("int", threading.main_thread().ident), signal.SIGTERM)
