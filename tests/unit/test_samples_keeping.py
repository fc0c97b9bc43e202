"""What is stored of samples: how many, under which keys, and that a file in trouble stops nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from orchestrator.domain.evidence.samples import Origin, Outcome, Pair, Sample
from orchestrator.domain.routing import Lane
from orchestrator.sampling import Keeping
from orchestrator.sampling.rows import Pseudonyms, told_by
from orchestrator.settings import Samples
from orchestrator.storage import open_samples
from state.errors import CorruptStoreError, StorageError, StorageFullError
from state.memory import IN_MEMORY
from state.memory_samples import MemorySampleStore
from state.sample_rows import Asked, Row
from state.samples import SqliteSampleStore

CALL = Sample(at=5.0, generation=1, lane=Lane.ACTIVE, tool="do", key="mission", outcome=Outcome.OK, duration=2.0)
TRIED = msgspec.structs.replace(CALL, lane=Lane.CANARY, generation=2, treated=True, share=0.25)
LOOKED = Sample(at=6.0, generation=1, lane=Lane.ACTIVE, origin=Origin.PROCESS, metrics={"memory": 8.0})


class Disk:
    """Opens stores in memory, and fails when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.error: StorageError | None = None
        self.opened: list[MemorySampleStore] = []
        self.aside: str | None = None
        self.settings = Samples(idle_per_second=4)

    async def open(self) -> tuple[SqliteSampleStore, str | None]:
        if self.error is not None:
            raise self.error
        self.opened.append(MemorySampleStore(wall=lambda: self.now, before_write=self._before))
        return cast("SqliteSampleStore", self.opened[-1]), self.aside

    def _before(self, _number: int) -> None:
        if self.error is not None:
            raise self.error

    def keeping(self) -> Keeping:
        return Keeping(self.open, Pseudonyms(b"s" * 32), self.settings, lambda: self.now)

    async def rows(self) -> list[Row]:
        return [row async for page in self.opened[-1].export(Asked()) for row in page]


def full(*_: Any) -> StorageError:
    return StorageFullError(IN_MEMORY, "the disk is full (injected)")


async def told(keeping: Keeping, samples: Sequence[Sample | Pair]) -> None:
    """Tell it of these, and have it write."""
    for one in samples:
        if isinstance(one, Pair):
            keeping.pair(one)
        else:
            keeping.sample(one)
    await keeping.flush()


@pytest.mark.requirement("SAMPLE-10", "SAMPLE-13")
async def test_samples_are_stored_under_digests_of_their_keys_which_another_daemon_has_not() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    keeping.rollout = "r-1"
    pair = Pair(at=5.0, tool="do", key="mission", old=CALL, new=TRIED, classes=("noise",), decisions=("agent",))
    await told(keeping, [CALL, TRIED, LOOKED, pair])
    rows = await disk.rows()
    assert "mission" not in repr(rows)
    assert {row.rollout for row in rows} == {"r-1"}
    digest = rows[0].key
    assert re.fullmatch("[0-9a-f]{24}", digest)
    assert digest == Pseudonyms(b"s" * 32).of("mission") != Pseudonyms(b"t" * 32).of("mission")
    renamed = [msgspec.structs.replace(one, key=digest) for one in (CALL, TRIED)]
    whole = msgspec.structs.replace(pair, key=digest, old=renamed[0], new=renamed[1])
    assert [told_by(row) for row in rows] == [*renamed, LOOKED, whole]
    assert keeping.counts.stored == 4


@pytest.mark.requirement("SAMPLE-13")
async def test_while_nothing_is_on_trial_few_calls_are_stored_and_the_rest_is_counted() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    for written in (2, 4):  # half a second's worth at a time
        await told(keeping, [CALL] * 10)
        assert (keeping.counts.stored, keeping.counts.dropped) == (written, 0)
    assert keeping.counts.passed == 16


@pytest.mark.requirement("SAMPLE-13")
async def test_while_no_rollout_is_under_way_few_pairs_are_stored_and_during_one_all() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    pair = Pair(at=5.0, tool="do", key="mission", old=CALL, new=TRIED, classes=(), decisions=())
    assert keeping.wants_pairs
    for _ in range(10):
        keeping.pair(pair)
    assert not keeping.wants_pairs
    await keeping.flush()
    assert (keeping.counts.stored, keeping.counts.passed, keeping.counts.dropped) == (2, 8, 0)
    keeping.rollout = "r-1"
    await told(keeping, [pair] * 100)
    assert (keeping.counts.stored, keeping.counts.passed, keeping.counts.dropped) == (102, 8, 0)
    assert keeping.wants_pairs


@pytest.mark.requirement("SAMPLE-13")
async def test_on_trial_every_call_is_stored_up_to_what_the_file_takes() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    await told(keeping, [TRIED] * 2600)
    assert (keeping.counts.stored, keeping.counts.dropped, keeping.counts.passed) == (2500, 100, 0)
    await told(keeping, [LOOKED] * 1100)
    assert (keeping.counts.stored, keeping.counts.dropped) == (3500, 200)


@pytest.mark.requirement("SAMPLE-14")
async def test_a_full_disk_is_told_of_costs_only_samples_and_is_over_when_it_is_over() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    disk.error = full()
    await told(keeping, [TRIED])
    assert keeping.trouble is not None
    assert "the disk is full" in keeping.trouble
    disk.error = None
    await told(keeping, [TRIED])
    assert (keeping.trouble, keeping.counts.stored, keeping.counts.dropped) == (None, 1, 1)


@pytest.mark.requirement("SAMPLE-14")
async def test_a_file_that_cannot_be_opened_drops_samples_and_is_tried_again_when_asked_for() -> None:
    disk = Disk()
    disk.error = full()
    keeping = disk.keeping()
    await keeping._open()
    await told(keeping, [TRIED])
    assert keeping.counts.dropped == 1
    with pytest.raises(StorageFullError):
        await keeping.store()
    disk.error = None
    assert await keeping.store() is cast("Any", disk.opened[-1])
    assert keeping.trouble is None


@pytest.mark.requirement("SAMPLE-14")
async def test_a_file_found_damaged_while_running_is_set_aside_and_begun_anew() -> None:
    disk = Disk()
    keeping = disk.keeping()
    await keeping._open()
    disk.error = CorruptStoreError(IN_MEMORY, "a page is not what was written")
    store = disk.opened[-1]
    disk.aside = "samples.db was damaged and set aside as samples.db.corrupt-1"
    opens = disk.open

    async def open_anew() -> tuple[SqliteSampleStore, str | None]:
        disk.error = None
        return await opens()

    keeping._opens = open_anew
    await told(keeping, [TRIED])
    await told(keeping, [TRIED])
    assert disk.opened[-1] is not store
    assert (keeping.trouble, keeping.counts.stored, keeping.counts.dropped) == (disk.aside, 1, 1)


@pytest.mark.requirement("SAMPLE-14")
async def test_a_damaged_file_is_set_aside_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "samples.db").write_bytes(b"no database" * 1000)
    store, trouble = await open_samples(tmp_path)
    await store.close()
    assert trouble == "samples.db was damaged and set aside as samples.db.corrupt-1"
    assert (tmp_path / "samples.db.corrupt-1").exists()


@pytest.mark.requirement("SAMPLE-5", "SAMPLE-13")
async def test_what_is_too_old_is_pruned_and_the_end_writes_what_is_left() -> None:
    disk = Disk()
    disk.settings = Samples(keep_days=1 / 86_400)  # a second
    keeping = disk.keeping()
    await keeping._open()
    await told(keeping, [msgspec.structs.replace(TRIED, at=at) for at in (998.0, 999.5)])
    await keeping._prune()
    assert [row.at for row in await disk.rows()] == [999.5]
    keeping.sample(TRIED)
    await keeping.close()
    assert keeping.counts.stored == 3
    await told(keeping, [TRIED])
    assert keeping.counts.dropped == 1
