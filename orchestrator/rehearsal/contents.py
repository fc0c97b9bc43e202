"""How much a state holds: rows of every table, bytes of every other file.

By this one sees that old code, which answers well on what the new code left, has lost its data there: most servers make
the tables they miss.  Above: `shadow_run`.  Below: `databases`, `database_file`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestrator.database_file import SIDE, is_database, open_to_read
from orchestrator.rehearsal.databases import BUSY

MADE: Final = (
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"  # `_` is any character
)
"""What somebody made in a database, and not SQLite itself."""
Contents = Mapping[str, int]
"""Rows by `file:table`, bytes by the path of any other file; what holds nothing is not in it."""


def contents(state: Path) -> Contents:
    """Return what a state holds; what cannot be read holds nothing, and that it is damaged others say."""
    found: dict[str, int] = {}
    for path in sorted(state.rglob("*")):
        name = str(path.relative_to(state))
        with contextlib.suppress(OSError, sqlite3.Error):
            if path.is_symlink() or not path.is_file() or name.endswith(SIDE):
                continue
            if is_database(path):
                found |= {f"{name}:{table}": rows for table, rows in _tables(path)}
            else:
                found[name] = path.stat().st_size
    return {name: held for name, held in found.items() if held}


def lost(before: Contents, alone: Contents, handed: Contents, after: Contents) -> Iterator[str]:
    """Yield what old code keeps by itself, and is missing where new code was at it first.

    Args:
        before: the snapshot that both began with.
        alone: what the old code leaves of it.
        handed: what the new code leaves of it.
        after: what the old code leaves of that; it may have made again what can be made again.
    """
    for name in sorted(before.keys() & alone.keys() - handed.keys()):
        if after.get(name, 0) < before[name]:
            yield name


def _tables(path: Path) -> Iterator[tuple[str, int]]:
    with closing(open_to_read(path, BUSY)) as connection:
        for (table,) in connection.execute(MADE).fetchall():
            quoted = '"' + str(table).replace('"', '""') + '"'
            with contextlib.suppress(sqlite3.Error):  # a virtual table whose module is not here, a view of what is gone
                (rows,) = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()  # noqa: S608 - a name of its own
                yield str(table), int(rows)
