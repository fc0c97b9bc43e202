"""The desired state in SQLite: get, range, transactions with expectations, watch, lease.

Fits `orchestrator.domain.ports.DesiredState` by structure; `memory.MemoryDesiredState` is its twin and the tests run
the same suite against both.  Above stands the daemon, below are `writer` and `sql/orchestrator/`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Self

from state import statements
from state.database import transaction
from state.entries import CHANGES_KEPT, Change, StoredEntry, check_key, check_text, check_ttl
from state.errors import CompactedError
from state.watching import BATCH, Bell, follow
from state.writer import Writer

_SQL = statements.named("orchestrator")


class SqliteDesiredState:
    """What should be true, durable when a call returns.

    A lease lives as long as its holder renews it and no longer than the daemon that owns the file: whoever opens the
    file has the state directory's lock, so every holder from before is gone and its lease is ended.  A lapsed lease's
    key reads as absent at once; its deletion reaches a watch with the next write.
    """

    def __init__(self, writer: Writer, now: Callable[[], float], *, keep: int = CHANGES_KEPT) -> None:
        """Use `SqliteDesiredState.open`, which ends the leases from before.

        Args:
            writer: the thread of `orchestrator.db`.
            now: seconds of a clock that never goes back; called in the writer's thread.
            keep: store revisions whose changes stay readable, at least 1.
        """
        self._writer = writer
        self._now = now
        self._keep = keep
        self._bell = Bell()

    @classmethod
    async def open(cls, writer: Writer, now: Callable[[], float], *, keep: int = CHANGES_KEPT) -> Self:
        """Begin on `writer`'s database and end the leases of whoever had it open before.

        Raises:
            StorageError: they cannot be ended.
        """
        self = cls(writer, now, keep=keep)
        await writer.run(self._end_all_leases)
        return self

    async def revision(self) -> int:
        """Return the store revision: ask before `range`, then `watch` from it, and no change is missed."""
        return await self._writer.run(_head)

    async def get(self, key: str) -> StoredEntry | None:
        """Return a key's entry, None when it is absent.

        Raises:
            StorageError: the store cannot be read; every other call here raises it likewise.
        """
        check_key(key)
        return await self._writer.run(partial(self._get, key))

    async def range(self, prefix: str) -> Sequence[StoredEntry]:
        """Return the entries whose key starts with `prefix`, in key order."""
        check_text("a prefix", prefix)
        return await self._writer.run(partial(self._range, prefix))

    async def txn(
        self,
        put: Mapping[str, str],
        *,
        delete: Collection[str] = (),
        expect: Mapping[str, int] | None = None,
        expect_created: Mapping[str, int] | None = None,
    ) -> int | None:
        """Write all or nothing.

        Args:
            put: keys to set, JSON text each; a leased key stays leased.
            delete: keys to remove, present or not.
            expect: key -> its `modified` revision, 0 for absent; any difference refuses the whole.
            expect_created: key -> its `created` revision, likewise.

        Returns:
            The store revision of the write (the present one when there was nothing to write), None when an
            expectation did not hold.

        Raises:
            ValueError: a key or value cannot be stored, or a key is both put and deleted.
            StorageError: nothing was written.
        """
        return await self._writer.run(partial(self._txn, Change.checked(put, delete, expect, expect_created)))

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[StoredEntry, None]:
        """Yield every change of keys under `prefix` after `from_revision`, in order, for ever.

        Raises:
            CompactedError: changes that were not yet yielded have been pruned.
        """
        return follow(lambda after: self._writer.run(partial(self._changes, after)), self._bell, prefix, from_revision)

    async def lease(self, key: str, holder: str, ttl: float) -> int | None:
        """Take or renew `key` for `holder` for `ttl` seconds; its value is `holder` as JSON.  Delete it to give it up.

        Returns:
            The `created` revision while `holder` holds it, None when another does or the key is no lease.

        Raises:
            ValueError: `ttl` is not positive, or key or holder cannot be stored.
            StorageError: nothing was taken or renewed.
        """
        check_key(key)
        check_text("a holder", holder)
        check_ttl(ttl)
        return await self._writer.run(partial(self._lease, key, holder, ttl))

    def closed(self) -> None:
        """Wake every watch after its writer was stopped, so that it ends with StoreClosedError."""
        self._bell.ring()

    def _get(self, key: str, connection: sqlite3.Connection) -> StoredEntry | None:
        return _entry(connection, key, self._now())

    def _range(self, prefix: str, connection: sqlite3.Connection) -> list[StoredEntry]:
        rows = connection.execute(_SQL["range"], {"prefix": prefix, "now": self._now()})
        # The keys under a prefix are neighbours, so the first that is not ends the scan.
        return list(takewhile(lambda entry: entry.key.startswith(prefix), (StoredEntry(*row) for row in rows)))

    def _txn(self, change: Change, connection: sqlite3.Connection) -> int | None:
        now = self._now()  # once, so that a lease does not lapse halfway through
        with transaction(connection):
            self._end_leases(connection, _SQL["lapsed"], now)
            if not change.holds({key: _entry(connection, key, now) for key in change.expected}):
                return None
            return self._write(connection, change.put, change.delete)

    def _lease(self, key: str, holder: str, ttl: float, connection: sqlite3.Connection) -> int | None:
        now = self._now()
        with transaction(connection):
            self._end_leases(connection, _SQL["lapsed"], now)
            found = _entry(connection, key, now)
            if found is None:
                created = self._write(connection, {key: json.dumps(holder)}, ())
            elif connection.execute(_SQL["holder"], {"key": key}).fetchone() == (holder,):
                created = found.created
            else:
                return None
            connection.execute(_SQL["hold"], {"key": key, "holder": holder, "expires": now + ttl})
            return created

    def _changes(self, after: int, connection: sqlite3.Connection) -> list[StoredEntry]:
        (oldest,) = connection.execute(_SQL["oldest"]).fetchone()
        if oldest is not None and after + 1 < oldest:
            raise CompactedError(self._writer.path, after, oldest)
        rows = connection.execute(_SQL["changes"], {"after": after, "batch": BATCH})
        return [StoredEntry(*row) for row in rows]

    def _end_all_leases(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            self._end_leases(connection, _SQL["leased"], self._now())

    def _end_leases(self, connection: sqlite3.Connection, which: str, now: float) -> None:
        self._write(connection, {}, [key for (key,) in connection.execute(which, {"now": now})])

    def _write(self, connection: sqlite3.Connection, put: Mapping[str, str], delete: Iterable[str]) -> int:
        """Apply a change inside a transaction and return the store revision."""
        gone = {key: row[0] for key in delete if (row := connection.execute(_SQL["remove"], {"key": key}).fetchone())}
        if not put and not gone:
            return _head(connection)
        (revision,) = connection.execute(_SQL["advance"]).fetchone()
        for key, created in gone.items():
            connection.execute(_SQL["unlease"], {"key": key})
            _log(connection, StoredEntry(key, None, created, revision))
        for key, value in put.items():
            row = {"key": key, "value": value, "revision": revision}
            (created,) = connection.execute(_SQL["put"], row).fetchone()
            _log(connection, StoredEntry(key, value, created, revision))
        connection.execute(_SQL["prune"], {"revision": revision, "keep": self._keep})
        self._bell.ring()  # before the commit is soon enough: a watch reads in this thread, after it
        return int(revision)


def _head(connection: sqlite3.Connection) -> int:
    (revision,) = connection.execute(_SQL["head"]).fetchone()
    return int(revision)


def _entry(connection: sqlite3.Connection, key: str, now: float) -> StoredEntry | None:
    row = connection.execute(_SQL["get"], {"key": key, "now": now}).fetchone()
    return None if row is None else StoredEntry(*row)


def _log(connection: sqlite3.Connection, entry: StoredEntry) -> None:
    row = {"revision": entry.modified, "key": entry.key, "value": entry.value, "created": entry.created}
    connection.execute(_SQL["log"], row)
