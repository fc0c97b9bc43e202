"""The task store: what the tools remember, and nothing they decide.

Decisions are pure functions of `tasks`, `scheduling` and `review`; each method here reads what they need, lets them
decide and writes the outcome, all in one transaction.  Above it stand the tools, below it `database`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workers.reference.database import Database
from workers.reference.review import Verdict, judge, settle
from workers.reference.scheduling import blocked, ready
from workers.reference.tasks import Draft, Evidence, Status, Task, TaskError, assign, submit


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who takes tasks.

    Attributes:
        name: what it calls itself.
        last_activity: when it last took or reported a task, with time zone.
    """

    name: str
    last_activity: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole at one moment.

    Attributes:
        unfinished: every task that is not done, oldest first.
        counts: how many tasks stand where, with 0 for a status that none has.
        agents: everybody who ever took a task, by name.
    """

    unfinished: list[Task]
    counts: dict[Status, int]
    agents: list[Agent]


class Store:
    """Tasks, their evidence and the agents who work on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, directory: Path, now: datetime) -> Store:
        """Open the store in `directory`, with example tasks when it is new.

        Raises:
            StoreError: the directory or the file in it cannot be used.
        """
        return cls(Database.open(directory, now))

    def close(self) -> None:
        """Close the store; nothing may be asked of it afterwards."""
        self._database.close()

    def check(self) -> str | None:
        """Return what is wrong with the stored file, None when nothing is."""
        return self._database.check()

    def overview(self) -> Overview:
        """Return the whole as it stands at one moment."""
        with self._database.read() as connection:
            return Overview(_unfinished(connection), _counts(connection), _agents(connection))

    def plan(self, draft: Draft, now: datetime) -> Task:
        """Add a pending task.

        Raises:
            TaskError: it depends on a task that does not exist.
        """
        with self._database.write() as connection:
            for number in draft.depends_on:
                _one(connection, number)
            added = connection.execute(
                "INSERT INTO task (title, status, priority, estimated_minutes, updated) VALUES (?, ?, ?, ?, ?)",
                (draft.title, Status.PENDING, draft.priority, draft.estimated_minutes, now.isoformat()),
            ).lastrowid
            connection.executemany(
                "INSERT INTO dependency (task, needs) VALUES (?, ?)", [(added, needs) for needs in draft.depends_on]
            )
            return _one(connection, added or 0)

    def dispatch(self, agent: str, now: datetime) -> tuple[Task | None, int]:
        """Give the next ready task to `agent`.

        Returns:
            The task, None when nothing is ready; and how many pending tasks wait for another one.
        """
        with self._database.write() as connection:
            tasks = _unfinished(connection)
            waiting = len(blocked(tasks))
            first = next(iter(ready(tasks)), None)
            if first is None:
                return None, waiting
            task = assign(first, agent, now)
            _remember(connection, agent, now)
            _save(connection, task)
            return task, waiting

    def report(self, number: int, agent: str, evidence: Iterable[Evidence], now: datetime) -> Task:
        """Record an agent's evidence for its task and put the task under review.

        Raises:
            TaskError: there is no such task, nobody works on it, or another agent has it.
        """
        with self._database.write() as connection:
            task = submit(_one(connection, number), agent, now)
            connection.executemany(
                "INSERT INTO evidence (task, attempt, kind, passed, detail, recorded) VALUES (?, ?, ?, ?, ?, ?)",
                [(number, task.attempt, it.kind, it.passed, it.detail, now.isoformat()) for it in evidence],
            )
            _remember(connection, agent, now)
            _save(connection, task)
            return task

    def verify(self, number: int, now: datetime) -> tuple[Task, Verdict]:
        """Judge the evidence of a task's latest attempt and move the task if it is under review.

        Raises:
            TaskError: there is no such task, or it was not reported yet.
        """
        with self._database.write() as connection:
            task = _one(connection, number)
            verdict = judge(_evidence(connection, task))
            moved = settle(task, verdict, now)
            if moved is not task:
                _save(connection, moved)
            return moved, verdict


def _unfinished(connection: sqlite3.Connection) -> list[Task]:
    rows = connection.execute("SELECT * FROM task WHERE status <> ? ORDER BY id", (Status.DONE,)).fetchall()
    return _tasks(connection, rows)


def _counts(connection: sqlite3.Connection) -> dict[Status, int]:
    rows = connection.execute("SELECT status, count(*) FROM task GROUP BY status")
    return dict.fromkeys(Status, 0) | {Status(status): int(count) for status, count in rows}


def _agents(connection: sqlite3.Connection) -> list[Agent]:
    rows = connection.execute("SELECT name, last_activity FROM agent ORDER BY name")
    return [Agent(name, datetime.fromisoformat(activity)) for name, activity in rows]


def _one(connection: sqlite3.Connection, number: int) -> Task:
    rows = connection.execute("SELECT * FROM task WHERE id = ?", (number,)).fetchall()
    if not rows:
        raise TaskError(f"there is no task {number}; call plan_next for tasks there are, or plan to add one")
    return _tasks(connection, rows)[0]


def _tasks(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[Task]:
    """Turn rows into tasks, with what they depend on."""
    wanted = "SELECT needs FROM dependency WHERE task = ? ORDER BY needs"
    return [
        Task(
            id=row["id"],
            title=row["title"],
            status=Status(row["status"]),
            priority=row["priority"],
            estimated_minutes=row["estimated_minutes"],
            depends_on=tuple(needs for (needs,) in connection.execute(wanted, (row["id"],))),
            agent=row["agent"],
            attempt=row["attempt"],
            updated=datetime.fromisoformat(row["updated"]),
        )
        for row in rows
    ]


def _evidence(connection: sqlite3.Connection, task: Task) -> list[Evidence]:
    rows = connection.execute(
        "SELECT kind, passed, detail FROM evidence WHERE task = ? AND attempt = ? ORDER BY id", (task.id, task.attempt)
    )
    return [Evidence(kind, bool(passed), detail) for kind, passed, detail in rows]


def _save(connection: sqlite3.Connection, task: Task) -> None:
    connection.execute(
        "UPDATE task SET status = ?, agent = ?, attempt = ?, updated = ? WHERE id = ?",
        (task.status, task.agent, task.attempt, task.updated.isoformat(), task.id),
    )


def _remember(connection: sqlite3.Connection, agent: str, now: datetime) -> None:
    """Note that an agent was active."""
    connection.execute(
        "INSERT INTO agent (name, last_activity) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_activity = excluded.last_activity",
        (agent, now.isoformat()),
    )
