"""`samples.db` without a file, for simulations and for tests of whoever stands above.

It behaves as `samples.SqliteSampleStore`, shown by one suite run against both.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from state.memory import BeforeWrite, let_through
from state.records import check_limit
from state.sample_rows import Asked, LookRow, PairRow, Row, SampleRow, SummaryRow, rollout_of

FAILED = ("error", "lost", "expired")
_Kind = TypeVar("_Kind", SampleRow, PairRow)


class MemorySampleStore:
    """`SqliteSampleStore` without a file."""

    def __init__(self, *, wall: Callable[[], float] = time.time, before_write: BeforeWrite = let_through) -> None:
        """Begin empty.

        Args:
            wall: seconds since the Unix epoch.
            before_write: called before each write.
        """
        self._wall = wall
        self._before_write = before_write
        self._writes = 0
        self._head = 0
        self._rows: list[tuple[int, Row]] = []
        self._looks: list[LookRow] = []
        self._evidence: dict[str, tuple[float, bytes]] = {}

    async def add(self, rows: Sequence[Row]) -> None:
        """Store samples and pairs in the order given."""
        await self._write()
        self._rows += enumerate(rows, start=self._head + 1)
        self._head += len(rows)

    async def export(self, asked: Asked) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows that are wanted in the order in which they were told."""
        await asyncio.sleep(0)
        wanted = [
            row
            for _, row in self._rows
            if asked.since <= row.at < asked.until and asked.rollout in ("", row.rollout)
        ]  # fmt: skip
        if wanted:
            yield wanted

    async def summary(self, since: float = 0.0) -> Sequence[SummaryRow]:
        """Sum up the samples of each generation told since then."""
        await asyncio.sleep(0)
        samples = [row for _, row in self._rows if isinstance(row, SampleRow) and row.at >= since]
        summed = [_summed(number, samples) for number in sorted({row.generation for row in samples})]
        return [row for row in summed if row.calls or row.memory is not None]

    async def prune(self, *, before: float, keep: int) -> int:
        """Remove what is older than `before` or beyond the newest `keep` rows of a kind; return how many there were."""
        await self._write()
        kept = [*self._kept(SampleRow, before, keep), *self._kept(PairRow, before, keep)]
        removed = len(self._rows) - len(kept)
        self._rows = sorted(kept, key=lambda numbered: numbered[0])
        self._looks = [look for look in self._looks if look.at >= before]
        self._evidence = {epoch: kept for epoch, kept in self._evidence.items() if kept[0] >= before}
        return removed

    async def add_look(self, look: str, epoch: str, at: float, verdict: str) -> int:
        """Store a look (JSON text) and return its number."""
        await self._write()
        self._looks.append(LookRow(len(self._looks) + 1, at, epoch, rollout_of(epoch), verdict, look))
        return len(self._looks)

    async def looks(
        self, *, limit: int, epoch: str = "", rollout: str = "", before: int | None = None
    ) -> Sequence[LookRow]:
        """Return up to `limit` looks, newest first; raises ValueError when `limit` is below 1."""
        check_limit(limit)
        await asyncio.sleep(0)
        wanted = [
            look
            for look in reversed(self._looks)
            if epoch in ("", look.epoch) and rollout in ("", look.rollout) and (before is None or look.seq < before)
        ]
        return wanted[:limit]

    async def checkpoint(self, epoch: str, blob: bytes) -> None:
        """Keep what the guard knows of an epoch instead of what it knew before."""
        await self._write()
        self._evidence[epoch] = self._wall(), blob

    async def last_checkpoint(self, epoch: str) -> bytes | None:
        """Return what was kept of an epoch last, None when nothing was."""
        await asyncio.sleep(0)
        return self._evidence[epoch][1] if epoch in self._evidence else None

    async def look(self) -> int:
        """Return how often a removed file was put back: never, for there is none."""
        return 0

    async def close(self) -> None:
        """Do nothing."""

    def _kept(self, kind: type[_Kind], before: float, keep: int) -> list[tuple[int, Row]]:
        rows = [(seq, row) for seq, row in self._rows if isinstance(row, kind)]
        newest = rows[-1][0] if rows else 0
        return [(seq, row) for seq, row in rows if row.at >= before and seq > newest - keep]

    async def _write(self) -> None:
        self._writes += 1
        self._before_write(self._writes)
        await asyncio.sleep(0)


def _summed(generation: int, samples: Sequence[SampleRow]) -> SummaryRow:
    mine = [row for row in samples if row.generation == generation]
    calls = sorted((row for row in mine if row.outcome is not None), key=lambda row: row.duration or 0.0)
    tokens = [float(found) for row in calls if (found := json.loads(row.metrics).get("tokens")) is not None]
    memory = [json.loads(row.metrics).get("memory") for row in mine if row.origin == "process"]
    count = len(calls)
    return SummaryRow(
        generation,
        count,
        sum(row.outcome in FAILED for row in calls),
        calls[(count + 1) // 2 - 1].duration if calls else None,
        calls[(count * 19 + 19) // 20 - 1].duration if calls else None,
        sum(tokens) / len(tokens) if tokens else None,
        memory[-1] if memory else None,
    )
