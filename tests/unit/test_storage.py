"""The daemon's own files under their names: what is said when one is removed or replaced while it is open."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.routing import RoutingTable
from orchestrator.sampling.keeping import Keeping
from orchestrator.sampling.rows import Pseudonyms
from orchestrator.settings import Samples
from orchestrator.storage import open_samples, open_storage
from orchestrator.telemetry.measured import Snapshot, StorageCounts
from orchestrator.telemetry.metrics import render
from state.directory import StateDirectory
from state.files import SIDE_FILES, beside


def remove(path: Path) -> None:
    for side in SIDE_FILES:
        beside(path, side).unlink(missing_ok=True)


@pytest.mark.requirement("STATE-6")
@pytest.mark.parametrize("name", ["journal.db", "orchestrator.db"])
async def test_a_removed_file_is_put_back_and_one_in_its_place_is_trouble_until_it_is_gone(
    tmp_path: Path, name: str
) -> None:
    with StateDirectory.open(tmp_path / "state") as directory:
        async with AsyncExitStack() as stack:
            storage = await open_storage(directory, stack)
            path = directory.path / name
            with capture_logs() as logs:
                await storage.look()
                remove(path)
                await storage.look()
            assert (storage.lost, storage.restored[name], path.is_file()) == ({}, 1, True)
            assert [(one["log_level"], one["file"]) for one in logs] == [("warning", name)]
            foreign = tmp_path / "foreign"
            foreign.touch()
            foreign.replace(path)
            with capture_logs() as logs:
                for _ in range(2):
                    await storage.look()
            assert "replaced while it was open" in storage.lost[name]
            assert [one["log_level"] for one in logs] == ["error"], "it is said once"
            path.unlink()
            await storage.look()
            assert (storage.lost, storage.restored[name]) == ({}, 2)


@pytest.mark.requirement("STATE-6")
async def test_samples_that_were_removed_are_put_back_while_there_is_nothing_to_write(tmp_path: Path) -> None:
    keeping = Keeping(lambda: open_samples(tmp_path), Pseudonyms(b"s" * 32), Samples(), lambda: 1000.0)
    await keeping._open()
    with capture_logs() as logs:
        remove(tmp_path / "samples.db")
        await keeping.look()
    assert ((tmp_path / "samples.db").is_file(), keeping.trouble) == (True, None)
    assert [(one["log_level"], one["file"]) for one in logs] == [("warning", "samples.db")]
    remove(tmp_path / "samples.db")
    (tmp_path / "samples.db").touch()
    await keeping.look()
    assert "replaced while it was open" in (keeping.trouble or "")
    (tmp_path / "samples.db").unlink()
    await keeping.look()
    assert keeping.trouble is None
    await keeping.close()


@pytest.mark.requirement("STATE-6")
def test_metrics_name_the_files_that_are_lost_and_count_those_put_back() -> None:
    counts = StorageCounts(["journal.db"], {"journal.db": 0, "orchestrator.db": 2})
    told = render(Snapshot(RoutingTable(), {}, 0, storage=counts)).decode()
    assert 'switchover_database_lost{file="journal.db"} 1.0' in told
    assert 'switchover_database_lost{file="orchestrator.db"} 0.0' in told
    assert 'switchover_database_restored_total{file="orchestrator.db"} 2.0' in told
