"""`upgrade.lock`: one rehearsal at a time in a state directory, and its owner's name for everybody else.

The lock is an exclusive flock, which the kernel releases however its owner dies: two can never both hold it.  What the
file says is for people, and for one who comes after a crash.  Fits `orchestrator.rehearsal.lock.LockFile` by structure.
Above stands the harness's program, below is the file system.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from state.errors import StorageError, from_os
from state.files import sync_directory
from state.owner import Fate, Owner

LOCK_NAME: Final = "upgrade.lock"
TRIES: Final = 10
"""Times the file may vanish between being opened and being locked: each time another rehearsal has just ended."""


class UpgradeLockedError(StorageError):
    """Another rehearsal runs in this state directory.

    Attributes:
        owner: its process, None when the file does not say.
    """

    default_mend = "wait until it has ended, or end it with: switchover upgrade --cancel"

    def __init__(self, path: Path, owner: Owner | None, run: str) -> None:
        self.owner = owner
        named = f"rehearsal {run} " if run else "another rehearsal "
        alone = f" (kill {owner.pid}, where no daemon runs)" if owner else ""
        mend = f"{self.default_mend}{alone}"
        super().__init__(path, f"{named}(pid {owner.pid if owner else 'unknown'}) holds it", mend)


@dataclass(frozen=True, slots=True)
class Held:
    """What a lock file says.

    Attributes:
        owner: the process, None when that cannot be read.
        run: id of its rehearsal.
    """

    owner: Owner | None
    run: str

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Read a lock file's content, as far as it makes sense."""
        try:
            said = json.loads(text)
            owner = Owner(int(said["pid"]), str(said["boot_id"]), int(said["start_time"]))
        except (ValueError, TypeError, KeyError):
            return cls(None, "")
        return cls(owner, str(said.get("id", "")))


class UpgradeLock:
    """The lock while this process holds it; a context manager that releases it.

    Attributes:
        path: the file.
        taken_over: whose stale lock was found, in words; None when there was none.
        stale_run: id of the rehearsal that left it, "" when unknown or none.
    """

    def __init__(self, path: Path, descriptor: int, stale: Held | None, fate: Fate | None) -> None:
        """Use `UpgradeLock.take`."""
        self.path = path
        self.taken_over: str | None = None
        self.stale_run = stale.run if stale is not None else ""
        if stale is not None:
            who = f"pid {stale.owner.pid}" if stale.owner is not None else "an owner that cannot be read"
            self.taken_over = f"{path.name} was left by {who}" + (f", whose process {fate}" if fate else "")
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, directory: Path, run: str) -> Self:
        """Take the lock for rehearsal `run`, also over from one that was killed.

        Raises:
            UpgradeLockedError: another one holds it.
            StorageError: the file cannot be used.
        """
        path = directory / LOCK_NAME
        for _ in range(TRIES):
            descriptor = _open(path, run)
            if descriptor is None:
                continue
            try:
                return cls._declared(path, descriptor, run)
            except BaseException:
                os.close(descriptor)
                raise
        raise UpgradeLockedError(path, None, "")

    @classmethod
    def _declared(cls, path: Path, descriptor: int, run: str) -> Self:
        found = os.pread(descriptor, 4096, 0)
        stale = Held.read(found) if found.strip() else None
        fate = stale.owner.fate() if stale is not None and stale.owner is not None else None
        if stale is not None and fate is Fate.LIVES and stale.owner != Owner.myself():
            raise UpgradeLockedError(path, stale.owner, stale.run)  # though it lost its flock
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({**asdict(Owner.myself()), "id": run}).encode() + b"\n", 0)
            os.fsync(descriptor)
            sync_directory(path.parent)
        except OSError as error:
            raise from_os(path, "write who holds the lock", error) from error
        return cls(path, descriptor, stale, fate)

    def release(self) -> None:
        """Give it up and remove the file.  May be called again."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _open(path: Path, run: str) -> int | None:
    """Return the locked file, None when it was removed before the lock was there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise from_os(path, f"open it for rehearsal {run}", error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(descriptor), path.stat())
    except BlockingIOError as error:
        held = Held.read(os.pread(descriptor, 4096, 0))
        os.close(descriptor)
        raise UpgradeLockedError(path, held.owner, held.run) from error
    except FileNotFoundError:
        same = False
    except OSError as error:
        os.close(descriptor)
        raise from_os(path, "lock it", error) from error
    if not same:
        os.close(descriptor)
        return None
    return descriptor
