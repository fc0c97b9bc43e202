"""The worker's state around one exclusive cut-over, on disk: as it was before, as it was when a person went back.

`<state-dir>/snapshots/<rollout>/` holds `before/` and `after/`, and a mark for each thing that is done and may not be
done again: what a crash leaves without its mark is begun anew.  A mark is durable before what it allows begins.

    before.json     the snapshot is whole; the new version may be started
    served.json     routing went to the new version: what is written from here on is in no snapshot
    after.json      the state that the new version left is kept
    restored.json   the state is the snapshot again; the old version may be started

Above: `cut_over`, in threads.  Below: snapshots and copies of the room `rehearsal`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from orchestrator.domain.rollouts.state import Snapshot
from orchestrator.rehearsal import cloning, snapshot
from orchestrator.rehearsal.artifacts import iso, write_json

BEFORE, SERVED, AFTER, RESTORED = "before", "served", "after", "restored"
WRITTEN: Final = "written"


class KeptState:
    """What is kept of one rollout."""

    def __init__(self, folder: Path, state: Path) -> None:
        """Name the places; nothing is touched.

        Args:
            folder: the rollout's own.
            state: the worker's live state.
        """
        self.folder = folder
        self._state = state

    def is_marked(self, name: str) -> bool:
        """Tell whether something was done."""
        return (self.folder / f"{name}.json").exists()

    def take(self, now: float) -> Snapshot:
        """Keep the state as it is; where that was done already, before a crash, bring it back to that instead.

        Args:
            now: the time, Unix seconds.

        Raises:
            DatabaseError: a database of the worker is damaged or cannot be read.
            OSError: something cannot be read or written.
        """
        before = self.folder / BEFORE
        if self.is_marked(BEFORE):
            if not self.is_marked(SERVED):
                self._put_back()  # the new version may have begun to change it
            return Snapshot(float(self._read(BEFORE)["at"]), str(before))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cloning.remove_tree(before)
        taken = snapshot.take(self._state, before)
        self._mark(BEFORE, now, databases=taken.databases, files=taken.files, left_out=taken.left_out)
        return Snapshot(now, str(before))

    def note_served(self, now: float) -> None:
        """Note that routing went to the new version.

        Raises:
            OSError: it cannot be written.
        """
        self._mark(SERVED, now)

    def set_aside(self, now: float) -> None:
        """Keep the state that the new version left, byte for byte: it may be damaged, and nobody works on it now.

        Raises:
            OSError: something cannot be read or written.
        """
        if self.is_marked(AFTER) or self.is_marked(RESTORED):
            return
        after = self.folder / AFTER
        cloning.remove_tree(after)
        cloning.clone_tree(self._state, after)
        self._mark(AFTER, now)

    def restore(self, now: float) -> None:
        """Have the state as the snapshot has it, once; without a snapshot nobody has touched it.

        Raises:
            OSError: something cannot be read or written.
        """
        if self.is_marked(RESTORED):
            return
        if self.is_marked(BEFORE):
            self._put_back()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mark(RESTORED, now)

    def written(self, calls: int | None = None) -> int | None:
        """Return how many calls that may have written were counted last, or count anew; None where nobody did.

        Raises:
            OSError: it cannot be written.
        """
        if calls is not None:
            write_json(self.folder / f"{WRITTEN}.json", {"calls": calls})
            return calls
        try:
            return int(self._read(WRITTEN)["calls"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _put_back(self) -> None:
        """Make the live state what the snapshot is; cut short, it is begun anew."""
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in sorted(self._state.iterdir()):  # the directory itself may be a mount
            if one.is_dir() and not one.is_symlink():
                cloning.remove_tree(one)
            else:
                one.unlink()
        before = self.folder / BEFORE
        for folder, folders, files in os.walk(before):
            inside = Path(folder).relative_to(before)
            for name in sorted([*folders, *files]):
                cloning.copy_entry(Path(folder, name), self._state / inside / name, before, self._state)
        _sync(self._state)

    def _mark(self, name: str, now: float, **more: Any) -> None:
        tree = self.folder / name
        if tree.is_dir():
            _sync(tree)
        write_json(self.folder / f"{name}.json", {"at": now, "time": iso(now), **more})
        _sync_one(self.folder)

    def _read(self, name: str) -> dict[str, Any]:
        read = json.loads((self.folder / f"{name}.json").read_bytes())
        return read if isinstance(read, dict) else {}


def prune(folder: Path, keep: int, but: str = "") -> list[str]:
    """Remove the oldest rollouts' states.

    Args:
        folder: of all rollouts.
        keep: how many stay, newest first.
        but: one that stays in any case.

    Returns:
        The rollouts whose states are gone.
    """
    kept = [one for one in folder.glob("*/") if one.name != but]
    kept.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    gone = kept[keep:]
    for one in gone:
        cloning.remove_tree(one)
    return sorted(one.name for one in gone)


def _sync(tree: Path) -> None:
    """Have a whole tree on the disk before anything says that it is there."""
    for folder, _, files in os.walk(tree):
        for name in files:
            if not (path := Path(folder, name)).is_symlink():
                _sync_one(path)
        _sync_one(Path(folder))


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
