"""The flags in SQLite: values, targeting, versions, history and the outbox, in `orchestrator.db`.

Fits `orchestrator.domain.ports.FlagStore` by structure; `memory_flags.MemoryFlagStore` is its twin and the tests run
the same suite against both.  Above stands the daemon; below are the `writer` it shares with `desired` and `audit`,
`flag_steps`, which decides what a write stores, and `sql/orchestrator/`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from state import statements
from state.database import transaction
from state.errors import CorruptStoreError
from state.flag_entries import (
    NOTICES_KEPT,
    FlagChange,
    FlagRow,
    FlagWrite,
    Notice,
    StoredFlags,
    check_moment,
    check_page,
    check_state,
)
from state.flag_shapes import Write
from state.flag_steps import FlagStep, NewId, NewNotice, iso, notice_of, row_from, row_text, step_of
from state.writer import Writer

RESTORED_BITS = 32
"""SQLite's own number has 32 bits; above them stands how often the file was put back."""

_SQL = statements.named("orchestrator", "flag_queries.sql")
_AUDIT = statements.named("orchestrator")["audit_append"]


def unique() -> str:
    """Return a name that nothing else has."""
    return uuid4().hex


class SqliteFlagStore:
    """What the flags are and were, durable when a call returns.

    The table `flags` is what counts; `settings` is its copy for people and older programs, written with it.
    """

    def __init__(self, writer: Writer, *, keep: int = NOTICES_KEPT, new_id: NewId = unique) -> None:
        """Begin on the database of `writer`.

        Args:
            writer: the thread of `orchestrator.db`.
            keep: notices looked back on, at least 1; those that are pending stay in any case.
            new_id: names each notice.
        """
        self._writer = writer
        self._keep = keep
        self._new_id = new_id

    async def load(self) -> StoredFlags:
        """Return every flag at the present version.

        Raises:
            StorageError: the store cannot be read; every other call here raises it likewise.
        """
        return await self._writer.run(_load)

    async def data_version(self) -> int:
        """Return a number that changes when somebody else's connection has committed, and never by a write of ours.

        https://www.sqlite.org/pragma.html#pragma_data_version; a file that was put back counts from its beginning.
        """
        number = await self._writer.run(_data_version)
        return number + (self._writer.restored << RESTORED_BITS)

    async def write(self, write: Write) -> int | None:
        """Store rows, `settings`, history, audit row and notices in one transaction.

        Returns:
            The new flags version, None when `expect_version` is not the present one; nothing is stored then.

        Raises:
            ValueError: a part of it cannot be stored, or a flag is named twice.
            StorageError: nothing was stored.
        """
        return await self._writer.run(partial(self._write, FlagWrite.checked(write)))

    async def history(self, key: str | None = None, *, limit: int, before: int | None = None) -> Sequence[FlagChange]:
        """Return up to `limit` changes of a flag, newest first.

        Args:
            key: the flag, None for all.
            limit: at least 1.
            before: only changes with a smaller number: the last one's of the page before, None for the newest.

        Raises:
            ValueError: `limit` is below 1.
        """
        check_page(limit)
        return await self._writer.run(partial(self._history, {"key": key, "limit": limit, "before": before}))

    async def changed_at(self) -> Mapping[str, float]:
        """Return when each flag last changed, seconds since the Unix epoch; forgotten ones included."""
        return await self._writer.run(lambda connection: dict(connection.execute(_SQL["changed_at"]).fetchall()))

    async def at(self, *, version: int | None = None, seconds: float | None = None) -> StoredFlags | None:
        """Return the flags as they stood; give a version or seconds since the Unix epoch.

        A version between two writes stands for the earlier one.  A clock that was set back makes a time mean the newest
        version that was written at or before it.

        Returns:
            The flags, None when there is no such version yet.

        Raises:
            ValueError: the moment is named not at all, twice, or impossibly.
        """
        check_moment(version, seconds)
        return await self._writer.run(partial(self._at, version, seconds))

    async def outbox_heads(self) -> Sequence[Notice]:
        """Return the oldest pending notice of each destination and flag, oldest first."""
        return await self._writer.run(lambda connection: [Notice(*row) for row in connection.execute(_SQL["heads"])])

    async def outbox_mark(self, seq: int, state: str, *, attempts: int, due: float, error: str = "") -> None:
        """Note what became of a pending notice; one that is no longer pending stays as it is.

        Raises:
            ValueError: no notice can become that.
        """
        check_state(state)
        row = {"seq": seq, "state": state, "attempts": attempts, "due": due, "error": error}
        # A single statement is its own transaction.
        await self._writer.run(lambda connection: connection.execute(_SQL["mark"], row).close())

    async def outbox_add(self, flag: str, told: Mapping[str, Any], destinations: Sequence[str], at: float) -> None:
        """Put out what comes with no change, such as a reminder; each notice's `id` is added to the payload.

        Raises:
            ValueError: a part of it cannot be stored.
        """
        notices = [notice_of(flag, told, destination, self._new_id()) for destination in destinations]
        await self._writer.run(partial(_add_notices, notices, at))

    async def outbox_again(self, numbers: Collection[int] | None, *, due: float) -> int:
        """Make failed notices (None: all of them) pending again, as if they had not been tried; return how many."""
        wanted = [None] if numbers is None else list(numbers)
        return await self._writer.run(partial(_again, wanted, due))

    async def outbox_page(self, limit: int, *, state: str | None = None, before: int | None = None) -> Sequence[Notice]:
        """Return up to `limit` notices, newest first.

        Args:
            limit: at least 1.
            state: only those that are `pending`, `delivered` or `failed`; None for all.
            before: only those with a smaller number.

        Raises:
            ValueError: `limit` is below 1, or there is no such state.
        """
        check_page(limit)
        if state is not None:
            check_state(state)
        row = {"limit": limit, "state": state, "before": before}
        return await self._writer.run(
            lambda connection: [Notice(*found) for found in connection.execute(_SQL["notices"], row)]
        )

    def _write(self, write: FlagWrite, connection: sqlite3.Connection) -> int | None:
        with transaction(connection):
            version, _ = _newest(connection)
            found = {key: row for key in write.keys if (row := _flag(connection, key)) is not None}
            step = step_of(write, version, found, self._new_id)
            if step is None:
                return None
            _store_version(connection, write, step)
            _store_rows(connection, write)
            _store_notices(connection, step.notices, write.at)
            connection.execute(_SQL["prune_notices"], {"keep": self._keep})
            return step.version

    def _history(self, asked: dict[str, object], connection: sqlite3.Connection) -> list[FlagChange]:
        rows = connection.execute(_SQL["history"], asked)
        return [
            FlagChange(seq, version, key, self._row(before), self._row(after), *rest)
            for seq, version, key, before, after, *rest in rows
        ]

    def _at(self, version: int | None, seconds: float | None, connection: sqlite3.Connection) -> StoredFlags | None:
        if version is not None and version > _newest(connection)[0]:
            return None
        which = "version_upto" if version is not None else "version_until"
        upto, at = connection.execute(_SQL[which], {"version": version, "seconds": seconds}).fetchone() or (0, 0.0)
        kept = [self._row(text) for (text,) in connection.execute(_SQL["as_of"], {"version": upto})]
        return StoredFlags(upto, at, tuple(row for row in kept if row is not None))

    def _row(self, text: str | None) -> FlagRow | None:
        try:
            return row_from(text)
        except (ValueError, TypeError) as error:
            raise CorruptStoreError(self._writer.path, f"a row of flag_changes is no flag ({error})") from error


def _newest(connection: sqlite3.Connection) -> tuple[int, float]:
    found: tuple[int, float] = connection.execute(_SQL["newest"]).fetchone() or (0, 0.0)
    return found


def _data_version(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA data_version").fetchone()
    return int(number)


def _flag_row(row: tuple[str, str, int, str | None, str, int]) -> FlagRow:
    key, value, is_set, targeting, salt, hash_version = row
    return FlagRow(key, value, bool(is_set), targeting, salt, hash_version)


def _flag(connection: sqlite3.Connection, key: str) -> FlagRow | None:
    row = connection.execute(_SQL["flag"], {"key": key}).fetchone()
    return None if row is None else _flag_row(row)


def _load(connection: sqlite3.Connection) -> StoredFlags:
    with transaction(connection, "DEFERRED"):  # one moment for all three
        rows = tuple(_flag_row(row) for row in connection.execute(_SQL["flags"]))
        shown = {str(key): str(val) for key, val in connection.execute(_SQL["settings"])}
        version, at = _newest(connection)
    written = {row.key: row.plain() for row in rows}
    strays = {key: val for key, val in shown.items() if written.get(key) != val}
    return StoredFlags(version, at, rows, strays, frozenset(written.keys() - shown.keys()))


def _store_version(connection: sqlite3.Connection, write: FlagWrite, step: FlagStep) -> None:
    told = {"at": write.at, "actor": write.actor, "reason": write.reason}
    connection.execute(_SQL["add_version"], {**told, "version": step.version, "cause": write.cause})
    audit = {"action": write.action, "revision": write.revision, "detail": json.dumps(step.detail)}
    connection.execute(_AUDIT, {**told, **audit})
    for change in step.changes:
        sides = {"before": row_text(change.before), "after": row_text(change.after)}
        why = {"reason": write.reasons.get(change.key)}
        connection.execute(_SQL["add_change"], {"version": step.version, "key": change.key, **sides, **why})


def _store_rows(connection: sqlite3.Connection, write: FlagWrite) -> None:
    for key in write.keys:
        connection.execute(_SQL["remove_setting"], {"key": key})
    for key in write.delete:
        connection.execute(_SQL["remove_flag"], {"key": key})
    for row in write.rows:
        parts = {"salt": row.salt, "hash_version": row.hash_version, "targeting": row.targeting}
        connection.execute(_SQL["put_flag"], {"key": row.key, "value": row.value, "is_set": row.is_set, **parts})
        shown = {"key": row.key, "val": row.plain(), "updated_at": iso(write.at)}
        connection.execute(_SQL["put_setting"], shown)


def _again(numbers: Sequence[int | None], due: float, connection: sqlite3.Connection) -> int:
    with transaction(connection):
        return sum(connection.execute(_SQL["again"], {"seq": one, "due": due}).rowcount for one in numbers)


def _add_notices(notices: Sequence[NewNotice], at: float, connection: sqlite3.Connection) -> None:
    with transaction(connection):
        _store_notices(connection, notices, at)


def _store_notices(connection: sqlite3.Connection, notices: Sequence[NewNotice], at: float) -> None:
    for notice in notices:
        told = {"id": notice.id, "destination": notice.destination, "flag": notice.flag}
        connection.execute(_SQL["add_notice"], {**told, "payload": notice.payload, "created": at})
