"""The audit: who did what, when and why, in `orchestrator.db` beside the desired state.

Above stands the daemon (and through it the control API), below is the `writer` it shares with `desired`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from state import statements
from state.writer import Writer

_SQL = statements.named("orchestrator")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act.

    Attributes:
        seq: number of the row, increasing, never given twice.
        at: seconds since the Unix epoch.
        actor: who acted.
        action: what was done, or refused.
        reason: why, in the actor's words; may be empty.
        revision: revision of the routing table then.
        detail: whatever else belongs to it, a JSON object.
    """

    seq: int
    at: float
    actor: str
    action: str
    reason: str
    revision: int
    detail: Mapping[str, Any]


class AuditLog:
    """Append only; nothing is ever pruned from it, people make few rows."""

    def __init__(self, writer: Writer, wall: Callable[[], float]) -> None:
        """Begin on the database of `writer`.

        Args:
            writer: the thread of `orchestrator.db`.
            wall: seconds since the Unix epoch.
        """
        self._writer = writer
        self._wall = wall

    async def append(
        self, actor: str, action: str, *, reason: str = "", revision: int, detail: Mapping[str, Any] | None = None
    ) -> int:
        """Store one act, durable on return, and return its number.

        Raises:
            TypeError: `detail` has a value that JSON cannot express; likewise ValueError for NaN and infinity.
            StorageError: the row is not stored.
        """
        row = {
            "at": self._wall(),
            "actor": actor,
            "action": action,
            "reason": reason,
            "revision": revision,
            "detail": json.dumps(dict(detail or {}), allow_nan=False, separators=(",", ":")),
        }
        return await self._writer.run(partial(_append, row))

    async def page(self, limit: int, before: int | None = None) -> Sequence[AuditRow]:
        """Return up to `limit` rows, newest first.

        Args:
            limit: at least 1.
            before: only rows with a smaller number: the last one's of the page before, None for the newest.

        Raises:
            ValueError: `limit` is below 1.
            StorageError: the rows cannot be read.
        """
        if limit < 1:
            raise ValueError(f"a page of {limit} rows shows nothing; ask for at least 1")
        return await self._writer.run(partial(_page, limit, before))


def _append(row: Mapping[str, object], connection: sqlite3.Connection) -> int:
    # A single statement is its own transaction.
    seq = connection.execute(_SQL["audit_append"], row).lastrowid
    return int(seq or 0)


def _page(limit: int, before: int | None, connection: sqlite3.Connection) -> list[AuditRow]:
    rows = connection.execute(_SQL["audit_page"], {"limit": limit, "before": before})
    return [
        AuditRow(seq, at, actor, action, reason, revision, json.loads(detail))
        for seq, at, actor, action, reason, revision, detail in rows
    ]
