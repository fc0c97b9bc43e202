"""The state directory: one owner at a time, and a clear word when it cannot be used."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from state.directory import LOCK_NAME, Owner, StateDirectory
from state.errors import DirectoryLockedError, StorageError, StorageFullError, StorageReadOnlyError
from state.journal import SqliteJournal

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""

NOBODY = 65534

OWNER = """
import subprocess, sys
from pathlib import Path
from state.directory import StateDirectory
with StateDirectory.open(Path(sys.argv[1])) as directory:
    worker = subprocess.Popen([sys.executable, "-c", "print('worker', flush=True); input()"], close_fds=False)
    sys.stdin.read()
"""


@contextmanager
def owner_of(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run another process that owns `path`, has a worker, and ends with it when its stdin does."""
    command = [sys.executable, "-c", OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdin is not None
        try:
            assert line_of(owner) == b"worker\n"
            yield owner
        finally:
            owner.stdin.close()


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line the process prints, or nothing when it has ended."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], BOUND)[0], "it prints nothing"
    return process.stdout.readline()


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Be somebody whom permission bits concern."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """Give a directory that everybody may read and nobody may write."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o555)
        yield path
        path.chmod(0o700)


@pytest.mark.requirement("STATE-4")
def test_a_second_daemon_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with owner_of(tmp_path) as owner:
        with pytest.raises(DirectoryLockedError, match=rf"\(pid {owner.pid}\) owns .*; stop that daemon") as caught:
            StateDirectory.open(tmp_path)
        assert caught.value.pid == owner.pid


@pytest.mark.requirement("STATE-4")
def test_the_kernel_releases_the_lock_of_a_daemon_killed_with_9_while_its_worker_lives(tmp_path: Path) -> None:
    with owner_of(tmp_path) as owner:
        owner.kill()
        owner.wait(BOUND)
        with StateDirectory.open(tmp_path):
            assert Owner.read(tmp_path) == Owner.myself()
        assert owner.stdout is not None
        assert not select.select([owner.stdout], [], [], 0)[0]  # the worker still holds its end


@pytest.mark.requirement("STATE-4")
def test_releasing_lets_the_next_one_in_and_leaves_no_name(tmp_path: Path) -> None:
    directory = StateDirectory.open(tmp_path)
    with pytest.raises(DirectoryLockedError):
        StateDirectory.open(tmp_path)
    directory.release()
    directory.release()
    assert Owner.read(tmp_path) is None
    StateDirectory.open(tmp_path).release()


@pytest.mark.requirement("STATE-4")
@pytest.mark.parametrize(
    "content",
    [b"", b"rubbish", b"[]", b'{"pid": 1}', json.dumps({"pid": 1, "boot_id": "earlier", "start_time": 1}).encode()],
)
def test_an_owner_that_cannot_be_read_is_called_unknown(tmp_path: Path, content: bytes) -> None:
    with StateDirectory.open(tmp_path):
        (tmp_path / LOCK_NAME).write_bytes(content)
        with pytest.raises(DirectoryLockedError, match="pid unknown") as caught:
            StateDirectory.open(tmp_path)
    assert caught.value.pid is None


def test_the_lock_file_names_one_process_for_ever(tmp_path: Path) -> None:
    with StateDirectory.open(tmp_path):
        assert Owner.read(tmp_path) == Owner.myself()
        assert (tmp_path / LOCK_NAME).stat().st_mode & 0o777 == 0o600


def test_a_sandbox_that_hides_the_boot_id_does_not_keep_the_daemon_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hidden:
        hidden.setattr("state.owner._BOOT_ID", tmp_path / "hidden")
        directory = StateDirectory.open(tmp_path)
    owner = Owner.read(tmp_path)
    assert owner is not None
    assert (owner.pid, owner.boot_id) == (os.getpid(), "")
    directory.release()


def test_a_missing_directory_is_made_private_with_its_parents(tmp_path: Path) -> None:
    with StateDirectory.open(tmp_path / "a" / "b") as directory:
        assert directory.path == tmp_path / "a" / "b"
        assert {one.stat().st_mode & 0o777 for one in (tmp_path / "a", tmp_path / "a" / "b")} == {0o700}
        assert [file.name for file in directory.path.iterdir()] == [LOCK_NAME]
        assert directory.orchestrator_db == tmp_path / "a" / "b" / "orchestrator.db"
        assert directory.journal_db == tmp_path / "a" / "b" / "journal.db"


@pytest.mark.requirement("STATE-5")
def test_a_directory_that_cannot_be_written_is_reported_with_the_user_concerned(read_only: Path) -> None:
    with as_ordinary_user(), pytest.raises(StorageReadOnlyError) as caught:
        StateDirectory.open(read_only)
    assert str(read_only) in str(caught.value)
    assert "Permission denied" in str(caught.value)
    assert "or name another directory with --state-dir" in str(caught.value)


@pytest.mark.requirement("STATE-5")
def test_a_directory_that_cannot_be_created_is_reported(read_only: Path) -> None:
    with as_ordinary_user(), pytest.raises(StorageReadOnlyError, match="cannot create the state directory"):
        StateDirectory.open(read_only / "state")


@pytest.mark.requirement("STATE-5")
def test_a_directory_that_takes_no_new_file_is_reported_although_its_lock_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / f"{LOCK_NAME}.probe").mkdir()
    with pytest.raises(StorageError, match="cannot write to the state directory"):
        StateDirectory.open(tmp_path)
    (tmp_path / f"{LOCK_NAME}.probe").rmdir()
    StateDirectory.open(tmp_path).release()


@pytest.mark.requirement("STATE-5")
def test_a_file_in_its_place_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StorageError, match="it is no directory; move that file away"):
        StateDirectory.open(tmp_path / "state")
    with pytest.raises(StorageError, match=r"cannot create the state directory \(Not a directory"):
        StateDirectory.open(tmp_path / "state" / "inner")


@pytest.mark.requirement("STATE-5")
def test_a_full_disk_is_reported_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / f"{LOCK_NAME}.probe").symlink_to("/dev/full")
    with pytest.raises(StorageFullError, match=r"No space left on device.*free some space"):
        StateDirectory.open(tmp_path)


@contextmanager
def tiny_disk(path: Path) -> Iterator[None]:
    """Mount a file system of 1 MB at `path`."""
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", path], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip(f"this machine lets nobody mount a file system: {mount.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def fill(path: Path) -> None:
    """Take the last byte of the disk that `path` is on."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(path).free == 0


@pytest.mark.root
@pytest.mark.requirement("STATE-5")
async def test_a_disk_that_is_really_full_is_reported_and_used_again_when_space_returns(tmp_path: Path) -> None:
    with tiny_disk(tmp_path), StateDirectory.open(tmp_path / "state") as directory:
        journal = await SqliteJournal.open(directory.journal_db)
        assert await journal.append("1") == 1
        fill(tmp_path / "ballast")
        with pytest.raises(StorageFullError, match="free some space"):
            await journal.append("x" * 10_000)
        with pytest.raises(StorageFullError, match="cannot write"):
            StateDirectory.open(tmp_path / "other")
        assert await journal.last() == "1"
        (tmp_path / "ballast").unlink()
        assert await journal.append("x" * 10_000) == 2
        await journal.close()
