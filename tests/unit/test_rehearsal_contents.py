"""What a state holds, and what old code lost of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.rehearsal.contents import contents, lost

pytestmark = pytest.mark.requirement("REH-11")


def test_rows_and_bytes_are_counted_and_what_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "own.db")) as database, database:
        database.execute('CREATE TABLE "a ""b" (n)')
        database.executemany('INSERT INTO "a ""b" VALUES (?)', [(1,), (2,)])
        database.execute("CREATE TABLE none (n)")
        database.execute('CREATE VIEW seen AS SELECT n FROM "a ""b" WHERE n > 1')
        database.execute("CREATE TABLE sqlitecache AS SELECT 1 AS n")
        database.execute("CREATE VIEW blind AS SELECT n FROM gone")
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"nonsense" * 100)
    (tmp_path / "empty").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one").write_text("abc")
    assert contents(tmp_path) == {'own.db:a "b': 2, "own.db:seen": 1, "own.db:sqlitecache": 1, "notes/one": 3}


def test_only_what_the_old_code_keeps_by_itself_and_cannot_make_again_is_lost() -> None:
    before = {"tasks": 3, "cache": 2, "queue": 1, "log": 9}
    alone = {"tasks": 4, "cache": 2, "log": 9}  # the queue is worked off by the old code, too
    handed = {"jobs": 3, "log": 1}
    after = {"jobs": 3, "tasks": 1, "cache": 2, "log": 1}
    assert list(lost(before, alone, handed, after)) == ["tasks"]
