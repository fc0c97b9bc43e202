"""A database that is open, held to its name: one that is removed under the open connection is put back whole.

SQLite goes on in a file without a name as if nothing were amiss, and all of it is gone with the last connection.  That
connection still has everything, so nothing needs to be lost.  A file that somebody put in its place is theirs, and is
never written over; no work is done then, for its outcome would be lost.

Above stands `writer`, in whose thread everything here runs; below is what opens the connection, as a rule `database`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from state.errors import StorageError, StoreRemovedError, StoreReplacedError, from_os, translated
from state.files import SIDE_FILES, beside, ensure_private_file, sync_directory

AGAIN = 5.0
"""Seconds after an attempt to put a file back that failed before the next one: each writes all of it."""

Connect = Callable[[Path], sqlite3.Connection]


class HeldFile:
    """One connection and the file it was opened on.

    Attributes:
        restored: how often the file was put back.
    """

    def __init__(self, path: Path, connect: Connect) -> None:
        """Open `path`.

        Args:
            path: the database.
            connect: opens it.

        Raises:
            StorageError: what `connect` raises.
        """
        self.restored = 0
        self._path = path
        self._connect = connect
        self._connection = connect(path)
        self._identity = _identity(path)
        self._failed: tuple[float, StorageError] | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the connection, to a file that is under its name: one look at the directory, a microsecond or two.

        Raises:
            StoreReplacedError: another file is there now.
            StoreRemovedError: it was removed and cannot be put back.
        """
        if self._identity is None:  # in memory: there never was a file
            return self._connection
        found = _identity(self._path)
        if found == self._identity:
            return self._connection
        if found is not None:
            raise StoreReplacedError(self._path)
        self._put_back()
        return self._connection

    def close(self) -> None:
        """Close the connection; a file that was removed meanwhile stays so."""
        self._connection.close()

    def _put_back(self) -> None:
        now = time.monotonic()
        if self._failed is not None and now < self._failed[0] + AGAIN:
            raise self._failed[1]
        try:
            self._restore()
        except StoreReplacedError:
            raise
        except StorageError as error:
            removed = StoreRemovedError(self._path, error)
            self._failed = now, removed
            raise removed from error
        self._failed = None

    def _restore(self) -> None:
        """Write all that the connection has into a new file, give that the name, and go on with it.

        The side files go before it comes: they belong to the file that is gone, and SQLite would believe them.
        """
        with translated(self._path):
            fresh = _copy(self._connection, self._path)
            try:
                for side in SIDE_FILES[1:]:
                    beside(self._path, side).unlink(missing_ok=True)
                if self._path.exists():
                    raise StoreReplacedError(self._path)
                fresh.rename(self._path)
                sync_directory(self._path.parent)
            except OSError as error:
                raise from_os(self._path, "put the database file back", error) from error
            finally:
                fresh.unlink(missing_ok=True)
            connection = self._connect(self._path)
        before, self._connection = self._connection, connection
        before.close()  # it leaves the new side files alone: SQLite sees that its own file has moved
        self._identity = _identity(self._path)
        self.restored += 1


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other one, None when there is none; a number is not used again while open."""
    try:
        found = os.stat(path)  # noqa: PTH116 - with every piece of work, and a third of the time
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _copy(source: sqlite3.Connection, path: Path) -> Path:
    """Return a new file beside `path` with everything that `source` has, durable."""
    fresh = beside(path, ".restored")
    try:
        for side in SIDE_FILES:
            beside(fresh, side).unlink(missing_ok=True)
    except OSError as error:
        raise from_os(fresh, "remove what an earlier attempt left", error) from error
    ensure_private_file(fresh)
    try:
        with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            source.backup(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh
