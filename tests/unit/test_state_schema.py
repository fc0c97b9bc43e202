"""Migrations: in order, once, whole or not at all, and never backwards."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from state import statements
from state.database import connect, migrate
from state.errors import CorruptStoreError, SchemaTooNewError, StorageError

FIRST = "CREATE TABLE one (a INTEGER); INSERT INTO one VALUES (1);"
SECOND = "ALTER TABLE one ADD COLUMN b TEXT;"
HALFWAY = "ALTER TABLE one ADD COLUMN b TEXT; INSERT INTO nowhere VALUES (1);"


def columns(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(one)")]


@pytest.mark.parametrize("folder", ["orchestrator", "journal"])
def test_running_the_migrations_again_does_nothing(folder: str, tmp_path: Path) -> None:
    scripts = statements.migrations(folder)
    with closing(connect(tmp_path / "a.db", scripts)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts),)
        assert migrate(connection, tmp_path / "a.db", scripts) == 0
    with closing(connect(tmp_path / "a.db", scripts)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts),)


def test_an_older_database_gets_only_the_migrations_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connect(path, [FIRST]).close()
    with closing(connect(path, [FIRST, SECOND])) as connection:
        assert connection.execute("SELECT a, b FROM one").fetchall() == [(1, None)]


def test_a_newer_database_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connect(path, [FIRST, SECOND]).close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNewError, match=r"a\.db: it has schema 2, this version knows up to 1; start the newer"):
        connect(path, [FIRST])
    assert path.read_bytes() == before


def test_a_schema_number_that_no_version_writes_is_called_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(connect(path, [FIRST])) as connection:
        connection.execute("PRAGMA user_version = -7")
    with pytest.raises(CorruptStoreError, match="it has schema -7, which no version writes"):
        connect(path, [FIRST])


def test_a_migration_that_fails_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connect(path, [FIRST]).close()
    with pytest.raises(StorageError, match=r"migration 2 does not fit what is in this file \(no such table: nowhere"):
        connect(path, [FIRST, HALFWAY])
    assert columns(path) == ["a"]
    connect(path, [FIRST, SECOND]).close()
    assert columns(path) == ["a", "b"]


def test_tables_of_another_program_in_the_same_file_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE settings (key TEXT, val TEXT, updated_at TEXT)")
        connection.execute("INSERT INTO settings VALUES ('a', '1', 'now')")
        connection.commit()
    with closing(connect(path, statements.migrations("orchestrator"))) as connection:
        assert connection.execute("SELECT * FROM settings").fetchall() == [("a", "1", "now")]


@pytest.mark.requirement("FLAG-21")
def test_a_table_of_settings_that_cannot_hold_flags_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE settings (name TEXT, value TEXT)")
    with pytest.raises(StorageError, match=r"migration 3 does not fit what is in this file \(no such column: key"):
        connect(path, statements.migrations("orchestrator"))
    with closing(sqlite3.connect(path)) as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(settings)")] == ["name", "value"]


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sql" / "orchestrator"
    folder.mkdir(parents=True)
    for name in ("0001_a.sql", "0003_b.sql", "queries.sql"):
        (folder / name).touch()
    monkeypatch.setattr(statements, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"numbered \[1, 3\], not 1, 2, 3"):
        statements.migrations("orchestrator")


@pytest.mark.parametrize(
    ("folder", "file"),
    [("orchestrator", "queries.sql"), ("orchestrator", "flag_queries.sql"), ("journal", "queries.sql")],
)
def test_every_named_statement_fits_the_schema(folder: str, file: str, tmp_path: Path) -> None:
    with closing(connect(tmp_path / "a.db", statements.migrations(folder))) as connection:
        for statement in statements.named(folder, file).values():
            parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
            assert connection.execute(f"EXPLAIN {statement}", parameters).fetchall()
