"""What a rehearsal leaves to be read: five JSON files, logs, progress, and a summary; clean, whole or not there.

Everything is redacted before it is written, and what was written is looked through by the detector.  Above: `harness`.
Below: `redact`, `detector`, the file system.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.rehearsal.cloning import remove_tree
from orchestrator.rehearsal.detector import PART, Leak, looked
from orchestrator.rehearsal.redact import Redactor
from orchestrator.rehearsal.summary import SUMMARY, SummaryError, read_summary

FOLDER: Final = "upgrades"
SNAPSHOTS: Final = "snapshots"
"""Where the worker's states around exclusive cut-overs are, by rollout, below the state directory."""
PROGRESS: Final = "progress.jsonl"
PARTIAL: Final = ".partial"
NAMES: Final = ("preflight", "steps", "shadow", "promotion_plan", "report")
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
MOST_LEAKS: Final = 20
UNSEEN: Final = "the run was ended before it was looked through"


class LeakError(Exception):
    """Something that nobody should read was written and is withheld; the message says where and what it looks like."""


class ArtifactError(Exception):
    """What a run tells cannot be written down; the message says where and why."""


class Artifacts:
    """One run's folder.

    Attributes:
        path: the folder.
    """

    def __init__(self, state_dir: Path, run: str, redactor: Redactor, known: Sequence[str] = ()) -> None:
        """Make the folder.

        Args:
            state_dir: the daemon's.
            run: the run's id.
            redactor: takes secrets out.
            known: secrets that the detector looks for as they are.

        Raises:
            FileExistsError: there is a run of this id.
            OSError: it cannot be made.
        """
        self.path = state_dir / FOLDER / run
        self.redactor = redactor
        self._state_dir = state_dir
        self._known = known
        self._number = 0
        self._seen: dict[str, tuple[int, int, int]] = {}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write `<name>.json`, whole or not at all.

        Raises:
            ArtifactError: it cannot be written; what was there stays.
        """
        try:
            write_json(self.path / f"{name}.json", self.redactor.value(content))
        except OSError as error:
            raise ArtifactError(in_words(error, self.path)) from error

    def log(self, name: str) -> Path:
        """Return where a step's log goes."""
        return self.path / f"{name}.log"

    def progress(self, **said: Any) -> None:
        """Add a line to what whoever watches is shown.

        Raises:
            ArtifactError: it cannot be written.
        """
        self._number += 1
        line = json.dumps({"n": self._number, **self.redactor.value(said)}, ensure_ascii=False)
        try:
            with (self.path / PROGRESS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise ArtifactError(in_words(error, self.path)) from error

    def summarise(self, differences: int, at: float) -> int:
        """Write what the worker's and the daemon's status show of this run.

        Args:
            differences: how many the shadow comparison found.
            at: seconds since the Unix epoch.

        Returns:
            How many runs in a row had differences, this one the last.
        """
        path = self._state_dir / SUMMARY
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        details = (self.path / "shadow.json").relative_to(self._state_dir)
        in_a_row = _in_a_row(path.parent) + 1 if differences else 0
        summary = {"count": differences, "recorded_at": iso(at), "path": str(details), "in_a_row": in_a_row}
        write_json(path, summary)
        return in_a_row

    def inspect(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Look through everything that was written; what holds something is replaced by a note.

        Args:
            is_over: asked now and then whether time is up; what was not looked through is withheld then, too.  What
                was, and has not changed, is not looked through again.

        Raises:
            LeakError: something was found, or there was no time to look.
        """
        said = []
        files = [file for file in self.path.iterdir() if file.is_file()]
        for file in sorted(files, key=lambda file: file.stat().st_size):  # the large ones last, if time is short
            state = _state(file)
            if self._seen.get(file.name) == state:
                continue
            if rules := self._left_in(file, is_over):
                said.append(f"{file.name}: {rules}")
                try:
                    self._withhold(file, rules)
                except OSError:  # no room for a note: then nothing of it stays
                    file.unlink(missing_ok=True)
            else:
                self._seen[file.name] = state
        if said:
            raise LeakError(f"withheld, as something private was left in it: {'; '.join(sorted(said))}")

    def _left_in(self, file: Path, is_over: Callable[[], bool]) -> str:
        """Return what a file holds that nobody should read, in words; "" for nothing."""
        found: list[Leak] = []
        with file.open(encoding="utf-8", errors="replace", newline="") as reading:
            parts = iter(lambda: "" if is_over() else "".join(reading.readlines(PART)), "")
            for leaks in looked(parts, self._known):
                found += leaks
                if len(found) >= MOST_LEAKS:
                    break
            if not found and reading.read(1):
                return UNSEEN
        return ", ".join(sorted({f"{leak.rule} (line {leak.line})" for leak in found})[:MOST_LEAKS])

    def _withhold(self, file: Path, rules: str) -> None:
        note = f"withheld: {rules}"
        if file.suffix == ".json":
            write_json(file, {"withheld": note})
        elif file.name == PROGRESS:
            file.write_text(json.dumps({"n": 1, "message": note}) + "\n", encoding="utf-8")
        else:
            file.write_text(note + "\n", encoding="utf-8")


def in_words(error: OSError, place: Path) -> str:
    """Return what the file system refused, where, and what to do.

    Args:
        error: what it said.
        place: where it happened, if it does not say.
    """
    path = error.filename2 or error.filename or place
    mend = "free some space there" if error.errno in NO_SPACE else "look at its disk and permissions"
    return f"{path!s}: {error.strerror or error}; {mend}"


def read_progress(path: Path) -> list[dict[str, Any]]:
    """Return the events of a run so far, each with its number `n`; none where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # half of a line, which is being written or was when the program was killed
            continue
        if isinstance(event, dict) and isinstance(event.get("n"), int):
            found.append(event)
    return found


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file durably: beside its place first, so that half of one never stands there."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def iso(at: float) -> str:
    """Return a time as people and programs read it, in UTC."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run(now: float) -> str:
    """Return an id for a run that begins now."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def mend(state_dir: Path, now: float, present: Path | None = None) -> list[str]:
    """Finish the folders of runs that were killed: half files go, and a report says what happened.

    Args:
        state_dir: the daemon's.
        now: seconds since the Unix epoch.
        present: the folder of the run that asks, which is not over.

    Returns:
        The runs' ids.
    """
    mended = []
    for folder in sorted((state_dir / FOLDER).glob("*/")):
        if folder == present:
            continue
        for partial in folder.glob(f"*{PARTIAL}"):
            partial.unlink(missing_ok=True)
        if not (folder / "report.json").exists():
            message = "the harness was killed before it could finish"
            steps = _read(folder / "steps.json").get("steps", [])
            content = {"id": folder.name, "status": "failed", "message": message, "found_at": iso(now), "steps": steps}
            write_json(folder / "report.json", content)
            mended.append(folder.name)
    for partial in (state_dir / SUMMARY).parent.glob(f"{SUMMARY.name}{PARTIAL}"):
        partial.unlink(missing_ok=True)
    return mended


def prune(state_dir: Path, kept: int, removed: Callable[[Path], None] = remove_tree) -> None:
    """Remove the oldest runs beyond a number."""
    folders = list((state_dir / FOLDER).glob("*/"))
    folders.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for folder in folders[kept:]:
        removed(folder)


def _state(file: Path) -> tuple[int, int, int]:
    """Return what changes when a file does: it is another one, longer, or written later."""
    known = file.stat()
    return known.st_ino, known.st_size, known.st_mtime_ns


def _in_a_row(analytics: Path) -> int:
    """Return how many runs in a row had differences so far; a summary that cannot be read says of none."""
    with contextlib.suppress(SummaryError):
        before = read_summary(analytics)
        return before.in_a_row if before is not None else 0
    return 0


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}
