"""Planted changes inside the server: what it decides and what it stores.

Each replaces one function of the reference worker in this process.  Above: `candidate_changes`, which lists them.
Below: the worker's own modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from types import MappingProxyType
from typing import Any, Final

from workers.reference import database, rows, scheduling
from workers.reference.database import Database
from workers.reference.store import Store
from workers.reference.tasks import Draft, Task

LOST: Final = 0.2
"""Share of the plans that are answered and not stored."""
MIGRATED: Final = 2
"""The layout that a store is brought to."""


def newest_first() -> None:
    """Have equal tasks come newest first, where the oldest has its turn."""
    orders: Mapping[Any, Any] = scheduling._ORDERS
    turned = {name: _turned(order) for name, order in orders.items()}
    scheduling._ORDERS = MappingProxyType(turned)  # type: ignore[misc]


def _turned(order: Any) -> Any:
    def newest(task: Task) -> tuple[Any, ...]:
        *before, number = order(task)
        return (*before, -number)

    return newest


def loses_plans(random: Random) -> None:
    """Answer some plans as if they were stored, and store nothing."""
    kept = Store.plan

    def plan(self: Store, draft: Draft, now: datetime) -> Task:
        if random.random() >= LOST:
            return kept(self, draft, now)
        with self._database.write() as connection:
            connection.execute("SAVEPOINT before")
            task = rows.add(connection, draft, now)
            connection.execute("ROLLBACK TO before")
            return task

    Store.plan = plan  # type: ignore[method-assign]


def migrates() -> None:
    """Bring a store to another layout when it is opened: the versions before do not open it any more."""
    former, prepare = database.LAYOUT, Database._prepare
    database.LAYOUT = MIGRATED  # type: ignore[misc]

    def migrating(self: Database, now: datetime) -> None:
        connection = self._connection
        if connection.execute("PRAGMA user_version").fetchone()[0] == former:
            connection.execute("ALTER TABLE task ADD COLUMN origin TEXT NOT NULL DEFAULT ''")
            connection.execute(f"PRAGMA user_version = {MIGRATED}")
        prepare(self, now)

    Database._prepare = migrating  # type: ignore[method-assign]
