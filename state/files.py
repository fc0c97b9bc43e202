"""Files and directories, made durable.

Above stand `database`, `journal` and `directory`; below is the file system.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from state.errors import CorruptStoreError, from_os

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, itself first.  A `-journal` is left when it dies while creating one; it must go
along, or SQLite would roll it back into the fresh file."""

_PRIVATE = 0o600


def beside(path: Path, suffix: str) -> Path:
    """Return `path` with `suffix` put to its name, as SQLite names its side files."""
    return path.with_name(path.name + suffix)


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in a directory durable; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def ensure_private_file(path: Path) -> None:
    """Create an empty file that only its owner reads (worker environments are stored), unless it is there.

    SQLite gives its side files the mode of the database.

    Raises:
        StorageError: it cannot be created or opened for writing.
    """
    fresh = not path.exists()
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
        if fresh:
            sync_directory(path.parent)
    except OSError as error:
        raise from_os(path, "open the database file for writing", error) from error


def refuse_orphaned_wal(path: Path) -> None:
    """Refuse a write-ahead log whose database is gone or empty: SQLite would delete it in silence.

    Raises:
        CorruptStoreError: there is such a log.
        StorageError: the directory cannot be read.
    """
    try:
        size, log = (file.stat().st_size if file.exists() else 0 for file in (path, beside(path, "-wal")))
    except OSError as error:
        raise from_os(path, "look at the database file", error) from error
    if log and not size:
        raise CorruptStoreError(path, f"the file is missing or empty, yet its -wal holds {log} bytes")


def set_aside(path: Path) -> Path:
    """Rename a database and its side files to `<name>.corrupt-<n>`, so that a fresh one can begin in its place.

    The database goes first: if the machine dies in between, the -wal left behind is seen by `refuse_orphaned_wal`.

    Args:
        path: the database, whether or not it still exists.

    Returns:
        Where the database is now; `n` is the first free number from 1.

    Raises:
        StorageError: the files cannot be renamed.
    """
    target = next(
        candidate
        for number in itertools.count(1)
        if not any(beside(candidate := beside(path, f".corrupt-{number}"), side).exists() for side in SIDE_FILES)
    )
    try:
        for side in SIDE_FILES:
            if beside(path, side).exists():
                beside(path, side).rename(beside(target, side))
        sync_directory(path.parent)
    except OSError as error:
        raise from_os(path, f"set it aside as {target.name}", error) from error
    return target
