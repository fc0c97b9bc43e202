"""The twins that keep everything in memory: for simulations, and for tests of whoever stands above.

They behave as the SQLite ones do, shown by one suite run against both; a hook lets a test make any write fail.  Each
call gives the loop one turn, as the real ones do.
"""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from state.entries import CHANGES_KEPT, Change, StoredEntry, check_key, check_text, check_ttl
from state.errors import CompactedError, StorageError, StorageFullError
from state.records import JournalRecord, check_limit
from state.watching import BATCH, Bell, follow

IN_MEMORY = Path("(in memory)")
"""What errors name instead of a file."""

BeforeWrite = Callable[[int], None]
"""Called before the n-th write (1, 2, ...; refused ones count); what it raises, the write raises and stores nothing."""


def fail_on(*numbers: int, error: StorageError | None = None) -> BeforeWrite:
    """Return a hook that fails these writes, with a full disk unless told otherwise."""

    def before(number: int) -> None:
        if number in numbers:
            raise error or StorageFullError(IN_MEMORY, "the disk is full (injected)")

    return before


def let_through(_number: int) -> None:
    """Let every write succeed."""


class MemoryJournal:
    """`SqliteJournal` without a file."""

    def __init__(self, *, wall: Callable[[], float] = time.time, before_write: BeforeWrite = let_through) -> None:
        """Begin empty.

        Args:
            wall: seconds since the Unix epoch.
            before_write: called before each append.
        """
        self._wall = wall
        self._before_write = before_write
        self._attempts = 0
        self._records: list[JournalRecord] = []

    async def append(self, record: str) -> int:
        """Store one JSON record and return its sequence number; raises what the hook raises."""
        check_text("a record", record)
        self._attempts += 1
        self._before_write(self._attempts)
        self._records.append(JournalRecord(len(self._records) + 1, float(self._wall()), record))
        seq = len(self._records)
        await asyncio.sleep(0)
        return seq

    async def last(self) -> str | None:
        """Return the newest record, None when there is none."""
        await asyncio.sleep(0)
        return self._records[-1].record if self._records else None

    async def tail(self, limit: int) -> Sequence[JournalRecord]:
        """Return up to `limit` records, newest first; raises ValueError when `limit` is below 1."""
        return await self.page(limit)

    async def page(self, limit: int, before: int | None = None) -> Sequence[JournalRecord]:
        """Return up to `limit` records before a number, newest first; raises ValueError when `limit` is below 1."""
        check_limit(limit)
        await asyncio.sleep(0)
        older = self._records if before is None else self._records[: max(0, before - 1)]
        return older[: -limit - 1 : -1]

    async def close(self) -> None:
        """Do nothing."""


class MemoryDesiredState:
    """`SqliteDesiredState` without a file; every rule said there holds here."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        keep: int = CHANGES_KEPT,
        before_write: BeforeWrite = let_through,
    ) -> None:
        """Begin empty.

        Args:
            now: seconds of a clock that never goes back.
            keep: store revisions whose changes stay readable, at least 1.
            before_write: called before each transaction and each lease.
        """
        self._now = now
        self._keep = keep
        self._before_write = before_write
        self._attempts = 0
        self._revision = 0
        self._entries: dict[str, StoredEntry] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._changes: list[StoredEntry] = []
        self._bell = Bell()

    async def revision(self) -> int:
        """Return the store revision."""
        await asyncio.sleep(0)
        return self._revision

    async def get(self, key: str) -> StoredEntry | None:
        """Return a key's entry, None when it is absent or its lease lapsed."""
        check_key(key)
        entry = None if key in self._lapsed(self._now()) else self._entries.get(key)
        await asyncio.sleep(0)
        return entry

    async def range(self, prefix: str) -> Sequence[StoredEntry]:
        """Return the entries whose key starts with `prefix`, in key order."""
        check_text("a prefix", prefix)
        lapsed = self._lapsed(self._now())
        keys = sorted(key for key in self._entries if key.startswith(prefix) and key not in lapsed)
        entries = [self._entries[key] for key in keys]
        await asyncio.sleep(0)
        return entries

    async def txn(
        self,
        put: Mapping[str, str],
        *,
        delete: Collection[str] = (),
        expect: Mapping[str, int] | None = None,
        expect_created: Mapping[str, int] | None = None,
    ) -> int | None:
        """Write all or nothing; arguments, answer and errors as `SqliteDesiredState.txn`."""
        change = Change.checked(put, delete, expect, expect_created)
        self._begin_write()
        holds = change.holds({key: self._entries.get(key) for key in change.expected})
        revision = self._write(change.put, change.delete) if holds else None
        await asyncio.sleep(0)
        return revision

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[StoredEntry, None]:
        """Yield every change of keys under `prefix` after `from_revision`, in order, for ever."""
        return follow(self._changes_after, self._bell, prefix, from_revision)

    async def lease(self, key: str, holder: str, ttl: float) -> int | None:
        """Take or renew `key`; arguments, answer and errors as `SqliteDesiredState.lease`."""
        check_key(key)
        check_text("a holder", holder)
        check_ttl(ttl)
        now = self._begin_write()
        if key not in self._entries:
            self._write({key: json.dumps(holder)}, ())
            self._leases[key] = (holder, now + ttl)
        elif key in self._leases and self._leases[key][0] == holder:
            self._leases[key] = (holder, now + ttl)
        else:
            await asyncio.sleep(0)
            return None
        created = self._entries[key].created
        await asyncio.sleep(0)
        return created

    def _begin_write(self) -> float:
        """End the lapsed leases and return the time at which that was done."""
        self._attempts += 1
        self._before_write(self._attempts)
        now = self._now()
        self._write({}, self._lapsed(now))
        return now

    def _lapsed(self, now: float) -> frozenset[str]:
        return frozenset(key for key, (_, expires) in self._leases.items() if expires <= now)

    def _write(self, put: Mapping[str, str], delete: Iterable[str]) -> int:
        gone = {key: self._entries.pop(key) for key in delete if key in self._entries}
        if not put and not gone:
            return self._revision
        self._revision = revision = self._revision + 1
        changes = [StoredEntry(key, None, old.created, revision) for key, old in gone.items()]
        for key in gone:
            self._leases.pop(key, None)
        for key, value in put.items():
            old = self._entries.get(key)
            self._entries[key] = StoredEntry(key, value, old.created if old else revision, revision)
            changes.append(self._entries[key])
        self._changes += sorted(changes, key=lambda change: change.key)
        del self._changes[: self._position(revision - self._keep)]
        self._bell.ring()
        return revision

    def _position(self, after: int) -> int:
        """Return where the changes after a revision begin in the log."""
        return bisect_right(self._changes, after, key=lambda change: change.modified)

    async def _changes_after(self, after: int) -> Sequence[StoredEntry]:
        await asyncio.sleep(0)
        if self._changes and after + 1 < self._changes[0].modified:
            raise CompactedError(IN_MEMORY, after, self._changes[0].modified)
        return self._changes[self._position(after) : self._position(after + BATCH)]
