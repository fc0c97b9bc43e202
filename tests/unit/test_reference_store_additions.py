"""What this version of the reference worker keeps beyond the first layout, beside a version that knows none of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from workers.reference.changes import Change
from workers.reference.choice.engine import Choice, Engine
from workers.reference.choice.forecast import Forecast, Record
from workers.reference.critics.opinion import Critic, Opinion
from workers.reference.database import FILE_NAME, StoreError
from workers.reference.scheduling import Scheduler
from workers.reference.store import Examined, Store
from workers.reference.tasks import Draft, Evidence, Status, TaskError
from workers.reference.verdicts import Spent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PASSED = Evidence("test", passed=True, detail="12 passed")
FAILED = Evidence("test", passed=False, detail="1 failed")
OPTION = Forecast("scout", cost=0.5, minutes=12, quality=62, share=0.1)
CHOICE = Choice(Engine.MULTI, OPTION, ("scout",), "because")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path, NOW)) as opened:
        yield opened


def first_layout(directory: Path) -> sqlite3.Connection:
    """Make a store as the first version made it, and return that version's connection."""
    connection = sqlite3.connect(directory / FILE_NAME, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for name in ("schema.sql", "examples.sql"):
        text = resources.files("workers.reference").joinpath(name).read_text()
        connection.executescript(text.replace(":now", f"'{NOW.isoformat()}'"))
    connection.execute("PRAGMA user_version = 1")
    return connection


def reviewed(store: Store, number: int, *, good: bool = True, seen: Examined | None = None) -> Status:
    """Have somebody work on the next task, which has to be this one, and have it reviewed."""
    task = store.dispatch("ada", LATER).task
    assert task is not None
    assert task.id == number
    store.report(number, "ada", [PASSED if good else FAILED], LATER)
    return store.verify(number, LATER, seen)[0].status


# --- the version before ---------------------------------------------------------------------------


@pytest.mark.requirement("REF-2")
def test_a_store_of_the_first_layout_is_taken_over_with_all_that_is_in_it(tmp_path: Path) -> None:
    with closing(first_layout(tmp_path)) as old:
        before = old.execute("SELECT * FROM task ORDER BY id").fetchall()
    with closing(Store.open(tmp_path, LATER)) as store:
        assert sum(store.overview().counts.values()) == len(before) == 7
        assert store.background(6)[0].depends_on == (2, 5)
        assert store.check() is None


@pytest.mark.requirement("REF-2")
def test_the_version_before_goes_on_on_the_same_file_and_may_start_anew(tmp_path: Path) -> None:
    with closing(first_layout(tmp_path)) as old, closing(Store.open(tmp_path, LATER)) as store:
        old.execute(
            "INSERT INTO task (title, status, priority, estimated_minutes, updated) VALUES (?, ?, ?, ?, ?)",
            ("Planned by the old one", "pending", 99, 5, NOW.isoformat()),
        )
        task = store.background(8)[0]
        assert (task.title, task.details, task.business_value, task.files) == ("Planned by the old one", "", None, ())
        store.update(8, Change({"details": "from the new one", "files": ("a.py",)}), LATER)
        old.execute(
            "UPDATE task SET status = 'in_progress', agent = 'ada', attempt = 1, updated = ? WHERE id = 8", ("x",)
        )
        (layout,) = old.execute("PRAGMA user_version").fetchone()
        assert layout == 1, "which is all that the version before looks at when it starts"
        columns = {row[1] for row in old.execute("PRAGMA table_info(task)")}
        assert {"title", "status", "agent", "attempt"} < columns


@pytest.mark.requirement("REF-2")
def test_what_the_version_before_has_settled_is_still_answered(tmp_path: Path) -> None:
    with closing(first_layout(tmp_path)) as old, closing(Store.open(tmp_path, LATER)) as store:
        old.execute("UPDATE task SET status = 'done' WHERE id = 2")
        task, made = store.verify(2, LATER)
        assert (task.status, made.verdict.total, made.verdict.reasons) == (Status.DONE, 2, ())
        assert store.overview().spoken == dict.fromkeys(Critic, 0), "and nothing was made up about it"


def test_additions_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    Store.open(tmp_path, NOW).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as later:
        later.execute("INSERT INTO addition VALUES (2, 'x')")
        later.execute("ALTER TABLE task ADD COLUMN mood TEXT NOT NULL DEFAULT ''")
        later.commit()
    with closing(Store.open(tmp_path, NOW)) as store:
        assert store.plan(Draft("x", 1, 1), NOW).id == 8


def test_an_addition_that_fails_halfway_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with closing(first_layout(tmp_path)) as old:
        old.execute("CREATE TABLE outcome (mine)")
    with pytest.raises(StoreError, match="table outcome already exists"):
        Store.open(tmp_path, NOW)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as left:
        names = {name for (name,) in left.execute("SELECT name FROM sqlite_schema")}
    assert not names & {"review", "opinion", "addition"}


# --- tasks ----------------------------------------------------------------------------------------


def test_a_task_keeps_all_that_was_planned(store: Store) -> None:
    draft = Draft(
        title="Count",
        priority=1,
        estimated_minutes=2,
        depends_on=(1, 4),
        details="all of\nthem",
        business_value=3,
        time_criticality=5,
        risk_reduction=8,
        job_size=13,
        files=("b.py", "a.py"),
        required_evidence=("review", "test"),
    )
    planned = store.plan(draft, LATER)
    assert store.background(planned.id)[0] == planned
    assert all(getattr(planned, name) == getattr(draft, name) for name in Draft.__dataclass_fields__)


def test_a_change_replaces_what_is_given_and_keeps_the_rest(store: Store) -> None:
    planned = store.plan(Draft("Count", 1, 2, depends_on=(1,), files=("a.py",), details="d"), NOW)
    after = store.update(planned.id, Change({"files": ("b.py",), "depends_on": (4,), "job_size": 9}), LATER)
    assert (after.files, after.depends_on, after.job_size, after.details) == (("b.py",), (4,), 9, "d")
    assert store.background(planned.id)[0] == after


def test_a_refused_change_leaves_everything_as_it_was(store: Store) -> None:
    before = store.background(6)
    for change in (Change({"title": "x", "depends_on": (6,)}), Change({"title": "x"}, status="done")):
        with pytest.raises(TaskError):
            store.update(6, change, LATER)
    assert store.background(6) == before


def test_the_history_tells_what_happened_whoever_did_it(store: Store) -> None:
    store.dispatch("ada", LATER, pick=lambda _task, _records: CHOICE)
    store.update(3, Change(status="pending", reason="ada is away"), LATER + timedelta(minutes=1))
    told = [happening.text for happening in store.background(3)[2]]
    assert told[:2] == [
        "attempt 1: test failed: 2 of 50 runs still failed",
        "attempt 1: review passed: the wait for the clock is gone",
    ]
    assert told[2:] == [
        "attempt 2 begun for ada by scout",
        "moved by hand from in_progress to pending: ada is away",
    ]


@pytest.mark.requirement("REF-3")
def test_the_scheduler_decides_what_is_dispatched(tmp_path: Path) -> None:
    for scheduler, number in ((Scheduler.LEGACY, 3), (Scheduler.WSJF, 4)):
        with closing(Store.open(tmp_path / scheduler, NOW)) as store:
            task = store.dispatch("ada", LATER, scheduler).task
            assert task is not None
            assert task.id == number


# --- reviews, critics and profiles ----------------------------------------------------------------


@pytest.mark.requirement("REF-7")
def test_a_review_is_answered_again_as_it_was_made(store: Store) -> None:
    seen = Examined([Opinion(Critic.TESTS, passed=True, score=1.0)], tests='{"passed": 3}')
    status = reviewed(store, 3, seen=seen)
    first = store.under_review(3)
    assert (status, first.made and first.made.tests) == (Status.DONE, '{"passed": 3}')
    against = Examined([Opinion(Critic.TESTS, passed=False, score=0.0, reasons=("no",))])
    assert store.verify(3, LATER, against) == (first.task, first.made), "the first look counts"


@pytest.mark.requirement("REF-7")
def test_critics_learn_from_work_that_was_reopened_and_from_work_that_was_built_upon(store: Store) -> None:
    reviewed(store, 3)
    assert not store.overview().standings[Critic.EVIDENCE].past
    store.update(3, Change(status="needs_improvement", reason="it fails on Mondays"), LATER)
    wrong = store.overview().standings[Critic.EVIDENCE]
    assert (len(wrong.past), wrong.held, wrong.brier) == (1, 0, pytest.approx(0.64))
    assert wrong.reputation < 0.6
    assert wrong.forecast(passed=True) < 0.8
    assert reviewed(store, 3) is Status.DONE, "one mistake is no ruin"
    follower = store.plan(Draft("Build on it", 100, 5, depends_on=(3,)), LATER)
    assert reviewed(store, follower.id) is Status.DONE
    right = store.overview().standings[Critic.EVIDENCE]
    assert [it.good for it in right.past] == [True, False], "the newest first"


@pytest.mark.requirement("REF-7")
def test_work_that_goes_into_another_attempt_was_not_good(store: Store) -> None:
    reviewed(store, 3, good=False)
    assert store.overview().standings[Critic.EVIDENCE].held == 0
    store.dispatch("ada", LATER)
    standing = store.overview().standings[Critic.EVIDENCE]
    assert (len(standing.past), standing.held) == (1, 1), "the critic had said so"


@pytest.mark.requirement("REF-7")
def test_somebody_who_takes_work_against_its_review_says_that_the_critic_was_wrong(store: Store) -> None:
    reviewed(store, 3, good=False)
    store.update(3, Change(status="done", reason="good enough"), LATER)
    standing = store.overview().standings[Critic.EVIDENCE]
    assert (len(standing.past), standing.held) == (1, 0)


def test_a_look_at_an_attempt_that_is_over_by_now_is_refused(store: Store) -> None:
    store.dispatch("ada", LATER)
    store.report(3, "ada", [PASSED], LATER)
    with pytest.raises(TaskError, match="task 3 went into attempt 2 meanwhile; verify that one"):
        store.verify(3, LATER, Examined(), attempt=1)
    assert store.background(3)[0].status is Status.NEEDS_REVIEW


@pytest.mark.requirement("REF-7")
def test_tests_that_passed_with_accepted_work_are_remembered_for_its_tree(store: Store) -> None:
    reviewed(store, 3, seen=Examined(tree=".", passed={"a", "b"}, ran={"a", "b", "c"}, whole=True))
    assert store.tests_passed(".") == {"a", "b"}
    assert store.tests_passed("other") == frozenset()
    reviewed(store, 4, seen=Examined(tree=".", passed={"d"}, ran={"d", "b"}, whole=False))
    assert store.tests_passed(".") == {"a", "d"}, "a did not run, b did and failed"
    reviewed(store, 5, good=False, seen=Examined(tree=".", passed={"z"}, ran={"z"}, whole=True))
    assert store.tests_passed(".") == {"a", "d"}, "what was not accepted says nothing"


@pytest.mark.requirement("REF-5")
def test_profiles_are_known_by_what_became_of_their_work(store: Store) -> None:
    for good in (True, False):
        task = store.dispatch("ada", LATER, pick=lambda _task, _records: CHOICE).task
        assert task is not None
        store.report(task.id, "ada", [PASSED if good else FAILED], LATER, Spent(tokens=5, cost=0.1, minutes=2))
        store.verify(task.id, LATER)
    assert store.overview().records == {"scout": Record(passed=1, total=2)}
    store.update(3, Change(status="needs_improvement"), LATER)
    assert store.overview().records == {"scout": Record(passed=0, total=2)}


def test_a_review_that_fails_halfway_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.dispatch("ada", LATER)
    store.report(3, "ada", [PASSED], LATER)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("CREATE TRIGGER no BEFORE INSERT ON note BEGIN SELECT raise(ABORT, 'no room'); END")
        other.commit()
        with pytest.raises(StoreError, match="no room"):
            store.verify(3, LATER)
        assert other.execute("SELECT count(*) FROM review").fetchone() == (0,)
    assert store.background(3)[0].status is Status.NEEDS_REVIEW
