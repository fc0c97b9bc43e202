"""One SQLite connection to the task store: opening, transactions, errors in plain words.

Several processes may have the same file open (an active generation and a canary), so every write is one IMMEDIATE
transaction that takes the write lock before it reads, and waits for it a bounded time.  Above it stands `store`,
below it `schema.sql`, the additions to it, and `examples.sql`.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Final, Literal

FILE_NAME: Final = "tasks.db"
LAYOUT: Final = 1
"""Version of `schema.sql`, kept in the file's `user_version`; 0 is an empty file.

It rises only when a worker of the version before could no longer work on the file.  Everything else is an addition.
"""

ADDITIONS: Final = ("addition_1.sql",)
"""What was added to the layout since, in order; the table `addition` says which of them a file has.

A canary and the active worker have one file open at the same time, and either may be started again at any moment.  So
an addition only adds tables, and columns with defaults, which a worker that does not know them neither reads nor loses.
"""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's write; ours take milliseconds, so longer means that something is stuck."""


class StoreError(Exception):
    """The task store cannot be used; the message says why and what to do."""


class Database:
    """One connection, shared by the process's threads, one transaction at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._turn = threading.Lock()

    @classmethod
    def open(cls, directory: Path, now: datetime) -> Database:
        """Open the store in `directory`; make the directory, the tables and the examples if they are missing.

        Raises:
            StoreError: the directory or the file cannot be used, or another layout is in it.
        """
        path = directory / FILE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # Two processes that switch a new file to WAL at once fail with "database is locked", without waiting.
            with (directory / f"{FILE_NAME}.opening").open("w") as opening:
                fcntl.flock(opening, fcntl.LOCK_EX)
                return cls._open(path, now)
        except OSError as error:
            raise StoreError(
                f"the state directory {directory} cannot be used: {error.strerror}; make it writable or choose another"
            ) from error

    @classmethod
    def _open(cls, path: Path, now: datetime) -> Database:
        """Connect, set the connection up and make sure of the tables; the caller keeps other processes out."""
        try:
            # Autocommit, so that the only transactions are those begun below; a thread's turn is ours to give.
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _explained(error, path) from error
        database = cls(connection, path)
        try:
            database._prepare(now)
        except sqlite3.Error as error:
            connection.close()
            raise _explained(error, path) from error
        except BaseException:
            connection.close()
            raise
        return database

    def _prepare(self, now: datetime) -> None:
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.write() as connection:
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout not in {0, LAYOUT}:
                raise StoreError(
                    f"{self._path} has layout {layout}, this worker knows layout {LAYOUT}; "
                    "start the version that wrote it, or choose another state directory"
                )
            if layout == 0:
                for statement in (*_statements("schema.sql"), *_statements("examples.sql")):
                    connection.execute(statement, {"now": now.isoformat()} if ":now" in statement else ())
                connection.execute(f"PRAGMA user_version = {LAYOUT}")
            _add(connection, now)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Run the block on one consistent picture of the store.

        Raises:
            StoreError: SQLite failed.
        """
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one write: all of it or, when it raises, nothing.  No other process writes meanwhile.

        Raises:
            StoreError: SQLite failed, or another process kept the write lock for `BUSY_TIMEOUT` seconds.
        """
        with self._transaction("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                self._connection.execute(f"BEGIN {kind}")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise _explained(error, self._path) from error

    def check(self) -> str | None:
        """Have SQLite check the file; return what is wrong with it, None when nothing is."""
        try:
            with self.read() as connection:
                (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except StoreError as error:
            return str(error)
        return None if finding == "ok" else str(finding)

    def close(self) -> None:
        """Close the connection, after the transaction that is under way."""
        with self._turn:
            self._connection.close()


def _add(connection: sqlite3.Connection, now: datetime) -> None:
    """Make the additions that the file does not have; more than we know of do no harm."""
    connection.execute("CREATE TABLE IF NOT EXISTS addition (number INTEGER PRIMARY KEY, added TEXT NOT NULL) STRICT")
    (present,) = connection.execute("SELECT coalesce(max(number), 0) FROM addition").fetchone()
    for number, name in enumerate(ADDITIONS[present:], start=present + 1):
        for statement in _statements(name):
            connection.execute(statement)
        connection.execute("INSERT INTO addition (number, added) VALUES (?, ?)", (number, now.isoformat()))


def _statements(name: str) -> Iterator[str]:
    """Yield the statements of a packaged SQL file; `executescript` would commit our transaction."""
    statement = ""
    for line in resources.files("workers.reference").joinpath(name).read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _explained(error: sqlite3.Error, path: Path) -> StoreError:
    """Say in plain words what SQLite reported and what to do."""
    # Errors of the binding itself ("Cannot operate on a closed database") carry no code.
    advice = {
        sqlite3.SQLITE_BUSY: f"another process has been writing for {BUSY_TIMEOUT:g} s; try again",
        sqlite3.SQLITE_FULL: "free some space and try again",
        sqlite3.SQLITE_READONLY: "make it writable, or choose another state directory",
        sqlite3.SQLITE_CANTOPEN: "make its directory writable, or choose another state directory",
        sqlite3.SQLITE_CORRUPT: "put a copy back, or move it away to begin anew",
        sqlite3.SQLITE_NOTADB: "move it away to begin anew",
    }
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return StoreError(f"the task store {path} failed: {error}; {advice.get(code, 'see the log, then try again')}")
