"""One SQLite file: opened durably, examined, brought to the present schema.

Above stands `writer`, in whose thread everything here runs and with whom the connection stays (so sqlite3's own check
of the thread is left on); below are `files` and `statements`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from state.errors import CorruptStoreError, SchemaTooNewError, StorageError, translated
from state.files import ensure_private_file, refuse_orphaned_wal

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program (a backup, a person's shell) that holds the file's lock."""

WAL_LIMIT = 4 * 1024 * 1024
"""Bytes the -wal file is cut back to after a checkpoint, so that one burst does not keep the space for ever."""


def connect(path: Path, scripts: Sequence[str], *, examined: int | None = None) -> sqlite3.Connection:
    """Open a database for durable writing and bring it to the present schema; create it when it is missing.

    WAL with `synchronous=FULL`: a transaction that returned is on the disk, whatever dies afterwards.

    Args:
        path: the file; its directory exists.
        scripts: the migrations, oldest first.
        examined: bytes in use up to which every page is read once; a longer file is opened without.  None: whatever
            its length.

    Raises:
        CorruptStoreError: it is no database, or a damaged one.
        SchemaTooNewError: a newer version of this program wrote it.
        StorageError: it cannot be opened or written.
    """
    refuse_orphaned_wal(path)
    ensure_private_file(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        with translated(path):
            _refuse_newer(connection, path, len(scripts))
            _configure(connection, path)
            if examined is None or used_bytes(connection) <= examined:
                _examine(connection, path)
            migrate(connection, path, scripts)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Make what happens inside one durable write, or nothing at all; of kind DEFERRED it only reads one moment."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    """Give up a transaction without hiding why."""
    if connection.in_transaction:  # a full disk makes SQLite roll back by itself
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> int:
    """Run the migrations a database has not seen, each in its own transaction with its number.

    Returns:
        How many were run; 0 when the database was up to date.

    Raises:
        SchemaTooNewError: the database knows more migrations than there are scripts.
        StorageError: a script does not fit what is in the file; nothing of it was done.
        sqlite3.Error: the disk refused; likewise.
    """
    known = _refuse_newer(connection, path, len(scripts))
    for number, script in enumerate(scripts[known:], start=known + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error as error:
            _roll_back(connection)
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
                # Not called corrupt: that would have the daemon set a healthy file aside.
                what = f"migration {number} does not fit what is in this file ({error})"
                raise StorageError(path, what, "move the file away if it belongs to another program") from error
            raise
    return len(scripts) - known


def _version(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration, 0 for a new database."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def _refuse_newer(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return the schema's number, refusing an impossible one and one from the future: its rules are unknown here."""
    found = _version(connection)
    if found < 0:
        raise CorruptStoreError(path, f"it has schema {found}, which no version writes")
    if found > newest:
        raise SchemaTooNewError(path, f"it has schema {found}, this version knows up to {newest}")
    return found


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    """Set what a connection must have before its first write."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        mend = "put the state directory on a local disk; some network file systems cannot share memory"
        raise StorageError(path, f"the file system allows no write-ahead log (got {mode!r})", mend)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of a database are in use; what was removed stays in the file, to be used again."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    """Read every page once: half a second for 720 MB that the kernel holds, else as long as the disk takes."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise CorruptStoreError(path, str(verdict))
