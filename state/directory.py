"""The state directory: made private, checked, and owned by one daemon at a time.

The owner holds an exclusive flock on `daemon.lock`.  The kernel releases it however the owner dies, so no lock is ever
stale; the file's content only says who holds it.  Above stands the daemon (and client verbs that ask who the owner
is), below is the file system.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Self

from state.errors import DirectoryLockedError, StorageError, from_os
from state.files import beside, sync_directory
from state.owner import DAEMON_LOCK, Owner

LOCK_NAME = DAEMON_LOCK
PROBE_BYTES = 4096
"""Written and removed again to see whether there is space: a block of the usual file systems."""


class StateDirectory:
    """The directory while this process owns it; a context manager that releases it.

    Attributes:
        path: the directory, absolute.
    """

    def __init__(self, path: Path, lock: int) -> None:
        """Use `StateDirectory.open`."""
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Create the directory (mode 0700) if it is missing, take its lock, check that it can be written.

        Raises:
            DirectoryLockedError: another daemon owns it.
            StorageFullError: its disk is full.
            StorageError: it cannot be created or written.
        """
        path = path.absolute()
        _ensure(path)
        lock = _take_lock(path)
        try:
            _declare(path, lock)
            _probe(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock)

    @property
    def orchestrator_db(self) -> Path:
        """Where desired state and audit are."""
        return self.path / "orchestrator.db"

    @property
    def journal_db(self) -> Path:
        """Where the journal is."""
        return self.path / "journal.db"

    def release(self) -> None:
        """Give the directory up; the lock file stays, empty.  May be called again."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            os.ftruncate(lock, 0)
            fcntl.flock(lock, fcntl.LOCK_UN)  # at once, even while a worker between fork and exec shares the descriptor
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _ensure(path: Path) -> None:
    """Make the directory and its parents, each durable in the one above."""
    try:
        missing = [one for one in (path, *path.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
            sync_directory(one.parent)
    except OSError as error:
        raise from_os(path, "create the state directory", error) from error
    if not path.is_dir():
        raise StorageError(path, "it is no directory", "move that file away, or name another with --state-dir")


def _take_lock(path: Path) -> int:
    """Return the open lock file with the lock held.  It closes on exec, so no worker inherits the lock."""
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os(path, f"open {LOCK_NAME} in the state directory for writing", error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        owner = Owner.read(path)
        raise DirectoryLockedError(path, owner.pid if owner else None) from error
    except OSError as error:
        os.close(lock)
        raise from_os(path, f"lock {LOCK_NAME} in the state directory", error) from error
    return lock


def _declare(path: Path, lock: int) -> None:
    """Write into the lock file who holds it."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(asdict(Owner.myself())).encode() + b"\n", 0)
        os.fsync(lock)
        sync_directory(path)
    except OSError as error:
        raise from_os(path, f"write {LOCK_NAME} in the state directory", error) from error


def _probe(path: Path) -> None:
    """Write a file and remove it: permission bits say little (root, read-only mounts, quotas)."""
    probe = beside(path / LOCK_NAME, ".probe")
    try:
        try:
            with probe.open("wb") as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise from_os(path, "write to the state directory", error) from error
