"""A snapshot of a worker's state while the worker goes on: databases as of one moment each, files that held still.

Above: `harness`.  Below: `databases`, `cloning`.  Each file is whole and each database consistent; two of them may be
some milliseconds apart, which only the worker itself could prevent.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.database_file import SIDE, is_database
from orchestrator.domain.rehearsal import Check, Status
from orchestrator.domain.words import counted
from orchestrator.rehearsal import cloning
from orchestrator.rehearsal.databases import DatabaseError, copy_database

TRIES: Final = 5
"""Copies made of a file that keeps changing, before it is taken as it is and said."""
NAMED: Final = 5
"""Names shown in a message."""


@dataclass(slots=True)
class Snapshot:
    """What was taken.

    Attributes:
        path: where it is.
        databases: how many were copied.
        files: how many other files.
        unsteady: files that changed under every copy of them.
        left_out: sockets, pipes and devices.
        vanished: files and directories that were gone before they could be copied.
    """

    path: Path
    databases: int = 0
    files: int = 0
    unsteady: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    def check(self) -> Check:
        """Say how it went."""
        said = f"{counted(self.databases, 'database')} and {counted(self.files, 'other file')} of the worker's state"
        if self.unsteady:
            named = ", ".join(self.unsteady[:NAMED])
            return Check("snapshot", Status.WARNING, f"{said}; changed while they were copied: {named}")
        return Check("snapshot", Status.OK, said)


def take(state: Path, target: Path) -> Snapshot:
    """Copy a worker's state; what does not exist yet is an empty directory.

    Args:
        state: the live state.
        target: where to; must not exist.

    Raises:
        DatabaseError: a database cannot be copied, or is damaged.
        OSError: something else cannot be read or written.
    """
    taken = Snapshot(target)
    target.mkdir(mode=0o700, parents=True)
    for folder, folders, files in os.walk(state, onerror=_raise):
        inside = Path(folder).relative_to(state)
        for name in sorted(folders):
            one, into = Path(folder, name), target / inside / name
            try:
                cloning.copy_entry(one, into, state, target)
            except FileNotFoundError:
                taken.vanished.append(str(inside / name))
        for name in sorted(files):
            _one(Path(folder, name), inside / name, state, taken)
    return taken


def fresh(base: Path, target: Path) -> Path:
    """Return a private copy of a snapshot for one process; the snapshot stays as it was.

    Raises:
        OSError: it cannot be copied.
    """
    cloning.clone_tree(base, target)
    return target


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _one(one: Path, inside: Path, state: Path, taken: Snapshot) -> None:
    """Copy one entry into the snapshot."""
    into = taken.path / inside
    try:
        mode = one.lstat().st_mode
        if stat.S_ISLNK(mode):
            cloning.copy_entry(one, into, state, taken.path)
        elif not stat.S_ISREG(mode):
            taken.left_out.append(str(inside))
        elif is_database(one):
            copy_database(one, into)
            taken.databases += 1
        elif not _beside_a_database(one):
            _file(one, into, inside, taken)
    except FileNotFoundError:
        taken.vanished.append(str(inside))


def _file(one: Path, into: Path, inside: Path, taken: Snapshot) -> None:
    """Copy a file until nothing wrote to it meanwhile."""
    for _ in range(TRIES):
        before = one.stat()
        cloning.clone_file(one, into)
        after = one.stat()
        if _same(before, after) and into.stat().st_size == after.st_size:
            break
        into.unlink()
    else:
        cloning.clone_file(one, into)
        taken.unsteady.append(str(inside))
    taken.files += 1


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)


def _beside_a_database(one: Path) -> bool:
    """Tell whether a file is what SQLite keeps beside a database: that is in the copy already."""
    owners = (one.with_name(one.name.removesuffix(side)) for side in SIDE if one.name.endswith(side))
    return any(is_database(owner) for owner in owners)


__all__ = ["DatabaseError", "Snapshot", "fresh", "take"]
