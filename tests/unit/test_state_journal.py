"""The journal: one suite, run against the SQLite file and its in-memory twin; and what only the file does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.domain import ports
from state.errors import CorruptStoreError, StorageError, StorageFullError, StorageReadOnlyError, StoreClosedError
from state.journal import _SQL, LEAST_KEPT, PRUNE_EVERY, PRUNED, SqliteJournal
from state.memory import MemoryJournal, fail_on
from state.records import JournalRecord, checksum

Journal = SqliteJournal | MemoryJournal

BIG = '"' + "x" * 100_000 + '"'
"""A record of more pages than a nearly full database has left."""


def wall() -> float:
    return 1_800_000_000.25


@dataclass
class Bench:
    """A journal, and a way to have its disk full for one append: the third."""

    journal: Journal
    fill_disk: Callable[[], Awaitable[None]]
    free_disk: Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Do nothing: the hook of the memory twin was set when it was made."""


async def limit_pages(journal: SqliteJournal, pages: int) -> None:
    """Have SQLite itself refuse to grow the file, as it does when the disk is full; 1 means the present size."""
    await journal._writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


@pytest.fixture(params=["sqlite", "memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield Bench(MemoryJournal(wall=wall, before_write=fail_on(3)), nothing, nothing)
        return
    journal = await SqliteJournal.open(tmp_path / "journal.db", wall=wall)
    yield Bench(journal, lambda: limit_pages(journal, 1), lambda: limit_pages(journal, 1_000_000))
    await journal.close()


def fits_the_port(journal: Journal) -> ports.Journal:
    """Let mypy compare the twins with the interface."""
    port: ports.Journal = journal
    return port


@pytest.mark.requirement("STATE-1")
async def test_an_empty_journal_has_no_last_record(bench: Bench) -> None:
    assert await fits_the_port(bench.journal).last() is None
    assert await bench.journal.tail(10) == []


@pytest.mark.requirement("STATE-1")
async def test_appends_are_numbered_from_one_and_the_last_is_the_newest(bench: Bench) -> None:
    assert [await bench.journal.append(f'{{"n":{number}}}') for number in (1, 2)] == [1, 2]
    assert await bench.journal.last() == '{"n":2}'


@pytest.mark.requirement("STATE-1")
async def test_the_tail_is_newest_first_with_number_and_time(bench: Bench) -> None:
    for record in ("1", "2"):
        await bench.journal.append(record)
    assert await bench.journal.tail(1) == [JournalRecord(2, wall(), "2")]
    assert await bench.journal.tail(10) == [JournalRecord(2, wall(), "2"), JournalRecord(1, wall(), "1")]


@pytest.mark.requirement("STATE-1")
async def test_records_are_read_page_by_page_from_the_newest_to_the_oldest(bench: Bench) -> None:
    for record in ("1", "2"):
        await bench.journal.append(record)
    assert [record.seq for record in await bench.journal.page(1)] == [2]
    assert [record.seq for record in await bench.journal.page(5, 2)] == [1]
    assert await bench.journal.page(5, 1) == []


@pytest.mark.requirement("STATE-1")
async def test_appends_handed_over_at_once_are_stored_in_that_order(bench: Bench) -> None:
    assert await asyncio.gather(*(bench.journal.append(text) for text in ("1", "2"))) == [1, 2]
    assert [record.record for record in await bench.journal.tail(2)] == ["2", "1"]


@pytest.mark.requirement("STATE-1", "STATE-5")
async def test_a_full_disk_is_reported_and_the_journal_goes_on_when_space_returns(bench: Bench) -> None:
    await bench.journal.append("1")
    await bench.journal.append("2")
    await bench.fill_disk()
    with pytest.raises(StorageFullError, match=r"full.*free some space"):
        await bench.journal.append(BIG)
    assert await bench.journal.last() == "2"
    await bench.free_disk()
    assert await bench.journal.append(BIG) == 3
    assert await bench.journal.last() == BIG


@pytest.mark.requirement("STATE-1")
async def test_what_cannot_be_stored_or_asked_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not valid Unicode"):
        await bench.journal.append("\ud800")
    with pytest.raises(ValueError, match="ask for at least 1"):
        await bench.journal.tail(0)
    assert await bench.journal.last() is None


async def test_the_injected_failure_is_the_tests_own_when_it_gives_one() -> None:
    theirs = StorageReadOnlyError(Path("journal.db"), "read-only")
    journal = MemoryJournal(before_write=fail_on(1, error=theirs))
    with pytest.raises(StorageReadOnlyError) as caught:
        await journal.append("1")
    assert caught.value is theirs
    assert await journal.append("1") == 1


async def test_a_journal_reopened_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.append("1")
    await journal.close()
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    assert await journal.last() == "1"
    assert await journal.append("2") == 2
    await journal.close()


async def test_opening_keeps_only_the_newest_records_and_never_reuses_a_number(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    for number in range(1, 11):
        await journal.append(str(number))
    await journal.close()
    journal = await SqliteJournal.open(tmp_path / "journal.db", keep=3)
    assert [record.seq for record in await journal.tail(100)] == [10, 9, 8]
    assert await journal.append("11") == 11
    await journal.close()


async def test_long_records_are_kept_by_their_bytes_while_the_journal_is_open_and_the_newest_always(
    tmp_path: Path,
) -> None:
    long = '"' + "x" * 9_000 + '"'
    journal = await SqliteJournal.open(tmp_path / "journal.db", keep_bytes=4 << 20)
    for _ in range(2 * PRUNE_EVERY):
        last = await journal.append(long)
    kept = await journal.tail(last)
    assert LEAST_KEPT < len(kept) < last
    assert sum(len(one.record) for one in kept) <= 4 << 20
    assert kept[0].seq == last
    await journal.close()
    journal = await SqliteJournal.open(tmp_path / "journal.db", keep_bytes=1)
    assert [one.seq for one in await journal.tail(last)] == list(range(last, last - LEAST_KEPT, -1))
    await journal.close()


async def test_a_journal_far_too_long_is_shortened_bit_by_bit(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    row = {"at": 1.0, "record": "1", "checksum": checksum(1.0, "1")}
    await journal._writer.run(lambda connection: connection.executemany(_SQL["append"], [row] * (2 * PRUNED + 9)))
    await journal.close()
    for left in (PRUNED + 9, 9, 5):
        journal = await SqliteJournal.open(tmp_path / "journal.db", keep=5)
        assert len(await journal.tail(10 * PRUNED)) == left
        await journal.close()


@pytest.mark.requirement("STATE-2")
async def test_an_append_is_synced_before_it_returns(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    settings = await journal._writer.run(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
    )
    assert settings == ["wal", 2]  # 2 is FULL: the log is synced with every transaction
    await journal.close()


@pytest.mark.requirement("STATE-5")
async def test_a_read_only_database_is_reported_and_the_journal_stays_usable(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal._writer.run(lambda connection: connection.execute("PRAGMA query_only = ON").fetchall())
    with pytest.raises(StorageReadOnlyError, match=r"journal\.db: .*readonly.*make it writable"):
        await journal.append("1")
    await journal._writer.run(lambda connection: connection.execute("PRAGMA query_only = OFF").fetchall())
    assert await journal.append("1") == 1
    await journal.close()


@pytest.mark.requirement("STATE-3")
async def test_a_record_that_changed_on_the_disk_is_never_given_out(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    for number in (1, 2):
        await journal.append(str(number))
    await journal._writer.run(
        lambda connection: connection.execute("UPDATE records SET record = '9' WHERE seq = 1").fetchall()
    )
    assert await journal.last() == "2"
    with pytest.raises(CorruptStoreError, match="record 1 is not what was written"):
        await journal.tail(2)
    await journal.close()


async def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.close()
    with pytest.raises(StoreClosedError, match="the store is closed; open it again"):
        await journal.append("1")


async def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open the database file for writing \(No such file"):
        await SqliteJournal.open(tmp_path / "nowhere" / "journal.db")


def modes(directory: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}


async def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.append("1")
    assert modes(tmp_path) == {"journal.db": 0o600, "journal.db-shm": 0o600, "journal.db-wal": 0o600}
    await journal.close()
