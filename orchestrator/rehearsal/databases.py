"""SQLite databases of a worker: found, examined, and copied as they stand at one moment while the worker writes.

Above: `preflight`, `snapshot`.  Below: sqlite3; https://www.sqlite.org/backup.html.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

MAGIC: Final = b"SQLite format 3\0"
SIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; it belongs to it and is never copied by itself."""
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


def is_database(path: Path) -> bool:
    """Tell by its first bytes whether a file is a SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


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
        with closing(_open(path)) as connection:
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
        with closing(_open(source)) as reading, closing(sqlite3.connect(target)) as writing:
            _back_up(reading, writing)
    except sqlite3.Error as error:
        raise DatabaseError(f"{source} cannot be copied: {error}") from error
    trouble = examine(target, float("inf"))
    if trouble is not None:
        raise DatabaseError(f"the copy of {source} is damaged: {trouble}")


def _open(path: Path) -> sqlite3.Connection:
    """Open for reading; a database whose log nobody has open needs its shared memory made, which a reader may not."""
    place = path.absolute().as_uri()
    connection = sqlite3.connect(f"{place}?mode=ro", uri=True, timeout=BUSY, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
            raise
        return sqlite3.connect(f"{place}?mode=rw", uri=True, timeout=BUSY, isolation_level=None)
    return connection


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
