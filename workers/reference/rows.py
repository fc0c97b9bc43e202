"""Tasks and what belongs to them, as rows: every statement that `store` has done inside its transactions.

Each function takes the connection of a transaction that is under way.  Above it stands `store`, below it SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from workers.reference.context import Happening
from workers.reference.tasks import Draft, Evidence, Status, Task, TaskError


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who takes tasks.

    Attributes:
        name: what it calls itself.
        last_activity: when it last took or reported a task, with time zone.
    """

    name: str
    last_activity: datetime


_OWN: Final = (
    "title",
    "status",
    "priority",
    "estimated_minutes",
    "agent",
    "attempt",
    "details",
    "business_value",
    "time_criticality",
    "risk_reduction",
    "job_size",
)
"""The fields of a task that are columns of its row under the same name."""


def unfinished(connection: sqlite3.Connection) -> list[Task]:
    """Return every task that is not done, oldest first."""
    return _tasks(connection, connection.execute("SELECT * FROM task WHERE status <> ? ORDER BY id", (Status.DONE,)))


def counts(connection: sqlite3.Connection) -> dict[Status, int]:
    """Return how many tasks stand where, with 0 for a status that none has."""
    rows = connection.execute("SELECT status, count(*) FROM task GROUP BY status")
    return dict.fromkeys(Status, 0) | {Status(status): int(count) for status, count in rows}


def agents(connection: sqlite3.Connection) -> list[Agent]:
    """Return everybody who ever took a task, by name."""
    rows = connection.execute("SELECT name, last_activity FROM agent ORDER BY name")
    return [Agent(name, datetime.fromisoformat(activity)) for name, activity in rows]


def one(connection: sqlite3.Connection, number: int) -> Task:
    """Return a task.

    Raises:
        TaskError: there is no such task.
    """
    tasks = _tasks(connection, connection.execute("SELECT * FROM task WHERE id = ?", (number,)))
    if not tasks:
        raise TaskError(f"there is no task {number}; call plan_next for tasks there are, or plan to add one")
    return tasks[0]


def add(connection: sqlite3.Connection, draft: Draft, now: datetime) -> Task:
    """Add a pending task.

    Raises:
        TaskError: it depends on a task that does not exist.
    """
    for number in draft.depends_on:
        one(connection, number)
    added = connection.execute(
        "INSERT INTO task (title, status, priority, estimated_minutes, updated) VALUES (?, ?, ?, ?, ?)",
        (draft.title, Status.PENDING, draft.priority, draft.estimated_minutes, now.isoformat()),
    ).lastrowid
    task = one(connection, added or 0)
    values = {name: getattr(draft, name) for name in Draft.__dataclass_fields__}
    filled = Task(**{**{name: getattr(task, name) for name in Task.__dataclass_fields__}, **values})
    save(connection, filled)
    return filled


def save(connection: sqlite3.Connection, task: Task) -> None:
    """Write a task that is there already, with everything that belongs to it.

    Raises:
        TaskError: it depends on a task that does not exist.
    """
    columns = ", ".join(f"{name} = ?" for name in _OWN)
    values = [getattr(task, name) for name in _OWN]
    connection.execute(
        f"UPDATE task SET {columns}, updated = ? WHERE id = ?",  # noqa: S608 - names of our own
        (*values, task.updated.isoformat(), task.id),
    )
    for number in task.depends_on:
        one(connection, number)
    _replace(connection, "dependency (task, needs)", task.id, [(needs,) for needs in task.depends_on])
    _replace(connection, "task_file (task, position, path)", task.id, enumerate(task.files))
    _replace(connection, "required_evidence (task, kind)", task.id, [(kind,) for kind in task.required_evidence])


def _replace(connection: sqlite3.Connection, table: str, number: int, rows: Iterable[tuple[object, ...]]) -> None:
    """Put a task's rows of a table in the place of those that are there."""
    name, _, columns = table.partition(" ")
    connection.execute(f"DELETE FROM {name} WHERE task = ?", (number,))  # noqa: S608 - names of our own
    marks = ", ".join("?" * (columns.count(",") + 1))
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [(number, *row) for row in rows])  # noqa: S608


def _tasks(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> list[Task]:
    """Turn rows into tasks, with what belongs to them."""
    return [
        Task(
            **{name: row[name] for name in _OWN if name != "status"},
            id=row["id"],
            status=Status(row["status"]),
            updated=datetime.fromisoformat(row["updated"]),
            depends_on=_column(connection, "SELECT needs FROM dependency WHERE task = ? ORDER BY needs", row["id"]),
            files=_column(connection, "SELECT path FROM task_file WHERE task = ? ORDER BY position", row["id"]),
            required_evidence=_column(
                connection, "SELECT kind FROM required_evidence WHERE task = ? ORDER BY kind", row["id"]
            ),
        )
        for row in list(rows)
    ]


def _column(connection: sqlite3.Connection, statement: str, number: int) -> tuple[Any, ...]:
    return tuple(value for (value,) in connection.execute(statement, (number,)))


def evidence(connection: sqlite3.Connection, number: int, attempt: int) -> tuple[Evidence, ...]:
    """Return the evidence of one attempt, in the order in which it was recorded."""
    rows = connection.execute(
        "SELECT kind, passed, detail FROM evidence WHERE task = ? AND attempt = ? ORDER BY id", (number, attempt)
    )
    return tuple(Evidence(kind, bool(passed), detail) for kind, passed, detail in rows)


def record(connection: sqlite3.Connection, task: Task, pieces: Sequence[Evidence], now: datetime) -> None:
    """Record evidence for a task's present attempt."""
    connection.executemany(
        "INSERT INTO evidence (task, attempt, kind, passed, detail, recorded) VALUES (?, ?, ?, ?, ?, ?)",
        [(task.id, task.attempt, it.kind, it.passed, it.detail, now.isoformat()) for it in pieces],
    )


def remember(connection: sqlite3.Connection, agent: str, now: datetime) -> None:
    """Note that an agent was active."""
    connection.execute(
        "INSERT INTO agent (name, last_activity) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_activity = excluded.last_activity",
        (agent, now.isoformat()),
    )


def note(connection: sqlite3.Connection, number: int, text: str, now: datetime) -> None:
    """Add a line to a task's history."""
    connection.execute("INSERT INTO note (task, at, text) VALUES (?, ?, ?)", (number, now.isoformat(), text))


def history(connection: sqlite3.Connection, number: int) -> list[Happening]:
    """Return what happened to a task, oldest first: its notes and its evidence, whichever version recorded that."""
    notes = [
        Happening(datetime.fromisoformat(at), text)
        for at, text in connection.execute("SELECT at, text FROM note WHERE task = ? ORDER BY id", (number,))
    ]
    rows = connection.execute(
        "SELECT recorded, attempt, kind, passed, detail FROM evidence WHERE task = ? ORDER BY id", (number,)
    )
    shown = [
        Happening(datetime.fromisoformat(at), f"attempt {attempt}: {kind} {'passed' if passed else 'failed'}: {detail}")
        for at, attempt, kind, passed, detail in rows
    ]
    return sorted(notes + shown, key=lambda happening: happening.at)
