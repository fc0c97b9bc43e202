"""The journal in SQLite: append only, durable when `append` returns, checked when it is opened.

Fits `orchestrator.domain.ports.Journal` by structure; `memory.MemoryJournal` is its twin.  A journal that is corrupt
is never repaired or skipped over in silence: opening refuses, and whoever opens decides to `set_aside` the file and go
on with a fresh one.  What cannot be noticed is a -wal file that was removed, cut or
damaged while no daemon ran: SQLite takes the log to end there.

Above stands the daemon, below are `writer` and `sql/journal/`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

from state import statements
from state.database import connect, used_bytes
from state.entries import check_text
from state.errors import CorruptStoreError, StorageError, StorageFullError, translated
from state.files import set_aside
from state.records import JournalRecord, check_limit, checksum
from state.writer import Writer

__all__ = ["BYTES_KEPT", "RECORDS_KEPT", "SqliteJournal", "set_aside"]

RECORDS_KEPT = 100_000
"""Newest records that are kept."""

BYTES_KEPT = 64 << 20
"""Bytes of newest records that are kept: hundreds of rollouts, and read through in a second or two from a slow disk."""

LEAST_KEPT = 256
"""Newest records that are kept however long they are."""

PRUNE_EVERY = 256
"""Appends between two looks at whether there is too much."""

PRUNED = 2048
"""Records removed at one look at most, so that neither opening nor an append ever waits long for it."""

EXAMINED = 2 * BYTES_KEPT
"""Bytes up to which opening reads all of the file; of a longer one (an older version's) only what is used is checked,
record by record."""

_SQL = statements.named("journal")


class SqliteJournal:
    """The rollout's memory.

    A write that fails stores nothing and uses up no number; the next one is tried as if it had never been.
    """

    def __init__(self, writer: Writer, wall: Callable[[], float], prune: Callable[[sqlite3.Connection], None]) -> None:
        """Use `SqliteJournal.open`."""
        self._writer = writer
        self._wall = wall
        self._prune = prune

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        wall: Callable[[], float] = time.time,
        keep: int = RECORDS_KEPT,
        keep_bytes: int = BYTES_KEPT,
    ) -> Self:
        """Open `path`, creating or migrating it, check it and prune it; it is pruned from time to time from then on.

        Args:
            path: the database file.
            wall: seconds since the Unix epoch, for the records.
            keep: newest records to keep.
            keep_bytes: bytes of newest records to keep, about.

        Raises:
            CorruptStoreError: it is no database, a damaged one, or its last record is not what was written.
            SchemaTooNewError: a newer version of this program wrote it.
            StorageError: it cannot be opened or written.
        """
        scripts = statements.migrations("journal")
        writer = await Writer.open(path, partial(_connect, scripts))
        prune = partial(_prune, keep, keep_bytes)
        try:
            with suppress(StorageFullError):  # a longer journal than wanted is no reason to refuse
                await writer.run(prune)
        except BaseException:
            writer.stop()
            raise
        return cls(writer, wall, prune)

    async def append(self, record: str) -> int:
        """Store one JSON record, durable on return, and return its sequence number.

        Raises:
            ValueError: `record` is not valid Unicode.
            StorageError: the record is not stored (disk full, read-only, ...), and why.
        """
        check_text("a record", record)
        seq = await self._writer.run(partial(_append, float(self._wall()), record))
        if seq % PRUNE_EVERY == 0:
            with suppress(StorageError):  # the record is stored; the next look tries again
                await self._writer.run(self._prune)
        return seq

    async def last(self) -> str | None:
        """Return the newest record, None when there is none.

        Raises:
            CorruptStoreError: it is not what was written.
            StorageError: it cannot be read.
        """
        newest = await self.tail(1)
        return newest[0].record if newest else None

    async def tail(self, limit: int) -> Sequence[JournalRecord]:
        """Return up to `limit` records, newest first.

        Raises:
            ValueError: `limit` is below 1.
            CorruptStoreError: one of them is not what was written.
            StorageError: they cannot be read.
        """
        return await self.page(limit)

    async def page(self, limit: int, before: int | None = None) -> Sequence[JournalRecord]:
        """Return up to `limit` records, newest first.

        Args:
            limit: at least 1.
            before: only records with a smaller number: the last one's of the page before, None for the newest.

        Raises:
            ValueError: `limit` is below 1.
            CorruptStoreError: one of them is not what was written.
            StorageError: they cannot be read.
        """
        check_limit(limit)
        return await self._writer.run(partial(_page, self._writer.path, limit, before))

    async def look(self) -> int:
        """See that the file is still under its name, and put it back whole if it was removed; return how often it was.

        Raises:
            StorageError: it cannot be put back, or another file is there.
        """
        return await self._writer.look()

    async def close(self) -> None:
        """Finish what was handed over and close the file."""
        await self._writer.close()


def _connect(scripts: Sequence[str], path: Path) -> sqlite3.Connection:
    """Open the database and check its last record, from which recovery will start."""
    connection = connect(path, scripts, examined=EXAMINED)
    try:
        with translated(path):
            _page(path, 1, None, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _append(at: float, record: str, connection: sqlite3.Connection) -> int:
    # A single statement is its own transaction: one fsync of the -wal file.
    row = {"at": at, "record": record, "checksum": checksum(at, record)}
    return int(connection.execute(_SQL["append"], row).lastrowid or 0)


def _prune(keep: int, keep_bytes: int, connection: sqlite3.Connection) -> None:
    """Remove the oldest records of more than are wanted; how long a record is, is taken from their mean."""
    first, last = connection.execute(_SQL["extent"]).fetchone()
    if first is None:
        return
    records = last - first + 1
    fit = int(keep_bytes * records / max(1, used_bytes(connection)))
    most = min(keep, max(fit, LEAST_KEPT))
    if records > most:
        connection.execute(_SQL["prune"], {"upto": min(last - most, first + PRUNED - 1)})


def _page(path: Path, limit: int, before: int | None, connection: sqlite3.Connection) -> list[JournalRecord]:
    found = []
    for seq, at, record, digest in connection.execute(_SQL["page"], {"limit": limit, "before": before}).fetchall():
        if checksum(at, record) != digest:
            raise CorruptStoreError(path, f"record {seq} is not what was written (its checksum differs)")
        found.append(JournalRecord(seq, at, record))
    return found
