"""Reviews, the critics' opinions and what became of the work, as rows: statements for `store`'s transactions.

Above it stands `store`, below it SQLite.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from workers.reference.choice.forecast import Forecast, Record
from workers.reference.critics.opinion import Critic, Opinion
from workers.reference.critics.quorum import Weighed
from workers.reference.critics.reputation import Settled, Standing
from workers.reference.review import Case, Verdict
from workers.reference.rows import evidence
from workers.reference.tasks import Status, Task

REMEMBERED: Final = 200
"""Settled opinions of a critic that count, the newest: who it is today matters more than who it was."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review that was made.

    Attributes:
        verdict: what it said.
        tests: what its test run showed, JSON; None when none was run.
    """

    verdict: Verdict
    tests: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt took, as its agent measured it; None where it did not.

    Attributes:
        tokens: tokens used.
        cost: money.
        minutes: time.
    """

    tokens: int | None = None
    cost: float | None = None
    minutes: float | None = None


def case(connection: sqlite3.Connection, task: Task) -> Case:
    """Return what a review of a task's latest attempt is made from."""
    before = evidence(connection, task.id, task.attempt - 1)
    return Case(task.required_evidence, evidence(connection, task.id, task.attempt), before, standings(connection))


def standings(connection: sqlite3.Connection) -> dict[Critic, Standing]:
    """Return what is known of every critic."""
    past: dict[str, list[Settled]] = defaultdict(list)
    rows = connection.execute(
        "SELECT critic, passed, forecast, good FROM opinion JOIN outcome USING (task, attempt) "
        "WHERE passed IS NOT NULL ORDER BY at DESC, task DESC, attempt DESC"
    )
    for critic, passed, forecast, good in rows:
        if len(past[critic]) < REMEMBERED:
            past[critic].append(Settled(bool(passed), forecast, bool(good)))
    return {critic: Standing(tuple(past[critic])) for critic in Critic}


def spoken(connection: sqlite3.Connection) -> dict[Critic, int]:
    """Return how many opinions every critic has given, abstentions apart."""
    rows = connection.execute("SELECT critic, count(*) FROM opinion WHERE passed IS NOT NULL GROUP BY critic")
    return dict.fromkeys(Critic, 0) | {Critic(critic): count for critic, count in rows if critic in set(Critic)}


def review(connection: sqlite3.Connection, task: Task) -> Reviewed | None:
    """Return the review of a task's latest attempt, None when it had none that we know of."""
    key = (task.id, task.attempt)
    row = connection.execute("SELECT * FROM review WHERE task = ? AND attempt = ?", key).fetchone()
    if row is None:
        return None
    pieces = evidence(connection, *key)
    opinions = connection.execute("SELECT * FROM opinion WHERE task = ? AND attempt = ?", key).fetchall()
    order = list(Critic)
    weighed = [_weighed(opinion) for opinion in opinions if opinion["critic"] in set(Critic)]
    verdict = Verdict(
        status=Status.DONE if row["status"] == Status.DONE else Status.NEEDS_IMPROVEMENT,
        support=row["support"],
        quality=row["quality"],
        passed=sum(piece.passed for piece in pieces),
        total=len(pieces),
        reasons=tuple(json.loads(row["reasons"])),
        weighed=tuple(sorted(weighed, key=lambda it: order.index(it.opinion.critic))),
    )
    return Reviewed(verdict, row["tests"])


def keep(connection: sqlite3.Connection, task: Task, made: Reviewed, now: datetime) -> None:
    """Keep the review of a task's latest attempt."""
    verdict = made.verdict
    key = (task.id, task.attempt)
    connection.execute(
        "INSERT OR REPLACE INTO review (task, attempt, status, support, quality, reasons, tests, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, verdict.status, verdict.support, verdict.quality, _text(verdict.reasons), made.tests, now.isoformat()),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO opinion (task, attempt, critic, passed, score, reasons, forecast, reputation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(*key, *_values(it)) for it in verdict.weighed],
    )


def turned_out(connection: sqlite3.Connection, task: Task, now: datetime, *, good: bool, certain: bool) -> None:
    """Note how the work of a task's latest attempt turned out.

    Args:
        connection: the transaction's.
        task: whose work it was.
        now: the present time.
        good: whether it was good.
        certain: whether that replaces what was noted before.
    """
    instead = "DO UPDATE SET good = excluded.good, at = excluded.at" if certain else "DO NOTHING"
    connection.execute(
        f"INSERT INTO outcome (task, attempt, good, at) VALUES (?, ?, ?, ?) ON CONFLICT (task, attempt) {instead}",  # noqa: S608
        (task.id, task.attempt, good, now.isoformat()),
    )


def assigned(connection: sqlite3.Connection, task: Task, option: Forecast) -> None:
    """Note which profile executes a task's present attempt, and what that is expected to come to."""
    connection.execute(
        "INSERT OR REPLACE INTO assignment (task, attempt, profile, expected_cost, expected_minutes, expected_quality) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (task.id, task.attempt, option.profile, option.cost, option.minutes, option.quality),
    )


def spent(connection: sqlite3.Connection, task: Task, measured: Spent) -> None:
    """Note what a task's present attempt took; an attempt that another version dispatched is not known here."""
    connection.execute(
        "UPDATE assignment SET tokens = ?, cost = ?, minutes = ? WHERE task = ? AND attempt = ?",
        (measured.tokens, measured.cost, measured.minutes, task.id, task.attempt),
    )


def records(connection: sqlite3.Connection) -> dict[str, Record]:
    """Return how the profiles have done: by what became of the work, else by its review."""
    rows = connection.execute(
        "SELECT profile, sum(coalesce(good, status = 'done')), count(*) FROM assignment "
        "JOIN review USING (task, attempt) LEFT JOIN outcome USING (task, attempt) GROUP BY profile"
    )
    return {profile: Record(passed, total) for profile, passed, total in rows}


def tests_passed(connection: sqlite3.Connection, tree: str) -> frozenset[str]:
    """Return the tests that passed when work in a tree was last accepted."""
    rows = connection.execute("SELECT test FROM test_passed WHERE tree = ?", (tree,))
    return frozenset(test for (test,) in rows)


def tests_accepted(
    connection: sqlite3.Connection, tree: str, passed: Iterable[str], *, ran: Collection[str], whole: bool
) -> None:
    """Note the tests that passed with accepted work; one that did not run stays as it was, unless all were to run."""
    kept = frozenset() if whole else tests_passed(connection, tree) - set(ran)
    connection.execute("DELETE FROM test_passed WHERE tree = ?", (tree,))
    connection.executemany(
        "INSERT INTO test_passed (tree, test) VALUES (?, ?)", [(tree, test) for test in sorted(kept | set(passed))]
    )


def _weighed(row: sqlite3.Row) -> Weighed:
    passed = None if row["passed"] is None else bool(row["passed"])
    opinion = Opinion(Critic(row["critic"]), passed, row["score"], tuple(json.loads(row["reasons"])))
    return Weighed(opinion, row["forecast"], row["reputation"])


def _values(it: Weighed) -> tuple[object, ...]:
    opinion = it.opinion
    return opinion.critic, opinion.passed, opinion.score, _text(opinion.reasons), it.forecast, it.reputation


def _text(reasons: Iterable[str]) -> str:
    return json.dumps(list(reasons))
