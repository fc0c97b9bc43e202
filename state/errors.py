"""What can go wrong with what is remembered, each error with what to do about it.

Everything in `state` raises these and nothing of sqlite3's; `StorageError` is the base of all.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class StorageError(Exception):
    """What is remembered cannot be read or written.

    Attributes:
        path: the file or directory concerned.
        what: what was wrong with it.
        mend: what to do about it.
    """

    default_mend: ClassVar[str] = "look at that path's disk and permissions, then try again"

    def __init__(self, path: Path, what: str, mend: str = "") -> None:
        self.path = path
        self.what = what
        self.mend = mend or self.default_mend
        super().__init__(f"{path}: {what}; {self.mend}")


class StorageFullError(StorageError):
    """There is no space; nothing of the refused write was stored."""

    default_mend = "free some space or raise the quota; nothing was stored, the next write is tried as usual"


class StorageReadOnlyError(StorageError):
    """The path may be read but not written."""

    default_mend = "make it writable for the user the daemon runs as, or name another directory with --state-dir"


class CorruptStoreError(StorageError):
    """A database file is damaged, or is no database."""

    default_mend = "restore it from a backup, or move it and its -wal and -shm away to begin with an empty one"


class SchemaTooNewError(StorageError):
    """A database was written by a newer version of this program."""

    default_mend = "start the newer version again, or restore the copy from before it"


class DirectoryLockedError(StorageError):
    """Another daemon owns the state directory.

    Attributes:
        pid: process id of the owner, None when it could not be read.
    """

    default_mend = "stop that daemon first, or give this one its own directory with --state-dir"

    def __init__(self, path: Path, pid: int | None) -> None:
        self.pid = pid
        super().__init__(path, f"another daemon (pid {pid or 'unknown'}) owns this state directory")


class StoreClosedError(StorageError):
    """The store was closed; it takes no more work."""

    default_mend = "open it again"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the store is closed")


class StoreReplacedError(StorageError):
    """Another file stands where the open database stood."""

    default_mend = (
        "start the daemon again to go on from that file, or move it away, and what the daemon knows is put back there"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path, "it was replaced while it was open, and what is changed now would be lost")


class StoreRemovedError(StorageError):
    """The open database was removed, and cannot be put back."""

    def __init__(self, path: Path, why: StorageError) -> None:
        what = "it was removed while it was open, and what is changed now would be lost at the next start"
        super().__init__(path, f"{what}; it cannot be put back yet: {why.what}", why.mend)


class CompactedError(StorageError):
    """A watch asked for changes that were already pruned."""

    default_mend = "read the keys anew and watch from the store revision asked for just before"

    def __init__(self, path: Path, from_revision: int, oldest: int) -> None:
        super().__init__(path, f"changes after revision {from_revision} are asked for, kept are those from {oldest}")


_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def from_os(path: Path, doing: str, error: OSError) -> StorageError:
    """Turn an operating system's error into ours.

    Args:
        path: what was worked on.
        doing: the attempt, as it completes "cannot ...".
        error: what the system said.
    """
    what = f"cannot {doing} ({error.strerror or error})"
    if error.errno in _FULL:
        return StorageFullError(path, what)
    if error.errno in _DENIED:
        return StorageReadOnlyError(path, f"{what}, as user id {os.geteuid()}")
    return StorageError(path, what)


_KINDS: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_FULL: StorageFullError,
    sqlite3.SQLITE_READONLY: StorageReadOnlyError,
    sqlite3.SQLITE_PERM: StorageReadOnlyError,
    sqlite3.SQLITE_CORRUPT: CorruptStoreError,
    sqlite3.SQLITE_NOTADB: CorruptStoreError,
    sqlite3.SQLITE_ERROR: CorruptStoreError,  # our statements are fixed, so it is the file that lacks their tables
}

_NOT_TEXT = "it holds text that is not UTF-8"


def from_sqlite(path: Path, error: sqlite3.Error) -> StorageError:
    """Turn SQLite's error into ours, by its result code (https://www.sqlite.org/rescode.html)."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
    code = extended & 0xFF  # the low byte is the primary code
    what = f"{error} ({name})"
    if "decode to UTF-8" in str(error):  # Python's own finding, without a code and with the whole text in its message
        return CorruptStoreError(path, _NOT_TEXT)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(path, what, "end the other program that keeps this file locked")
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE:  # the -shm file cannot grow, which is a full disk under another name
        return StorageFullError(path, what)
    return _KINDS.get(code, StorageError)(path, what)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors about `path` as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(path, error) from error
    except UnicodeDecodeError as error:  # SQLite names what it could not understand, and the name is not text
        raise CorruptStoreError(path, _NOT_TEXT) from error
