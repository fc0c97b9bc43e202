"""Two states compared: databases, files, times and ids written since, and the clock that says how long they agree."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest

from orchestrator.parity import reading
from orchestrator.parity.clean import NEVER, Clean, Parting
from orchestrator.parity.compare import MOST, compare
from orchestrator.parity.reading import TEXT_BYTES, BusyError, Reader, ReadingError
from orchestrator.parity.scrub import Scrubber
from orchestrator.parity.values import Difference

BEGAN = 1_800_000_000.0
NOW = BEGAN + 3600.0
SCRUBBER = Scrubber(BEGAN, NOW)
SCHEMA = "CREATE TABLE task (id INTEGER PRIMARY KEY, title TEXT, at TEXT, cost REAL)"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def state(root: Path, *rows: tuple[object, ...], schema: str = SCHEMA, table: str = "task") -> Path:
    """Make a state with one table."""
    root.mkdir()
    with closing(sqlite3.connect(root / "tasks.db")) as database:
        database.execute(schema)
        if rows:
            places = ", ".join("?" * len(rows[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - of this test
        database.commit()
    return root


def differ(old: Path, new: Path, reader: Reader | None = None, scrubber: Scrubber = SCRUBBER) -> list[Difference]:
    """Read and compare two states."""
    reader = reader or Reader()
    return compare(reader.read(old, scrubber), reader.read(new, scrubber))


@pytest.mark.requirement("PARITY-1")
def test_times_and_ids_written_since_are_no_difference_and_those_of_before_are(tmp_path: Path) -> None:
    old = state(tmp_path / "old", (1, "a", iso(BEGAN - 900), 1.5), (2, str(uuid.uuid4()), iso(BEGAN + 5), BEGAN + 5.25))
    new = state(tmp_path / "new", (1, "a", iso(BEGAN - 900), 1.5), (2, str(uuid.uuid4()), iso(BEGAN + 7), BEGAN + 7.5))
    assert differ(old, new) == []
    with closing(sqlite3.connect(new / "tasks.db")) as database:
        database.execute("UPDATE task SET at = ? WHERE id = 1", (iso(BEGAN - 800),))
        database.execute("UPDATE task SET at = ? WHERE id = 2", (iso(BEGAN + 7).replace("+00:00", ""),))
        database.commit()
    assert [(one.place, one.kind) for one in differ(old, new)] == [
        ("tasks.db:task.at [1]", "value"),
        ("tasks.db:task.at [2]", "value"),
    ]


@pytest.mark.requirement("PARITY-1")
def test_an_id_that_the_snapshot_held_has_to_be_the_same_one(tmp_path: Path) -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    old = state(tmp_path / "old", (1, one, "", 0.0), (2, other, "", 0.0))
    new = state(tmp_path / "new", (1, one, "", 0.0), (2, one, "", 0.0))
    assert differ(old, new) == []
    gathering = Reader(ids=set())
    gathering.read(old, SCRUBBER)
    assert gathering.ids == {one, other}
    found = differ(old, new, scrubber=Scrubber(BEGAN, NOW, frozenset(gathering.ids)))
    assert [(one.place, one.kind) for one in found] == [("tasks.db:task.title [2]", "value")]


@pytest.mark.requirement("PARITY-1")
def test_rows_are_found_by_their_key_and_without_one_by_all_they_hold(tmp_path: Path) -> None:
    old = state(tmp_path / "old", (1, "a", "", 1.0), (2, "b", "", 1.0), (3, "c", "", 1.0))
    new = state(tmp_path / "new", (1, "a", "", 1), (3, "C", "", 1.0), (4, "d", "", 1.0))
    assert [(one.place, one.kind, one.old, one.new) for one in differ(old, new)] == [
        ("tasks.db:task [2]", "missing", "2, 'b', '', 1.0", ""),
        ("tasks.db:task.title [3]", "value", "'c'", "'C'"),
        ("tasks.db:task [4]", "extra", "", "4, 'd', '', 1.0"),
    ]
    keyless = "CREATE TABLE task (title TEXT)"
    old = state(tmp_path / "old2", ("a",), ("a",), ("b",), schema=keyless)
    new = state(tmp_path / "new2", ("b",), ("a",), schema=keyless)
    assert [(one.place, one.kind, one.old) for one in differ(old, new)] == [("tasks.db:task", "missing", "'a'")]


@pytest.mark.requirement("PARITY-1")
def test_schemas_and_files_are_compared_and_what_is_ignored_is_not(tmp_path: Path) -> None:
    old = state(tmp_path / "old", (1, "a", "", 1.0))
    new = state(tmp_path / "new", (1, "a", "", 1.0, 7), schema=SCHEMA.replace("cost REAL", "cost REAL, more INT"))
    for root, when in ((old, BEGAN + 1), (new, BEGAN + 2)):
        (root / "run.log").write_text(f"{iso(when)} began\n")
        (root / "blob").write_bytes(bytes([0, int(when) % 256]))
    (old / "only").symlink_to("blob")
    places = {one.place: one.kind for one in differ(old, new)}
    assert places == {"tasks.db:task": "schema", "blob": "content", "only": "missing"}
    assert differ(old, new, Reader(ignored=("blob", "only", "tasks.db:*"))) == []


@pytest.mark.requirement("PARITY-1")
@pytest.mark.parametrize(
    ("schema", "column"),
    [
        ("CREATE TABLE task (id INTEGER PRIMARY KEY, long INT AS (id * 2) STORED, title TEXT)", "title"),
        ("CREATE TABLE task (id INTEGER PRIMARY KEY, long INT AS (id * 2) VIRTUAL, title TEXT)", "title"),
        ("CREATE TABLE sqlite3task (id INTEGER PRIMARY KEY, title TEXT)", "title"),
    ],
)
def test_columns_behind_a_generated_one_and_tables_named_like_sqlites_own_are_compared(
    tmp_path: Path, schema: str, column: str
) -> None:
    table = schema.split()[2]
    for name in ("old", "new"):
        root = state(tmp_path / name, schema=schema, table=table)
        with closing(sqlite3.connect(root / "tasks.db")) as database:
            database.execute(f"INSERT INTO {table} (id, title) VALUES (1, ?)", (name,))  # noqa: S608 - of this test
            database.commit()
    (found,) = differ(tmp_path / "old", tmp_path / "new")
    assert (found.place, found.old, found.new) == (f"tasks.db:{table}.{column} [1]", "'old'", "'new'")


@pytest.mark.requirement("PARITY-1")
def test_links_to_directories_long_files_and_how_far_a_schema_was_migrated_are_compared(tmp_path: Path) -> None:
    for name, version in (("old", 1), ("new", 2)):
        root = state(tmp_path / name)
        with closing(sqlite3.connect(root / "tasks.db")) as database:
            database.execute(f"PRAGMA user_version = {version}")
        (root / "kept").mkdir()
        (root / "mine").symlink_to(root / "kept")  # into the state, of which each has its own
        (root / "current").symlink_to(f"v{version}", target_is_directory=True)
        (root / "releases").symlink_to("/usr" if version == 1 else "/etc", target_is_directory=True)
        (root / "long").write_bytes(bytes(TEXT_BYTES) + bytes([version]))
    assert {one.place: (one.kind, one.old, one.new) for one in differ(tmp_path / "old", tmp_path / "new")} == {
        "tasks.db:user_version": ("content", "1", "2"),
        "current": ("content", "-> v1", "-> v2"),
        "releases": ("content", "-> /usr", "-> /etc"),
        "long": ("content", ANY, ANY),
    }
    assert differ(tmp_path / "old", tmp_path / "new", Reader(ignored=("*.db:*", "current", "releases", "long"))) == []


@pytest.mark.requirement("PARITY-1")
def test_too_many_rows_and_a_damaged_database_are_said_and_are_no_pass(tmp_path: Path) -> None:
    rows = [(number, "a", "", 1.0) for number in range(20)]
    assert "more than 10 rows" in Reader(most_rows=10).read(state(tmp_path / "old", *rows), SCRUBBER).bound
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "x.db").write_bytes(b"SQLite format 3\0" + b"nonsense" * 100)
    with pytest.raises(ReadingError, match="broken"):
        Reader().read(broken, SCRUBBER)
    old, new = state(tmp_path / "many"), state(tmp_path / "more", *((n, "a", "", 1.0) for n in range(2 * MOST)))
    assert len(differ(old, new)) == MOST


@pytest.mark.requirement("PARITY-3")
def test_a_database_that_is_held_locked_can_be_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BUSY", 0.01)
    root = state(tmp_path / "old")
    with closing(sqlite3.connect(root / "tasks.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BusyError, match="locked"):
            Reader().read(root, SCRUBBER)
    assert Reader().read(root, SCRUBBER).tables


@pytest.mark.requirement("PARITY-2")
def test_the_call_is_named_or_the_calls_between_which_they_parted() -> None:
    assert str(Parting(NOW, 7, 6, "plan")) == "they parted with call 7 (plan)"
    assert str(Parting(NOW, 9, 6, "plan")) == "they parted with one of the calls 7 to 9 (the last one: plan)"
    assert str(Parting(NOW, 6, 6, "plan")) == "they differ without a call, after call 6"


@pytest.mark.requirement("PARITY-2")
def test_states_that_were_never_the_same_are_not_said_to_have_parted() -> None:
    clean = Clean()
    assert clean.same == NEVER
    assert str(Parting(NOW, 0, clean.same, "")) == "they differed at the first look already, before any call"
    late = Parting(NOW, 3, clean.same, "plan")
    assert str(late) == "they differed at the first look already, after call 3"
    assert clean.parted(late).same == NEVER


@pytest.mark.requirement("PARITY-5")
def test_a_cell_is_hidden_before_it_is_cut_wherever_it_is_told(tmp_path: Path) -> None:
    def hide(column: str, text: str) -> str:
        return "hidden" if column == "word" else text

    keyless, keyed = "CREATE TABLE task (id, word)", "CREATE TABLE task (id, word TEXT PRIMARY KEY)"
    secret = "hunter" * 100
    for number, (schema, rows, others) in enumerate(
        [
            (keyless, [(1, secret)], [(1, f"{secret}2")]),
            (keyless, [(1, secret)], []),
            (keyed, [(1, secret)], [(2, secret)]),
            (keyed, [], [(1, secret)]),
        ]
    ):
        old = state(tmp_path / f"old{number}", *rows, schema=schema)
        new = state(tmp_path / f"new{number}", *others, schema=schema)
        found = compare(Reader().read(old, SCRUBBER), Reader().read(new, SCRUBBER), hide)
        assert found
        assert "hunter" not in str(found)


@pytest.mark.requirement("PARITY-1")
def test_schemas_are_shown_from_where_they_part(tmp_path: Path) -> None:
    more = state(tmp_path / "more", schema=f"{SCHEMA[:-1]}, priority INTEGER)")
    (schema,) = differ(state(tmp_path / "less"), more)
    assert (schema.kind, schema.old, schema.new) == (
        "schema",
        "...TEXT, cost REAL)",
        "...TEXT, cost REAL, priority INTEGER)",
    )


@pytest.mark.requirement("PARITY-3")
def test_the_clock_runs_from_the_first_agreement_and_any_break_stops_it() -> None:
    clean = Clean()
    assert clean.seconds(NOW) == 0.0
    clean = clean.equal(3, BEGAN).equal(4, BEGAN + 60)
    assert (clean.seconds(NOW), clean.same, clean.reason) == (3600.0, 4, "")
    first = Parting(NOW, 5, 4, "plan")
    parted = clean.parted(first)
    assert (parted.seconds(NOW), parted.reason, parted.breaks) == (0.0, "they parted with call 5 (plan)", 1)
    assert parted.parted(Parting(NOW + 1, 6, 4, "done")) == parted
    again = parted.equal(7, NOW + 10)
    assert (again.seconds(NOW + 70), again.parting) == (60.0, first)
    later = again.parted(Parting(NOW + 80, 8, 7, "done"))
    assert (later.reason, later.parting, later.breaks) == ("they parted with call 8 (done)", first, 2)
    unknown = again.unknown("call 8 (plan) had no answer")
    assert (unknown.seconds(NOW + 99), unknown.reason, unknown.breaks) == (0.0, "call 8 (plan) had no answer", 2)


def test_what_stopped_the_clock_last_is_told_and_not_what_stopped_it_before() -> None:
    first, second, third = Parting(1.0, 1, 0, "a"), Parting(2.0, 3, 2, "b"), Parting(3.0, 4, 2, "c")
    clean = Clean().equal(0, 0.0).parted(first).equal(2, 1.5).unknown("call 3 (b) had no answer")
    assert clean.reason == "call 3 (b) had no answer"
    parted = clean.parted(second)
    assert (parted.reason, parted.parting) == (str(second), first)
    assert parted.parted(third) == parted  # they differ still
    assert parted.unknown("it ended").reason == "it ended"
