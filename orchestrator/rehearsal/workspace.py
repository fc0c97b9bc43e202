"""Where a run's copies are, and how they go: after the run, or when the next one finds them.

Above: `harness`.  Below: `code_copy`, `cloning`, the warden's marks.  What has to be known to clear a run up is written
down before it is made, so that a run killed at any moment leaves nothing that the next cannot clear.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from orchestrator.rehearsal.artifacts import FOLDER as ARTIFACTS
from orchestrator.rehearsal.artifacts import write_json
from orchestrator.rehearsal.cloning import remove_tree
from orchestrator.rehearsal.code_copy import discard
from orchestrator.supervision.warden import sweep

FOLDER: Final = "rehearsals"
NOTE: Final = "run.json"


@dataclass(frozen=True, slots=True)
class Note:
    """What the next run must know of this one.

    Attributes:
        source: the directory whose code is copied, "" for none.
        mark: what every process of this run carries in its environment.
        kept: whether the copies are to stay.
    """

    source: str
    mark: str
    kept: bool = False


class Workspace:
    """One run's directory for copies.

    Attributes:
        path: the directory.
        note: what was written down of it.
    """

    def __init__(self, path: Path, note: Note) -> None:
        """Use `Workspace.make`."""
        self.path = path
        self.note = note

    @classmethod
    def make(cls, state_dir: Path, run: str, note: Note) -> Self:
        """Make the directory and write the note.

        Raises:
            OSError: it cannot be made.
        """
        path = state_dir / FOLDER / run
        path.mkdir(mode=0o700, parents=True)
        write_json(path / NOTE, asdict(note))
        return cls(path, note)

    @property
    def code(self) -> Path:
        """Where the copy of the new code is."""
        return self.path / "code"

    @property
    def base(self) -> Path:
        """Where the snapshot is that every process gets a copy of."""
        return self.path / "state"

    @property
    def runs(self) -> Path:
        """Where those copies are."""
        return self.path / "runs"

    def clear(self) -> None:
        """Remove everything."""
        _clear(self.path, self.note)


def clear_leftovers(state_dir: Path) -> list[str]:
    """Remove what runs that were killed have left: processes, work trees, copies; and kept copies of forgotten runs.

    Returns:
        The runs' ids.
    """
    cleared = []
    for path in sorted((state_dir / FOLDER).glob("*/")):
        note = _read(path / NOTE)
        if note is not None and note.kept and (state_dir / ARTIFACTS / path.name).is_dir():
            continue
        _clear(path, note or Note("", ""))
        cleared.append(path.name)
    return cleared


def keep(workspace: Workspace) -> None:
    """Have the copies outlive this run and the next."""
    write_json(workspace.path / NOTE, asdict(Note(workspace.note.source, "", kept=True)))


def _clear(path: Path, note: Note) -> None:
    if note.mark:
        sweep(note.mark)
    if (path / "code").exists() and note.source and Path(note.source).is_dir():
        discard(Path(note.source), path / "code")
    remove_tree(path)
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # only where nothing else is kept


def _read(path: Path) -> Note | None:
    try:
        return Note(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
