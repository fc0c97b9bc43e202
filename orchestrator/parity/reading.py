"""Reads a worker's state from its directory, each database in one transaction; what is too much is said, not skipped.

Above: `orchestrator.paritying`.  Below: `scrub`, `database_file`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.database_file import SIDE, is_database, open_to_read
from orchestrator.parity.scrub import UUID, Scrubber
from orchestrator.parity.values import Table, Tree

BUSY: Final = 5.0
"""Seconds to wait for a writer."""
LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
TEXT_BYTES: Final = 4 << 20
"""Bytes of a file up to which times in it are looked for; a longer one is compared byte by byte."""
CHUNK: Final = 1 << 20
"""Bytes of a longer file that are read at once."""
MOST_IDS: Final = 200_000
"""Ids of the snapshot that are remembered; further ones count as new."""
OWN: Final = (
    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"  # `_` is any character
)
"""What somebody made in a database, and not SQLite itself."""
VERSION: Final = "user_version"
"""Number in a database by which many programs know how far they have migrated its schema."""
UNSELECTED: Final = 1
"""How SQLite marks a virtual table's hidden column, which `SELECT *` leaves out."""


class ReadingError(Exception):
    """A state cannot be read; the message says what."""


class BusyError(ReadingError):
    """A state cannot be read now, as somebody holds a database of it locked."""


@dataclass(slots=True)
class Reader:
    """Reads states.

    Attributes:
        ignored: patterns of files, `file:table` and `file:table.column` that are not compared.
        most_rows: rows that are read at most, of all tables.
        ids: where ids that are read are gathered, None where they are not.
    """

    ignored: Sequence[str] = ()
    most_rows: int = 500_000
    ids: set[str] | None = None
    _left: int = field(default=0, init=False)

    def read(self, root: Path, scrubber: Scrubber) -> Tree:
        """Read a state.

        Raises:
            BusyError: a database is held locked for longer than `BUSY`.
            ReadingError: a file or database cannot be read.
        """
        tree = Tree()
        self._left = self.most_rows
        try:
            for path in _files(root):
                name = str(path.relative_to(root))
                if not self._is_ignored(name):
                    self._one(path, root, scrubber, tree)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in LOCKED:
                raise BusyError(f"{root}: {error}, for longer than {BUSY:g} s") from error
            raise ReadingError(f"{root}: {error}") from error
        if self._left < 0:
            tree.bound = f"there are more than {self.most_rows} rows (parity.rows)"
        return tree

    def _one(self, path: Path, root: Path, scrubber: Scrubber, tree: Tree) -> None:
        name = str(path.relative_to(root))
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                tree.files[name] = f"-> {_target(path, root)}"
            elif stat.S_ISREG(mode):
                if is_database(path):
                    self._database(path, name, scrubber, tree)
                elif not name.endswith(SIDE):
                    tree.files[name] = _content(path, scrubber)
        except FileNotFoundError:
            return  # gone while we read; the other state will show whether that matters

    def _database(self, path: Path, name: str, scrubber: Scrubber, tree: Tree) -> None:
        with closing(open_to_read(path, BUSY)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if not self._is_ignored(place := f"{name}:{VERSION}"):
                tree.files[place] = str(version)
            for kind, table, sql in connection.execute(OWN).fetchall():
                place = f"{name}:{table}"
                if self._is_ignored(place):
                    continue
                tree.tables[place] = one = Table(" ".join(str(sql).split()))
                if kind == "table" and not str(sql).upper().startswith("CREATE VIRTUAL"):
                    self._table(connection, str(table), place, one, scrubber)

    def _table(self, connection: sqlite3.Connection, table: str, place: str, one: Table, scrubber: Scrubber) -> None:
        quoted = '"' + table.replace('"', '""') + '"'
        listed = connection.execute(f"PRAGMA table_xinfo({quoted})")  # `table_info` does not list generated columns
        known = [row for row in listed.fetchall() if row[6] != UNSELECTED]
        columns = [str(row[1]) for row in known]
        keys = [at for _, at in sorted((row[5], at) for at, row in enumerate(known) if row[5])]
        wanted = [at for at, column in enumerate(columns) if not self._is_ignored(f"{place}.{column}")]
        one.columns, one.keys = tuple(columns[at] for at in wanted), tuple(columns[at] for at in keys)
        for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - a name of this very database
            self._left -= 1
            if self._left < 0:
                return
            if self.ids is not None and len(self.ids) < MOST_IDS:
                self.ids.update(one.lower() for cell in row if isinstance(cell, str) for one in UUID.findall(cell))
            cells = [scrubber.value(cell) for cell in row]
            shown = tuple(cells[at] for at in wanted)
            key = ", ".join(cells[at] for at in keys) if keys else ", ".join(shown)
            one.rows.setdefault(key, []).append(shown)
        for rows in one.rows.values():
            if len(rows) > 1:
                rows.sort()

    def _is_ignored(self, place: str) -> bool:
        return any(fnmatch.fnmatchcase(place, pattern) for pattern in self.ignored)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        links = [name for name in folders if Path(folder, name).is_symlink()]  # to directories; they are not followed
        yield from (Path(folder, name) for name in sorted([*names, *links]))


def _target(link: Path, root: Path) -> Path:
    """Return where a link points to; into the state itself it is told without where that is, as each has its own."""
    place = link.readlink()
    return place.relative_to(root) if place.is_absolute() and place.is_relative_to(root) else place


def _content(path: Path, scrubber: Scrubber) -> str:
    """Return what stands for a file's content; a long one is never held whole."""
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        body = file.read(TEXT_BYTES + 1)
        if len(body) <= TEXT_BYTES and b"\0" not in body:
            with contextlib.suppress(UnicodeDecodeError):
                body = "\n".join(scrubber.text(line) for line in body.decode().split("\n")).encode()
        size = 0
        while body:
            digest.update(body)
            size += len(body)
            body = file.read(CHUNK)
    return f"{size} bytes, {digest.hexdigest()}"
