"""Parts of tests of the reference worker: a task, flags that a test sets, a time.

Above: its unit and integration tests.  Below: the worker's own values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workers.reference.tasks import Status, Task

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def a_task(number: int = 7, status: Status = Status.PENDING, **values: Any) -> Task:
    """Make a task with everything a test does not name as it usually is."""
    taken = status is not Status.PENDING
    usual: dict[str, Any] = {
        "title": f"task {number}",
        "priority": 50,
        "estimated_minutes": 60,
        "depends_on": (),
        "agent": "ada" if taken else None,
        "attempt": int(taken),
        "updated": WHEN,
    }
    return Task(id=number, status=status, **{**usual, **values})


@dataclass
class SetGates:
    """Flags as a test sets them; they may change between two calls."""

    compact: bool = True
    wsjf: bool = False
    selective: bool = False
    mo: bool = False
    danger: bool = False
    pool: bool = False

    def is_compact_prompt_mode(self) -> bool:
        return self.compact

    def is_wsjf_scheduler_enabled(self) -> bool:
        return self.wsjf

    def is_selective_testing_enabled(self) -> bool:
        return self.selective

    def is_danger_gates_enabled(self) -> bool:
        return self.danger

    def is_sandbox_pool_enabled(self) -> bool:
        return self.pool

    def is_mo_engine_enabled(self) -> bool:
        return self.mo

    def get_snapshot(self) -> dict[str, Any]:
        return {"MO_ENGINE": int(self.mo)}
