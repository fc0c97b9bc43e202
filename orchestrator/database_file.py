"""A SQLite database that somebody else writes: known by its first bytes, opened for reading.

Above: `rehearsal` copies such databases, `parity` reads them.  Below: sqlite3.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

MAGIC: Final = b"SQLite format 3\0"
SIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; it belongs to it and is never copied or compared by itself."""


def is_database(path: Path) -> bool:
    """Tell by its first bytes whether a file is a SQLite database; one that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def open_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """Open for reading; a database whose log nobody has open needs its shared memory made, which a reader may not.

    Args:
        path: the database.
        patience: seconds to wait for a writer that holds the file.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    place = path.absolute().as_uri()
    connection = sqlite3.connect(f"{place}?mode=ro", uri=True, timeout=patience, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
            raise
        return sqlite3.connect(f"{place}?mode=rw", uri=True, timeout=patience, isolation_level=None)
    return connection
