"""SQLite databases of a worker: found, examined, and copied as they stand at one moment while the worker writes.

Above: `preflight`, `snapshot`.  Below: `database_file`; https://www.sqlite.org/backup.html.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestrator.database_file import is_database, open_to_read

BUSY: Final = 10.0
"""Seconds to wait for a writer that holds the file."""
STEP_PAGES: Final = 512
PATIENCE: Final = 5.0
"""Seconds a database without a write-ahead log is copied in steps, which every write begins anew; then it is copied at
once, and its writers wait."""
INSTRUCTIONS: Final = 100_000
"""Steps of SQLite's machine between two looks at the clock."""


class DatabaseError(Exception):
    """A database cannot be read, or is damaged; the message names it."""


def databases(tree: Path) -> Iterator[Path]:
    """Yield the databases below a directory."""
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink() and is_database(path):
            yield path


def examine(path: Path, seconds: float) -> str | None:
    """Run SQLite's quick check.

    Args:
        path: the database.
        seconds: how long it may take.

    Returns:
        None when it is well, what is wrong otherwise.

    Raises:
        TimeoutError: it did not end in time.
    """
    until = time.monotonic() + seconds
    try:
        with closing(open_to_read(path, BUSY)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise TimeoutError from error
        return str(error)
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database with what its write-ahead log holds, as it stands at one moment, and examine the copy.

    Raises:
        DatabaseError: it cannot be read or written, or the copy is damaged.
    """
    try:
        with closing(open_to_read(source, BUSY)) as reading, closing(sqlite3.connect(target)) as writing:
            _back_up(reading, writing)
    except sqlite3.Error as error:
        raise DatabaseError(f"{source} cannot be copied: {error}") from error
    trouble = examine(target, float("inf"))
    if trouble is not None:
        raise DatabaseError(f"the copy of {source} is damaged: {trouble}")


def _back_up(reading: sqlite3.Connection, writing: sqlite3.Connection) -> None:
    """Copy all pages in one read, under which a write-ahead log lets writers go on; else in steps, while they last."""
    (mode,) = reading.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        with contextlib.suppress(_ImpatientError):
            reading.backup(writing, pages=STEP_PAGES, progress=_patience(PATIENCE), sleep=0)
            return
    reading.backup(writing, pages=-1)


class _ImpatientError(Exception):
    """Writers kept beginning the copy anew."""


def _patience(seconds: float) -> Callable[[int, int, int], None]:
    until = time.monotonic() + seconds

    def look(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > until:
            raise _ImpatientError

    return look
