"""Databases removed or replaced under whoever has them open: put back whole, or refused; never lost without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.domain.flags.records import FlagRow, FlagWrite
from state import held_file
from state.errors import StorageError, StoreRemovedError, StoreReplacedError
from state.files import SIDE_FILES, beside
from state.journal import SqliteJournal
from state.samples import SqliteSampleStore
from state.store import OrchestratorStore


@pytest.fixture(autouse=True)
def _tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_file, "AGAIN", 0.0)


def remove(path: Path, sides: tuple[str, ...] = SIDE_FILES) -> None:
    for side in sides:
        beside(path, side).unlink(missing_ok=True)


def looked_at(path: Path) -> tuple[int, list[Path]]:
    """Return who may read a database, and what is left over beside it."""
    return path.stat().st_mode & 0o777, sorted(path.parent.glob("*.restored*"))


@pytest.mark.requirement("STATE-6")
@pytest.mark.parametrize("sides", [SIDE_FILES, ("",)], ids=["all its files", "the database alone"])
async def test_a_removed_journal_is_put_back_whole_and_goes_on(tmp_path: Path, sides: tuple[str, ...]) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.append('{"n": 1}')
    remove(path, sides)
    assert await journal.append('{"n": 2}') == 2
    assert await journal.look() == 1
    assert looked_at(path) == (0o600, [])
    await journal.close()
    reopened = await SqliteJournal.open(path)
    assert [one.record for one in await reopened.tail(3)] == ['{"n": 2}', '{"n": 1}']
    await reopened.close()


@pytest.mark.requirement("STATE-6")
async def test_flags_desired_state_and_audit_outlive_the_removal_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.db"
    store = await OrchestratorStore.open(path)
    await store.desired.txn({"/routing": "1"})
    await store.audit.append("ann", "switch", revision=1)
    row = FlagRow("MODE", '"a"', is_set=True, targeting=None, salt="MODE", hash_version=1)
    await store.flags.write(FlagWrite((row,), actor="ann", at=1.0))
    mark = await store.flags.data_version()
    for times in (1, 2):
        remove(path)
        assert await store.look() == times
        assert await store.flags.data_version() > mark, "what was edited by hand meanwhile is looked at anew"
        mark = await store.flags.data_version()
    await store.close()
    reopened = await OrchestratorStore.open(path)
    entry = await reopened.desired.get("/routing")
    assert entry is not None
    assert entry.value == "1"
    assert [row.key for row in (await reopened.flags.load()).rows] == ["MODE"]
    await reopened.close()


@pytest.mark.requirement("STATE-6")
async def test_a_file_put_in_its_place_is_left_alone_and_nothing_is_taken_until_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.append('{"n": 1}')
    other = tmp_path / "backup.db"
    other.write_bytes(b"somebody's own")
    other.replace(path)
    with pytest.raises(StoreReplacedError, match=r"replaced while it was open.*move it away"):
        await journal.append('{"n": 2}')
    assert path.read_bytes() == b"somebody's own"
    path.unlink()
    assert await journal.append('{"n": 3}') == 2, "what was refused was not stored"
    await journal.close()


@pytest.mark.requirement("STATE-6")
async def test_what_cannot_be_put_back_is_refused_with_the_reason_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "state" / "samples.db"
    path.parent.mkdir()
    samples = await SqliteSampleStore.open(path)
    await samples.checkpoint("e", b"known")
    shutil.rmtree(path.parent)
    with pytest.raises(StoreRemovedError, match=r"lost at the next start; it cannot be put back yet"):
        await samples.checkpoint("e", b"later")
    path.parent.mkdir()
    assert await samples.last_checkpoint("e") == b"known"
    assert path.exists()
    await samples.close()


@pytest.mark.requirement("STATE-6")
async def test_a_failed_attempt_to_put_a_file_back_is_not_made_anew_with_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "journal.db"
    path.parent.mkdir()
    journal = await SqliteJournal.open(path)
    shutil.rmtree(path.parent)
    monkeypatch.setattr(held_file, "AGAIN", 3600.0)
    with pytest.raises(StorageError):
        await journal.look()
    path.parent.mkdir()
    with pytest.raises(StoreRemovedError):
        await journal.look()
    monkeypatch.setattr(held_file, "AGAIN", 0.0)
    assert await journal.look() == 1
    assert path.exists()
    await journal.close()
