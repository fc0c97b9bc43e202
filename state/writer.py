"""The one thread that works on a database, and how the event loop hands it work.

Reads go the same way as writes.  That gives every caller its own writes back and one order of everything, and needs no
second connection; the price, waiting behind a write's fsync, is milliseconds, and nobody on the hot path reads here.

Above stand `desired`, `audit` and `journal`; below is the connection that `database` opened in this thread, held to its
file's name by `held_file`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, Self, TypeVar

from state.errors import StoreClosedError, translated
from state.held_file import HeldFile

T = TypeVar("T")

QUEUE_LIMIT = 1024
"""Pieces of work that may wait for the thread; who comes later waits on the loop until there is room."""


class _Job(NamedTuple):
    """One piece of work and where its outcome goes."""

    work: Callable[[sqlite3.Connection], Any]
    outcome: asyncio.Future[Any]


class Writer:
    """One daemon thread with one connection, carrying out work strictly in order.

    It belongs to the event loop it was opened on (asyncio or uvloop) and never blocks it.  When that loop is gone, work
    already handed over is still carried out and its outcome dropped.

    Attributes:
        path: the database.
        restored: how often its file was put back since it was opened.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Use `Writer.open`."""
        self.path = path
        self.restored = 0
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._room = asyncio.Semaphore(limit)
        self._stopped = False
        self._ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(cls, path: Path, connect: Callable[[Path], sqlite3.Connection], *, limit: int = QUEUE_LIMIT) -> Self:
        """Start the thread and have it open its connection.

        Args:
            path: the database.
            connect: opens it; called in the new thread.
            limit: pieces of work that may wait.

        Raises:
            StorageError: what `connect` raises; no thread is left then.
        """
        self = cls(path, limit)
        opened: asyncio.Future[None] = self._loop.create_future()
        Thread(target=self._serve, args=(connect, opened), name=f"writer-{path.name}", daemon=True).start()
        try:
            await opened
        except BaseException:
            self.stop()  # also when the caller was cancelled meanwhile: the thread must not stay behind
            raise
        return self

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have the thread carry out `work` after everything handed over before, and return what it returns.

        A caller that is cancelled stops waiting; its work is carried out all the same.

        Raises:
            StoreClosedError: the writer was stopped.
            StorageError: SQLite refused, or the file is no longer under its name; what else `work` raises comes through
                unchanged.
        """
        await self._room.acquire()
        if self._stopped:
            self._room.release()
            raise StoreClosedError(self.path)
        outcome: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, outcome))
        return await outcome

    async def look(self) -> int:
        """See that the file is still under its name, and put it back if it was removed, as every piece of work does.

        Returns:
            How often it was put back since it was opened.

        Raises:
            StorageError: it cannot be put back, or another file is there.
        """
        await self.run(lambda _: None)
        return self.restored

    def stop(self) -> None:
        """Take no more work; the thread closes the connection after what it already has.  Does not wait."""
        if not self._stopped:
            self._stopped = True
            self._jobs.put(None)

    async def close(self) -> None:
        """Stop and wait until everything handed over is done and the file is closed; may be called again."""
        self.stop()
        await asyncio.shield(self._ended)

    def _serve(self, connect: Callable[[Path], sqlite3.Connection], opened: asyncio.Future[None]) -> None:
        """Be the thread."""
        try:
            with closing(HeldFile(self.path, connect)) as file:
                self._tell(_settle, opened, None, None)
                while (job := self._jobs.get()) is not None:
                    outcome = _attempt(job.work, file, self.path)
                    self.restored = file.restored
                    self._tell(self._finish, job.outcome, *outcome)
        except BaseException as error:  # noqa: BLE001 - only opening and closing raise here; who waits to open gets it
            self._tell(_settle, opened, None, error)
        finally:
            self._tell(_settle, self._ended, None, None)

    def _finish(self, outcome: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
        self._room.release()
        _settle(outcome, value, error)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        """Call back on the loop; a closed loop has nobody left who waits."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def _attempt(work: Callable[[sqlite3.Connection], Any], file: HeldFile, path: Path) -> tuple[Any, BaseException | None]:
    try:
        with translated(path):
            return work(file.connection()), None
    except BaseException as error:  # noqa: BLE001 - the thread serves the next one, the caller gets the error
        return None, error


def _settle(outcome: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if outcome.done():  # its caller was cancelled
        return
    if error is None:
        outcome.set_result(value)
    else:
        outcome.set_exception(error)
