"""`samples.db`: what was measured, the looks at it, and what the guard knew last.

Not as durable as the journal and not meant to be: WAL with `synchronous=NORMAL` survives the daemon's death whole, and
a power cut may cost the last moments.  Rows come in batches and go by age and number, so the file is bounded.  Above
stands `orchestrator.sampling`, below are `writer`, `database` and `sql/samples/`; `memory_samples` is the twin.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from state import statements
from state.database import connect, transaction
from state.records import check_limit
from state.sample_rows import Asked, LookRow, PairRow, Row, SampleRow, SummaryRow, rollout_of
from state.writer import Writer

PAGE = 5_000
"""Rows read or removed at a time: some 20 ms of the writer's thread, behind which batches wait."""

SUMMED = 200_000
"""Newest samples that a summary looks at."""

_SQL = statements.named("samples")


class SqliteSampleStore:
    """The open file."""

    def __init__(self, writer: Writer, wall: Callable[[], float]) -> None:
        """Use `SqliteSampleStore.open`."""
        self._writer = writer
        self._wall = wall

    @classmethod
    async def open(cls, path: Path, *, wall: Callable[[], float] = time.time) -> Self:
        """Open `path`, creating or migrating it.

        Args:
            path: the database file.
            wall: seconds since the Unix epoch, for checkpoints.

        Raises:
            CorruptStoreError: it is no database, or a damaged one.
            SchemaTooNewError: a newer version of this program wrote it.
            StorageError: it cannot be opened or written.
        """
        return cls(await Writer.open(path, partial(_connect, statements.migrations("samples"))), wall)

    async def add(self, rows: Sequence[Row]) -> None:
        """Store samples and pairs in the order given, all or none.

        Raises:
            StorageError: none is stored.
        """
        await self._writer.run(partial(_add, rows))

    async def export(self, asked: Asked) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows that are wanted in the order in which they were told, a page at a time.

        Raises:
            StorageError: they cannot be read.
        """
        after = 0
        while page := await self._writer.run(partial(_page, asked, after)):
            yield [row for _, row in page]
            after = page[-1][0]

    async def summary(self, since: float = 0.0) -> Sequence[SummaryRow]:
        """Sum up the newest samples of each generation told since then.

        Raises:
            StorageError: they cannot be read.
        """
        return await self._writer.run(partial(_summary, since))

    async def prune(self, *, before: float, keep: int) -> int:
        """Remove a page of what is older than `before` or beyond the newest `keep` rows; return how many there were.

        Raises:
            StorageError: nothing was removed.
        """
        return await self._writer.run(partial(_prune, before, keep))

    async def add_look(self, look: str, epoch: str, at: float, verdict: str) -> int:
        """Store a look (JSON text) and return its number.

        Raises:
            StorageError: it is not stored.
        """
        row = {"look": look, "epoch": epoch, "rollout": rollout_of(epoch), "at": at, "verdict": verdict}
        return await self._writer.run(lambda connection: connection.execute(_SQL["add_look"], row).lastrowid or 0)

    async def looks(
        self, *, limit: int, epoch: str = "", rollout: str = "", before: int | None = None
    ) -> Sequence[LookRow]:
        """Return up to `limit` looks, newest first.

        Args:
            limit: at least 1.
            epoch: only this epoch's, "" for all.
            rollout: only this rollout's, "" for all.
            before: only those with a smaller number.

        Raises:
            ValueError: `limit` is below 1.
            StorageError: they cannot be read.
        """
        check_limit(limit)
        asked = {"limit": limit, "epoch": epoch, "rollout": rollout, "before": before or 0}
        return await self._writer.run(partial(_looks, asked))

    async def checkpoint(self, epoch: str, blob: bytes) -> None:
        """Keep what the guard knows of an epoch instead of what it knew before.

        Raises:
            StorageError: what was kept before stays.
        """
        row = {"epoch": epoch, "at": self._wall(), "checkpoint": blob}
        await self._writer.run(lambda connection: connection.execute(_SQL["checkpoint"], row))

    async def last_checkpoint(self, epoch: str) -> bytes | None:
        """Return what was kept of an epoch last, None when nothing was.

        Raises:
            StorageError: it cannot be read.
        """
        return await self._writer.run(partial(_last_checkpoint, epoch))

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
    connection = connect(path, scripts)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _add(rows: Sequence[Row], connection: sqlite3.Connection) -> None:
    with transaction(connection):
        (head,) = connection.execute(_SQL["head"]).fetchone()
        numbered = list(enumerate(rows, start=head + 1))
        samples = [(seq, *row) for seq, row in numbered if isinstance(row, SampleRow)]
        pairs = [(seq, *row) for seq, row in numbered if isinstance(row, PairRow)]
        connection.executemany(_SQL["add_sample"], samples)
        connection.executemany(_SQL["add_pair"], pairs)


def _page(asked: Asked, after: int, connection: sqlite3.Connection) -> list[tuple[int, Row]]:
    terms = {"after": after, "since": asked.since, "until": asked.until, "rollout": asked.rollout, "limit": PAGE}
    found: list[tuple[int, Row]] = []
    for seq, *cells in connection.execute(_SQL["samples"], terms):
        row = SampleRow(*cells)
        found.append((seq, row._replace(treated=None if row.treated is None else bool(row.treated))))
    found += [(seq, PairRow(*cells)) for seq, *cells in connection.execute(_SQL["pairs"], terms)]
    return sorted(found, key=lambda numbered: numbered[0])[:PAGE]


def _summary(since: float, connection: sqlite3.Connection) -> list[SummaryRow]:
    rows = connection.execute(_SQL["summary"], {"since": since, "limit": SUMMED})
    return [
        SummaryRow(generation, calls, failed or 0, *numbers)
        for generation, calls, failed, *numbers in rows
        if calls or numbers[-1] is not None
    ]


def _prune(before: float, keep: int, connection: sqlite3.Connection) -> int:
    terms: Mapping[str, float] = {"before": before, "keep": keep, "limit": PAGE}
    with transaction(connection):
        removed = [connection.execute(_SQL[f"prune_{kind}"], terms).rowcount for kind in ("samples", "pairs")]
        for kind in ("evidence", "looks"):
            connection.execute(_SQL[f"prune_{kind}"], {"before": before})
    return sum(removed)


def _looks(asked: Mapping[str, object], connection: sqlite3.Connection) -> list[LookRow]:
    return [LookRow(*cells) for cells in connection.execute(_SQL["looks"], asked)]


def _last_checkpoint(epoch: str, connection: sqlite3.Connection) -> bytes | None:
    row = connection.execute(_SQL["last_checkpoint"], {"epoch": epoch}).fetchone()
    return None if row is None else bytes(row[0])
