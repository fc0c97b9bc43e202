"""Watching: every change after a revision, in order, without gaps, for ever.

The twins differ only in how a slice of the change log is read; resuming, waiting and noticing that the log was pruned
are the same code.  Above stand `desired` and `memory`; below is only the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock

from state.entries import StoredEntry

BATCH = 256
"""Store revisions read at once: bounds the memory of a watch that starts far back."""

Read = Callable[[int], Awaitable[Sequence[StoredEntry]]]
"""Reads the changes of up to `BATCH` revisions after one, whole revisions only; raises CompactedError."""


class Bell:
    """Tells every watch that something changed; may be rung in any thread.

    It is rung where the change is made and not where the caller waits for it: a cancelled caller's change is seen too.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self) -> None:
        """Wake all who listen."""
        with self._lock:
            listeners = tuple(self._listeners)
        for loop, event in listeners:
            with suppress(RuntimeError):  # that loop is closed: nobody waits there
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """Give an event that is set at every ring."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)


async def follow(read: Read, bell: Bell, prefix: str, from_revision: int) -> AsyncGenerator[StoredEntry, None]:
    """Yield every change of keys under `prefix` after `from_revision`, in order of revision and key, for ever.

    Raises:
        CompactedError: changes that were not yet yielded have been pruned.
        StoreClosedError: the store was closed.
    """
    position = from_revision
    with bell.listen() as rung:
        while True:
            rung.clear()  # before reading: a change made meanwhile rings again
            changes = await read(position)
            for change in changes:
                if change.key.startswith(prefix):
                    yield change
            if changes:
                position = changes[-1].modified
            else:
                await rung.wait()
