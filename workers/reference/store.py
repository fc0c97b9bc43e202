"""The task store: what the tools remember, and nothing they decide.

Decisions are pure functions of `tasks`, `changes`, `scheduling` and `review`; each method here reads what they need,
lets them decide and writes the outcome, all in one transaction.  Above it stand the tools, below it `database`, and
`rows` and `verdicts` with the statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workers.reference import rows, verdicts
from workers.reference.changes import Change, changed, judged_good
from workers.reference.choice.engine import Choice
from workers.reference.choice.forecast import Record
from workers.reference.context import Happening
from workers.reference.critics.opinion import Critic, Opinion
from workers.reference.critics.reputation import Standing
from workers.reference.database import Database
from workers.reference.review import Case, judge, reviewed, settle
from workers.reference.rows import Agent
from workers.reference.scheduling import Scheduler, blocked, ready
from workers.reference.tasks import Draft, Evidence, Status, Task, TaskError, assign, submit
from workers.reference.verdicts import Reviewed, Spent

__all__ = ["Agent", "Examined", "Overview", "Store", "Taken", "UnderReview"]

Pick = Callable[[Task, Mapping[str, Record]], Choice]
"""Picks how a task is executed, given how the profiles have done."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole at one moment.

    Attributes:
        unfinished: every task that is not done, oldest first.
        counts: how many tasks stand where, with 0 for a status that none has.
        agents: everybody who ever took a task, by name.
        standings: what is known of the critics.
        spoken: how many opinions each critic has given.
        records: how the profiles have done.
    """

    unfinished: list[Task]
    counts: dict[Status, int]
    agents: list[Agent]
    standings: dict[Critic, Standing]
    spoken: dict[Critic, int]
    records: dict[str, Record]


@dataclass(frozen=True, slots=True)
class Taken:
    """What dispatch gave away.

    Attributes:
        task: the task that is now the agent's; None when nothing is ready.
        waiting: how many pending tasks wait for another one.
        choice: how the task is to be executed; None when nobody picked.
    """

    task: Task | None
    waiting: int
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class UnderReview:
    """What a reviewer finds.

    Attributes:
        task: the task.
        made: the review of its latest attempt, None when it is still to be made.
        case: what a review is made from.
    """

    task: Task
    made: Reviewed | None
    case: Case


@dataclass(frozen=True, slots=True)
class Examined:
    """What looking at the work itself has shown.

    Attributes:
        opinions: what the critics say who looked.
        tests: what the test run showed, JSON; None when none was run.
        tree: where the tests ran; None when none did.
        passed: the tests that passed.
        ran: the tests that ran.
        whole: whether every test was to run.
    """

    opinions: Sequence[Opinion] = ()
    tests: str | None = None
    tree: str | None = None
    passed: Collection[str] = ()
    ran: Collection[str] = ()
    whole: bool = False


class Store:
    """Tasks, their evidence and reviews, and the agents who work on them."""

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
            return Overview(
                unfinished=rows.unfinished(connection),
                counts=rows.counts(connection),
                agents=rows.agents(connection),
                standings=verdicts.standings(connection),
                spoken=verdicts.spoken(connection),
                records=verdicts.records(connection),
            )

    def background(self, number: int) -> tuple[Task, list[Task], list[Happening]]:
        """Return a task, the tasks it depends on, and what happened to it, oldest first.

        Raises:
            TaskError: there is no such task.
        """
        with self._database.read() as connection:
            task = rows.one(connection, number)
            needs = [rows.one(connection, needed) for needed in task.depends_on]
            return task, needs, rows.history(connection, number)

    def plan(self, draft: Draft, now: datetime) -> Task:
        """Add a pending task.

        Raises:
            TaskError: it depends on a task that does not exist.
        """
        with self._database.write() as connection:
            return rows.add(connection, draft, now)

    def update(self, number: int, change: Change, now: datetime) -> Task:
        """Change a task by hand, and note what that says about the review it had.

        Raises:
            TaskError: there is no such task, or it cannot be changed like that.
        """
        with self._database.write() as connection:
            before = rows.one(connection, number)
            after = changed(before, change, now)
            if after is before:
                return before
            rows.save(connection, after)
            if (good := judged_good(before, after)) is not None:
                verdicts.turned_out(connection, after, now, good=good, certain=True)
            if before.status is not after.status:
                why = f": {change.reason}" if change.reason else ""
                rows.note(connection, number, f"moved by hand from {before.status} to {after.status}{why}", now)
            elif change.reason:
                rows.note(connection, number, f"changed by hand: {change.reason}", now)
            return after

    def dispatch(
        self, agent: str, now: datetime, scheduler: Scheduler = Scheduler.LEGACY, pick: Pick | None = None
    ) -> Taken:
        """Give the next ready task to `agent`.

        Args:
            agent: who takes it.
            now: the present time.
            scheduler: how the next one is found.
            pick: picks how it is executed; None to leave that open.
        """
        with self._database.write() as connection:
            tasks = rows.unfinished(connection)
            waiting = len(blocked(tasks))
            first = next(iter(ready(tasks, scheduler)), None)
            if first is None:
                return Taken(None, waiting)
            if first.status is Status.NEEDS_IMPROVEMENT and first.attempt:
                verdicts.turned_out(connection, first, now, good=False, certain=False)
            task = assign(first, agent, now)
            rows.remember(connection, agent, now)
            rows.save(connection, task)
            choice = None if pick is None else pick(task, verdicts.records(connection))
            if choice is not None:
                verdicts.assigned(connection, task, choice.option)
            by = f" by {choice.option.profile}" if choice else ""
            rows.note(connection, task.id, f"attempt {task.attempt} begun for {agent}{by}", now)
            return Taken(task, waiting, choice)

    def report(
        self, number: int, agent: str, evidence: Iterable[Evidence], now: datetime, spent: Spent | None = None
    ) -> Task:
        """Record an agent's evidence for its task and put the task under review.

        Raises:
            TaskError: there is no such task, nobody works on it, or another agent has it.
        """
        with self._database.write() as connection:
            task = submit(rows.one(connection, number), agent, now)
            rows.record(connection, task, list(evidence), now)
            if spent is not None:
                verdicts.spent(connection, task, spent)
            rows.remember(connection, agent, now)
            rows.save(connection, task)
            return task

    def under_review(self, number: int) -> UnderReview:
        """Return what a reviewer of a task finds.

        Raises:
            TaskError: there is no such task, or it was not reported yet.
        """
        with self._database.read() as connection:
            return _under_review(connection, number)

    def tests_passed(self, tree: str) -> frozenset[str]:
        """Return the tests that passed when work in a tree was last accepted."""
        with self._database.read() as connection:
            return verdicts.tests_passed(connection, tree)

    def verify(
        self, number: int, now: datetime, seen: Examined | None = None, attempt: int | None = None
    ) -> tuple[Task, Reviewed]:
        """Review a task's latest attempt and move the task; a review that was made before is returned as it was.

        Args:
            number: the task's.
            now: the present time.
            seen: what looking at the work itself has shown.
            attempt: the attempt that was looked at; None for whichever is the latest.

        Raises:
            TaskError: there is no such task, it was not reported yet, or it is in another attempt by now.
        """
        shown = seen or Examined()
        with self._database.write() as connection:
            found = _under_review(connection, number)
            if found.made is not None:
                return found.task, found.made
            if attempt not in {None, found.task.attempt}:
                raise TaskError(f"task {number} went into attempt {found.task.attempt} meanwhile; verify that one")
            made = Reviewed(judge(found.case, shown.opinions), shown.tests)
            task = settle(found.task, made.verdict, now)
            rows.save(connection, task)
            verdicts.keep(connection, task, made, now)
            rows.note(connection, number, _told(task, made), now)
            if task.status is Status.DONE:
                _accept(connection, task, shown, now)
            return task, made


def _under_review(connection: sqlite3.Connection, number: int) -> UnderReview:
    task = rows.one(connection, number)
    case = verdicts.case(connection, task)
    made = None
    if reviewed(task):
        # A version that keeps no reviews may have settled it, or somebody by hand: then only its evidence speaks.
        made = verdicts.review(connection, task) or Reviewed(judge(case))
    return UnderReview(task, made, case)


def _accept(connection: sqlite3.Connection, task: Task, seen: Examined, now: datetime) -> None:
    """Note what accepted work says: it passed these tests, and what it was built on was good."""
    if seen.tree is not None:
        verdicts.tests_accepted(connection, seen.tree, seen.passed, ran=seen.ran, whole=seen.whole)
    for number in task.depends_on:
        needed = rows.one(connection, number)
        if needed.status is Status.DONE and needed.attempt:
            verdicts.turned_out(connection, needed, now, good=True, certain=False)


def _told(task: Task, made: Reviewed) -> str:
    """Say in one line what a review said."""
    against = "; ".join(made.verdict.reasons)
    return f"attempt {task.attempt} reviewed: {task.status}" + (f": {against}" if against else "")
