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

from workers.reference import rows, scheduling
from workers.reference.store import Store
from workers.reference.tasks import Draft, Task

LOST: Final = 0.2
"""Share of the plans that are answered and not stored."""


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
