"""The lock of rehearsals: held by one, taken over from the dead, refused by the living by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from state.owner import Fate, Owner
from state.upgrade_lock import LOCK_NAME, UpgradeLock, UpgradeLockedError

pytestmark = pytest.mark.requirement("REH-3")


def left(folder: Path, owner: Owner) -> None:
    """Leave a lock file behind as a process that was killed does."""
    (folder / LOCK_NAME).write_text(json.dumps({**asdict(owner), "id": "old"}))


def test_two_cannot_hold_it_and_the_second_is_told_who_does(tmp_path: Path) -> None:
    with UpgradeLock.take(tmp_path, "one") as lock:
        assert lock.taken_over is None
        with pytest.raises(UpgradeLockedError, match=rf"rehearsal one \(pid {os.getpid()}\)") as refused:
            UpgradeLock.take(tmp_path, "two")
        assert refused.value.owner == Owner.myself()
    assert not (tmp_path / LOCK_NAME).exists()
    with UpgradeLock.take(tmp_path, "three") as lock:
        assert lock.taken_over is None


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        ({"pid": 2**22 - 1}, Fate.GONE),
        ({"boot_id": "another boot"}, Fate.REBOOTED),
        ({"start_time": 1}, Fate.REPLACED),
    ],
)
def test_a_lock_whose_owner_is_gone_is_taken_over_and_that_is_said(
    tmp_path: Path, change: dict[str, object], fate: Fate
) -> None:
    stale = replace(Owner.myself(), **change)  # type: ignore[arg-type]
    assert stale.fate() is fate
    left(tmp_path, stale)
    with UpgradeLock.take(tmp_path, "new") as lock:
        assert lock.stale_run == "old"
        assert lock.taken_over is not None
        assert f"pid {stale.pid}" in lock.taken_over
        assert fate in lock.taken_over
        assert json.loads((tmp_path / LOCK_NAME).read_text())["id"] == "new"


def test_one_who_lives_is_refused_even_when_his_flock_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as other:
        start = int(Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19])
        left(tmp_path, replace(Owner.myself(), pid=other.pid, start_time=start))
        with pytest.raises(UpgradeLockedError, match=str(other.pid)):
            UpgradeLock.take(tmp_path, "new")
        other.communicate(b"\n")
    with UpgradeLock.take(tmp_path, "new") as lock:
        assert lock.taken_over is not None


def test_a_lock_file_that_makes_no_sense_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("{half")
    with UpgradeLock.take(tmp_path, "new") as lock:
        assert lock.taken_over is not None
        assert "cannot be read" in lock.taken_over


def test_nobody_follows_a_link_that_somebody_put_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("precious")
    (tmp_path / LOCK_NAME).symlink_to(tmp_path / "other")
    with pytest.raises(Exception, match=LOCK_NAME):
        UpgradeLock.take(tmp_path, "new")
    assert (tmp_path / "other").read_text() == "precious"
