"""Damaged database files: noticed when they are opened, set aside whole, replaced by a fresh one."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from state.errors import CorruptStoreError, StorageError
from state.files import set_aside
from state.journal import SqliteJournal
from state.store import OrchestratorStore

pytestmark = pytest.mark.requirement("STATE-3")

RECORDS = 60
LAST = f'{{"n": {RECORDS}, "text": "{"last-record " * 20}"}}'
PAGE = 4096


async def write_journal(path: Path) -> None:
    """Write a journal of several pages whose last record is `LAST`."""
    journal = await SqliteJournal.open(path)
    for number in range(1, RECORDS):
        await journal.append(f'{{"n": {number}, "text": "{"x" * 300}"}}')
    await journal.append(LAST)
    await journal.close()


async def copy_running_journal(path: Path) -> None:
    """Put beside `path` what a killed daemon leaves: a database whose newest records are only in its -wal."""
    running = path.with_name("running.db")
    journal = await SqliteJournal.open(running)
    await journal.append(LAST)
    for side in ("", "-wal"):
        shutil.copy(f"{running}{side}", f"{path}{side}")
    await journal.close()


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def no_database(path: Path) -> None:
    path.write_text("this is no database\n" * 500)


def a_short_file(path: Path) -> None:
    path.write_bytes(b"short")


def header_zeroed(path: Path) -> None:
    overwrite(path, 0, bytes(100))


def page_malformed(path: Path) -> None:
    overwrite(path, 2 * PAGE, b"\xff" * PAGE)


def last_page_zeroed(path: Path) -> None:
    overwrite(path, path.stat().st_size - PAGE, bytes(PAGE))


def cut_in_half(path: Path) -> None:
    overwrite(path, 0, path.read_bytes())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def last_record_changed(path: Path) -> None:
    overwrite(path, path.read_bytes().index(b"last-record"), b"lost-record")


def last_record_no_text(path: Path) -> None:
    overwrite(path, path.read_bytes().index(b"last-record"), b"\xff\xfe")


def table_gone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE records")


DAMAGE = [
    no_database,
    a_short_file,
    header_zeroed,
    page_malformed,
    last_page_zeroed,
    cut_in_half,
    last_record_changed,
    last_record_no_text,
    table_gone,
]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_journal_is_refused_set_aside_and_begun_anew(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    await write_journal(path)
    damage(path)
    with pytest.raises(CorruptStoreError, match="restore it from a backup, or move it") as caught:
        await SqliteJournal.open(path)
    assert caught.value.path == path
    kept = set_aside(path)
    assert kept == tmp_path / "journal.db.corrupt-1"
    fresh = await SqliteJournal.open(path)
    assert await fresh.last() is None
    assert await fresh.append("1") == 1
    await fresh.close()


@pytest.mark.parametrize("damage", [no_database, header_zeroed, cut_in_half, page_malformed])
async def test_a_damaged_orchestrator_database_is_refused(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.db"
    store = await OrchestratorStore.open(path)
    await store.desired.txn({f"key/{number}": "x" * 500 for number in range(100)})
    await store.close()
    damage(path)
    with pytest.raises(CorruptStoreError, match=r"orchestrator\.db: "):
        await OrchestratorStore.open(path)


async def test_what_only_the_log_holds_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await copy_running_journal(path)
    journal = await SqliteJournal.open(path)
    assert await journal.last() == LAST
    await journal.close()


@pytest.mark.parametrize("gone", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
async def test_a_log_without_its_database_is_refused_instead_of_dropped(
    gone: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    await copy_running_journal(path)
    gone(path)
    with pytest.raises(CorruptStoreError, match=r"missing or empty, yet its -wal holds \d+ bytes"):
        await SqliteJournal.open(path)


def test_setting_aside_takes_the_side_files_along_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for number in (1, 2):
        for side in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{side}").write_text(f"{number}{side}")
        assert set_aside(path).name == f"journal.db.corrupt-{number}"
    left = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert left == {
        f"journal.db.corrupt-{number}{side}": f"{number}{side}"
        for number in (1, 2)
        for side in ("", "-wal", "-shm", "-journal")
    }


def test_setting_aside_ends_what_a_dying_one_began(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    (tmp_path / "journal.db.corrupt-1").write_text("moved before the power went")
    (tmp_path / "journal.db-wal").write_text("not yet moved")
    assert set_aside(path).name == "journal.db.corrupt-2"
    assert not (tmp_path / "journal.db-wal").exists()


async def test_whatever_byte_changes_the_last_record_is_right_or_opening_refuses(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.db", tmp_path / "journal.db"
    await write_journal(whole)
    content, chance, refused = whole.read_bytes(), random.Random(7), 0
    for _ in range(200):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            journal = await SqliteJournal.open(path)
        except StorageError:
            refused += 1
        else:
            assert await journal.last() == LAST
            await journal.close()
    assert 0 < refused < 200
