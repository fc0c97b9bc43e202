"""The task store: what it remembers, for several processes at once, and what it says when it cannot."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workers.reference import database
from workers.reference.database import FILE_NAME, Database, StoreError
from workers.reference.store import Store, Taken
from workers.reference.tasks import Draft, Evidence, Status, TaskError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PASSED = Evidence("test", passed=True, detail="12 passed")
FAILED = Evidence("test", passed=False, detail="1 failed")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path, NOW)) as opened:
        yield opened


def at_once(*work: Callable[[], object]) -> list[object]:
    """Run everything in threads that start together; return the results."""
    together = threading.Barrier(len(work))

    def started(one: Callable[[], object]) -> object:
        together.wait(timeout=10)
        return one()

    with ThreadPoolExecutor(len(work)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(started, one) for one in work]]


def test_a_new_store_has_examples_in_every_status(store: Store) -> None:
    assert all(count > 0 for count in store.overview().counts.values())


def test_the_examples_come_only_once(tmp_path: Path, store: Store) -> None:
    before = store.overview()
    with closing(Store.open(tmp_path, LATER)) as again:
        assert again.overview() == before


def test_a_planned_task_is_pending_with_everything_it_was_given(store: Store) -> None:
    task = store.plan(Draft("Count the stars", 30, 15, depends_on=(2, 4)), LATER)
    assert (task.title, task.status, task.priority, task.estimated_minutes, task.depends_on, task.updated) == (
        "Count the stars",
        Status.PENDING,
        30,
        15,
        (2, 4),
        LATER,
    )
    assert task in store.overview().unfinished


def test_a_task_that_depends_on_an_unknown_one_is_not_stored(store: Store) -> None:
    before = store.overview()
    with pytest.raises(TaskError, match="there is no task 99; call plan_next"):
        store.plan(Draft("Count the stars", 30, 15, depends_on=(4, 99)), LATER)
    assert store.overview() == before


def test_dispatch_takes_rework_before_new_work_and_remembers_the_agent(store: Store) -> None:
    taken = store.dispatch("linus", LATER)
    task, waiting = taken.task, taken.waiting
    assert task is not None
    assert (task.id, task.status, task.agent, task.attempt) == (3, Status.IN_PROGRESS, "linus", 2)
    assert waiting == 1
    assert ("linus", LATER) in [(agent.name, agent.last_activity) for agent in store.overview().agents]


def test_dispatch_gives_nothing_when_everything_waits_or_is_taken(store: Store) -> None:
    taken = [store.dispatch("ada", LATER).task for _ in range(3)]
    assert [task.id for task in taken if task] == [3, 4, 5]
    assert store.dispatch("ada", LATER) == Taken(None, 1)


def test_evidence_of_an_earlier_attempt_no_longer_counts(store: Store) -> None:
    store.dispatch("ada", LATER)
    store.report(3, "ada", [PASSED], LATER)
    task, made = store.verify(3, LATER)
    assert (task.status, made.verdict.total) == (Status.DONE, 1)


def test_failed_evidence_sends_a_task_back_and_a_second_look_changes_nothing(store: Store) -> None:
    store.dispatch("ada", LATER)
    store.report(3, "ada", [PASSED, FAILED], LATER)
    first = store.verify(3, LATER)
    assert (first[0].status, first[1].verdict.quality) == (Status.NEEDS_IMPROVEMENT, 50.0)
    assert store.verify(3, LATER + timedelta(hours=1)) == first


def test_a_refused_report_records_nothing(store: Store) -> None:
    with pytest.raises(TaskError, match="assigned to grace"):
        store.report(7, "ada", [PASSED], LATER)
    store.report(7, "grace", [FAILED], LATER)
    assert store.verify(7, LATER)[1].verdict.total == 1


def test_everything_survives_closing(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path, NOW)) as first:
        first.dispatch("ada", LATER)
        before = first.overview()
    with closing(Store.open(tmp_path, LATER)) as second:
        assert second.overview() == before
        assert second.check() is None


@pytest.mark.requirement("REF-2")
def test_two_connections_never_assign_one_task_twice(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path, NOW)) as one, closing(Store.open(tmp_path, NOW)) as two:
        planned = {one.plan(Draft(f"task {number}", 50, 5), NOW).id for number in range(40)}

        def drain(store: Store) -> list[int]:
            taken = iter(lambda: store.dispatch("ada", LATER).task, None)
            return [task.id for task in taken if task]

        taken = at_once(lambda: drain(one), lambda: drain(two))
        given = [number for numbers in taken if isinstance(numbers, list) for number in numbers]
        assert len(given) == len(set(given))
        assert set(given) == planned | {3, 4, 5}


def test_a_directory_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreError, match=f"state directory {file} cannot be used: .*; make it writable or choose"):
        Store.open(file, NOW)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="not a database; move it away to begin anew"):
        Store.open(tmp_path, NOW)


def test_a_store_of_another_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="has layout 9, this worker knows layout 1; start the version that wrote it"):
        Store.open(tmp_path, NOW)


def test_a_write_lock_that_is_never_given_back_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    with closing(Store.open(tmp_path, NOW)) as store, closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"another process has been writing for 0\.05 s; try again"):
            store.dispatch("ada", NOW)
        assert store.overview().unfinished, "reading goes on"


def damage(path: Path) -> None:
    """Overwrite everything but the first page."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def test_damage_to_the_file_is_found(tmp_path: Path) -> None:
    Store.open(tmp_path, NOW).close()
    with closing(Store.open(tmp_path, NOW)) as store:
        damage(tmp_path / FILE_NAME)
        assert store.check()
    with pytest.raises(StoreError, match="malformed; put a copy back, or move it away to begin anew"):
        Store.open(tmp_path, NOW)


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    def fail(opened: Database) -> None:
        with opened.write() as connection:
            connection.execute("DELETE FROM evidence")
            raise ZeroDivisionError

    with closing(Database.open(tmp_path, NOW)) as opened:
        with pytest.raises(ZeroDivisionError):
            fail(opened)
        with opened.read() as connection:
            assert connection.execute("SELECT count(*) FROM evidence").fetchone()[0] > 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO dependency VALUES (4, 5)",
        "INSERT INTO dependency VALUES (99, 1)",
        "UPDATE task SET status = 'lost' WHERE id = 1",
        "UPDATE task SET agent = NULL WHERE id = 1",
    ],
)
def test_the_layout_itself_refuses_what_makes_no_sense(tmp_path: Path, statement: str) -> None:
    with (
        closing(Database.open(tmp_path, NOW)) as opened,
        pytest.raises(StoreError, match="constraint failed"),
        opened.write() as connection,
    ):
        connection.execute(statement)
