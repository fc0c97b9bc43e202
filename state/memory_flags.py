"""The flags' store that keeps everything in memory: for simulations, and for tests of whoever stands above.

It behaves as `flags.SqliteFlagStore` does, shown by one suite run against both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from state.audit import AuditRow
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
from state.flag_steps import FlagStep, NewId, NewNotice, notice_of, step_of
from state.flags import unique
from state.memory import BeforeWrite, let_through


class MemoryFlagStore:
    """`SqliteFlagStore` without a file; every rule said there holds here.

    Attributes:
        settings: what the table of that name would hold: key to plain text.
        audit: the audit rows, oldest first.
    """

    def __init__(
        self, *, keep: int = NOTICES_KEPT, new_id: NewId = unique, before_write: BeforeWrite = let_through
    ) -> None:
        """Begin empty.

        Args:
            keep: notices looked back on, at least 1.
            new_id: names each notice.
            before_write: called before each write and each mark.
        """
        self._keep = keep
        self._new_id = new_id
        self._before_write = before_write
        self._attempts = 0
        self._rows: dict[str, FlagRow] = {}
        self._versions: list[tuple[int, float]] = [(0, 0.0)]
        self._changes: list[FlagChange] = []
        self._notices: dict[int, Notice] = {}
        self._last_notice = 0
        self.settings: dict[str, str] = {}
        self.audit: list[AuditRow] = []
        self._ours: dict[str, str] = {}
        self._others_writes = 0

    async def load(self) -> StoredFlags:
        """Return every flag at the present version."""
        await asyncio.sleep(0)
        rows = tuple(row for _, row in sorted(self._rows.items()))
        written = {row.key: row.plain() for row in rows}
        strays = {key: val for key, val in self.settings.items() if written.get(key) != val}
        return StoredFlags(*self._versions[-1], rows, strays, frozenset(written.keys() - self.settings.keys()))

    async def data_version(self) -> int:
        """Return a number that changes when a test has edited `settings`, and never by a write of ours."""
        await asyncio.sleep(0)
        if self.settings != self._ours:
            self._ours = dict(self.settings)
            self._others_writes += 1
        return self._others_writes

    async def write(self, write: Write) -> int | None:
        """Store a write whole; arguments, answer and errors as `SqliteFlagStore.write`."""
        asked = FlagWrite.checked(write)
        self._count_write()
        step = step_of(asked, self._versions[-1][0], self._rows, self._new_id)
        if step is not None:
            self._store(asked, step)
        await asyncio.sleep(0)
        return step.version if step is not None else None

    async def history(self, key: str | None = None, *, limit: int, before: int | None = None) -> Sequence[FlagChange]:
        """Return up to `limit` changes of a flag (None: of all), newest first."""
        check_page(limit)
        await asyncio.sleep(0)
        upto = len(self._changes) if before is None else max(before - 1, 0)
        return [change for change in reversed(self._changes[:upto]) if key in (None, change.key)][:limit]

    async def changed_at(self) -> Mapping[str, float]:
        """Return when each flag last changed, seconds since the Unix epoch; forgotten ones included."""
        await asyncio.sleep(0)
        return {change.key: change.at for change in self._changes}

    async def at(self, *, version: int | None = None, seconds: float | None = None) -> StoredFlags | None:
        """Return the flags as they stood; arguments, answer and errors as `SqliteFlagStore.at`."""
        check_moment(version, seconds)
        await asyncio.sleep(0)
        if version is not None and version > self._versions[-1][0]:
            return None
        upto, at = self._moment(version, seconds)
        last = {change.key: change.after for change in self._changes if change.version <= upto}
        return StoredFlags(upto, at, tuple(row for _, row in sorted(last.items()) if row is not None))

    async def outbox_heads(self) -> Sequence[Notice]:
        """Return the oldest pending notice of each destination and flag, oldest first."""
        await asyncio.sleep(0)
        heads: dict[tuple[str, str], Notice] = {}
        for notice in self._notices.values():
            if notice.state == "pending":
                heads.setdefault((notice.destination, notice.flag), notice)
        return sorted(heads.values(), key=lambda notice: notice.seq)

    async def outbox_mark(self, seq: int, state: str, *, attempts: int, due: float, error: str = "") -> None:
        """Note what became of a pending notice; one that is no longer pending stays as it is."""
        check_state(state)
        self._count_write()
        found = self._notices.get(seq)
        if found is not None and found.state == "pending":
            self._notices[seq] = replace(found, state=state, attempts=attempts, due=due, error=error)
        await asyncio.sleep(0)

    async def outbox_add(self, flag: str, told: Mapping[str, Any], destinations: Sequence[str], at: float) -> None:
        """Put out what comes with no change; arguments and errors as `SqliteFlagStore.outbox_add`."""
        notices = [notice_of(flag, told, destination, self._new_id()) for destination in destinations]
        self._count_write()
        self._store_notices(at, notices)
        await asyncio.sleep(0)

    async def outbox_again(self, numbers: Collection[int] | None, *, due: float) -> int:
        """Make failed notices (None: all of them) pending again, as if they had not been tried; return how many."""
        self._count_write()
        failed = [one for one in self._notices.values() if one.state == "failed"]
        asked = [one for one in failed if numbers is None or one.seq in numbers]
        for one in asked:
            self._notices[one.seq] = replace(one, state="pending", attempts=0, due=due)
        await asyncio.sleep(0)
        return len(asked)

    async def outbox_page(self, limit: int, *, state: str | None = None, before: int | None = None) -> Sequence[Notice]:
        """Return up to `limit` notices, newest first; arguments as `SqliteFlagStore.outbox_page`."""
        check_page(limit)
        if state is not None:
            check_state(state)
        await asyncio.sleep(0)
        newest_first = reversed(self._notices.values())
        fitting = [one for one in newest_first if state in (None, one.state) and (before is None or one.seq < before)]
        return fitting[:limit]

    def _count_write(self) -> None:
        self._attempts += 1
        self._before_write(self._attempts)

    def _moment(self, version: int | None, seconds: float | None) -> tuple[int, float]:
        """Return the newest version of that moment and when it was written."""
        for number, at in reversed(self._versions[1:]):
            if (version is not None and number <= version) or (seconds is not None and at <= seconds):
                return number, at
        return self._versions[0]

    def _store(self, write: FlagWrite, step: FlagStep) -> None:
        self._versions.append((step.version, write.at))
        self.audit.append(
            AuditRow(
                len(self.audit) + 1, write.at, write.actor, write.action, write.reason, write.revision, step.detail
            )
        )
        for change in step.changes:
            seq = len(self._changes) + 1
            told = (write.actor, write.reason_of(change.key), write.cause, write.at)
            self._changes.append(FlagChange(seq, step.version, change.key, change.before, change.after, *told))
        for key in write.delete:
            self._rows.pop(key, None)
            self.settings.pop(key, None)
            self._ours.pop(key, None)
        for row in write.rows:
            self._rows[row.key] = row
            self.settings[row.key] = self._ours[row.key] = row.plain()
        self._store_notices(write.at, step.notices)

    def _store_notices(self, at: float, notices: Sequence[NewNotice]) -> None:
        for new in notices:
            self._last_notice = seq = self._last_notice + 1
            self._notices[seq] = Notice(seq, new.id, new.destination, new.flag, new.payload, at, due=at)
        for seq, notice in list(self._notices.items()):
            if notice.state != "pending" and seq <= self._last_notice - self._keep:
                del self._notices[seq]
