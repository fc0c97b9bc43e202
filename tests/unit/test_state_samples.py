"""What was measured: one suite, run against `samples.db` and its in-memory twin; and what only the file does."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from state import samples as samples_module
from state.errors import CorruptStoreError, StorageFullError
from state.memory import fail_on
from state.memory_samples import MemorySampleStore
from state.sample_rows import Asked, PairRow, Row, SampleRow
from state.samples import SqliteSampleStore

Store = SqliteSampleStore | MemorySampleStore


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemorySampleStore(wall=lambda: 50.0)
        return
    opened = await SqliteSampleStore.open(tmp_path / "samples.db", wall=lambda: 50.0)
    yield opened
    await opened.close()


def call(at: float, generation: int = 1, outcome: str = "ok", duration: float = 1.0, metrics: str = "{}") -> SampleRow:
    return SampleRow(at, generation, "active", "call", "do", "digest", None, 0.0, outcome, duration, metrics)


def process(at: float, generation: int, memory: int) -> SampleRow:
    metrics = f'{{"memory":{memory}}}'
    return SampleRow(at, generation, "active", "process", "", "", None, 0.0, None, None, metrics)


def pair(at: float, rollout: str = "") -> PairRow:
    return PairRow(at, "do", "digest", "{}", "{}", "[]", "[]", rollout)


async def all_of(store: Store, asked: Asked = Asked()) -> list[Row]:  # noqa: B008 - frozen
    return [row async for page in store.export(asked) for row in page]


@pytest.mark.requirement("SAMPLE-5")
async def test_samples_and_pairs_come_back_as_they_were_told_and_in_that_order(store: Store) -> None:
    told: list[Row] = [call(3.0), pair(1.0), call(2.0)._replace(treated=True, share=0.25), pair(4.0)]
    await store.add(told[:2])
    await store.add(told[2:])
    assert await all_of(store) == told


@pytest.mark.requirement("SAMPLE-5")
async def test_pages_leave_nothing_out_and_repeat_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "PAGE", 3)
    told: list[Row] = [pair(float(n)) if n % 4 else call(float(n)) for n in range(20)]
    await store.add(told)
    assert await all_of(store) == told


@pytest.mark.requirement("SAMPLE-5")
async def test_an_export_is_narrowed_by_time_and_by_rollout(store: Store) -> None:
    await store.add([call(1.0), call(2.0)._replace(rollout="r-1"), call(3.0), pair(4.0, "r-1"), call(9.0)])
    assert [row.at for row in await all_of(store, Asked(since=2.0, until=9.0))] == [2.0, 3.0, 4.0]
    assert [row.at for row in await all_of(store, Asked(rollout="r-1"))] == [2.0, 4.0]


@pytest.mark.requirement("SAMPLE-5")
async def test_what_is_old_or_too_much_goes_the_oldest_first(store: Store) -> None:
    await store.add([call(float(n)) for n in range(10)])
    assert await store.prune(before=3.0, keep=100) == 3
    assert await store.prune(before=3.0, keep=4) == 3
    assert [row.at for row in await all_of(store)] == [6.0, 7.0, 8.0, 9.0]
    assert await store.prune(before=3.0, keep=4) == 0
    await store.add([call(10.0)])
    assert [row.at for row in await all_of(store)][-1] == 10.0


@pytest.mark.requirement("SAMPLE-5")
async def test_looks_are_paged_newest_first_by_epoch_or_by_rollout(store: Store) -> None:
    for number, epoch in enumerate(("r-1/steps/0/1", "r-1/steps/1/1", "r-2/bake/0/1"), start=1):
        assert await store.add_look(f'{{"number":{number}}}', epoch, float(number), "not_yet") == number
    assert [look.seq for look in await store.looks(limit=5, rollout="r-1")] == [2, 1]
    assert [look.seq for look in await store.looks(limit=1, rollout="r-1", before=2)] == [1]
    (look,) = await store.looks(limit=5, epoch="r-2/bake/0/1")
    assert (look.look, look.verdict, look.at) == ('{"number":3}', "not_yet", 3.0)
    assert len(await store.looks(limit=2)) == 2
    with pytest.raises(ValueError, match="0"):
        await store.looks(limit=0)


@pytest.mark.requirement("SAMPLE-5")
async def test_the_last_checkpoint_of_an_epoch_is_kept_until_it_is_old(store: Store) -> None:
    assert await store.last_checkpoint("e") is None
    await store.checkpoint("e", b"\x00one")
    await store.checkpoint("e", b"\x00two")
    assert await store.last_checkpoint("e") == b"\x00two"
    await store.prune(before=50.0, keep=1)
    assert await store.last_checkpoint("e") == b"\x00two"
    await store.prune(before=51.0, keep=1)
    assert await store.last_checkpoint("e") is None


@pytest.mark.requirement("SAMPLE-7")
async def test_a_summary_says_for_each_generation_how_its_calls_went_and_what_it_holds(store: Store) -> None:
    await store.add([call(float(n), duration=float(n + 1), metrics='{"tokens":10}') for n in range(20)])
    await store.add([call(30.0, 2, "error"), call(31.0, 2, "cancelled"), call(32.0, 2, "lost"), process(33.0, 2, 5)])
    await store.add([process(34.0, 2, 7), process(34.0, 3, 9)])
    first, second, third = await store.summary()
    assert first == (1, 20, 0, 10.0, 19.0, 10.0, None)
    assert second == (2, 3, 2, 1.0, 1.0, None, 7)
    assert third == (3, 0, 0, None, None, None, 9)
    assert [row.generation for row in await store.summary(since=34.0)] == [2, 3]


@pytest.mark.requirement("SAMPLE-5")
async def test_a_full_disk_stores_nothing_of_a_batch_and_the_next_one_is_stored(tmp_path: Path) -> None:
    store = await SqliteSampleStore.open(tmp_path / "samples.db")
    limit = store._writer.run
    await limit(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
    many = [call(float(n), metrics='{"x":"%s"}' % ("y" * 500)) for n in range(500)]
    with pytest.raises(StorageFullError):
        await store.add(many)
    await limit(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchall())
    await store.add(many[:2])
    assert await all_of(store) == many[:2]
    await store.close()
    twin = MemorySampleStore(before_write=fail_on(1))
    with pytest.raises(StorageFullError):
        await twin.add(many)


@pytest.mark.requirement("SAMPLE-5")
async def test_the_file_is_fast_rather_than_synced_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    store = await SqliteSampleStore.open(path)
    assert await store._writer.run(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (1,)
    await store.add([call(float(n)) for n in range(500)])
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 20_000)
    with pytest.raises(CorruptStoreError):
        await SqliteSampleStore.open(path)
