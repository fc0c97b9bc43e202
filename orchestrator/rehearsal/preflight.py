"""What is looked at before anything is copied: work tree, space, databases, runtimes, and what holds a dry run.

Above: `harness`.  Below: `code_copy` (git), `databases`, `sandbox`.  Each look is one check with its words.
"""

from __future__ import annotations

import operator
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Check, Status
from orchestrator.domain.words import counted
from orchestrator.rehearsal import cloning
from orchestrator.rehearsal.code_copy import CopyError, changes, git
from orchestrator.rehearsal.databases import databases, examine
from orchestrator.rehearsal.sandbox import Hold
from orchestrator.supervision.startable import unstartable

EXAMINE_SECONDS: Final = 30.0
"""For each database: a quick check reads every page, about 1 GB in that time; the copy is examined again, unbounded."""
VERSION_SECONDS: Final = 20.0
COPIES_OF_STATE: Final = 4
"""Alive at a time: the snapshot, one process's own, the new code's that the old code tries, and what that writes."""
NAMED: Final = 5
NUMBER: Final = re.compile(r"\d+(?:\.\d+)+|\d+")
OPERATORS: Final[Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


def work_tree(source: Path | None, *, allow_dirty: bool) -> Check:
    """Look whether everything in the source is committed."""
    if source is None:
        return Check("work tree", Status.SKIPPED, "no source directory is named (worker.source or --source)")
    known = not git(source, "rev-parse", "--is-inside-work-tree")[0]
    if not known and not any((one / ".git").exists() for one in (source, *source.parents)):
        return Check("work tree", Status.SKIPPED, f"{source} is in no git repository")
    try:
        found = changes(source)
    except CopyError as error:
        return _unknown(source, str(error).partition("\n")[0], allow_dirty=allow_dirty)
    if not found:
        return Check("work tree", Status.OK, f"{source} is clean")
    named, more = ", ".join(line[3:] for line in found[:NAMED]), ", ..." if len(found) > NAMED else ""
    said = f"{counted(len(found), 'file')} {'is' if len(found) == 1 else 'are'} not committed ({named}{more})"
    if allow_dirty:
        return Check("work tree", Status.SKIPPED, f"{said}, which --allow-dirty allows")
    return Check("work tree", Status.FAILED, f"{said}; commit them, or go on with --allow-dirty")


def _unknown(source: Path, why: str, *, allow_dirty: bool) -> Check:
    """Say that nobody knows whether everything is committed."""
    said = f"git cannot say whether {source} is clean ({why})"
    if allow_dirty:
        return Check("work tree", Status.SKIPPED, f"{said}, and --allow-dirty was given")
    return Check("work tree", Status.FAILED, f"{said}; have git read it, or go on with --allow-dirty")


def source(source: Path | None, commands: Sequence[Sequence[str]]) -> Check:
    """Look whether there is something to build and test in."""
    if source is None and commands:
        what = "upgrade.build or upgrade.test is set, but no source directory to copy is named"
        return Check("source", Status.FAILED, f"{what}: set worker.source, give --source, or skip both steps")
    if source is not None and not source.is_dir():
        return Check("source", Status.FAILED, f"the source {source} is not a directory")
    said = "the command runs as it is, nothing is copied" if source is None else f"{source} is copied"
    return Check("source", Status.OK, said)


def program(whose: str, spec: Spec, path: str | None, mend: str) -> Check:
    """Look whether a version's program and working directory are there; the build may still make what is in the source.

    Args:
        whose: `old` or `new`.
        spec: the version.
        path: PATH to find the program on, unless the version has its own.
        mend: what to do where it is not there.
    """
    trouble = unstartable(spec, {} if path is None else {"PATH": path})
    if trouble:
        return Check(f"{whose} code", Status.FAILED, f"{trouble}; {mend}")
    return Check(f"{whose} code", Status.OK, f"{spec.command[0]} is there, or is made by the build")


def kept_copies(repeats: int) -> int:
    """Return how many copies of the state a run leaves that keeps them.

    That is the snapshot, one copy for each process of the old code and of the new, and as many again where more answers
    are asked for.
    """
    return 1 + (repeats + 1) + repeats + 2 * repeats


def space(place: Path, code_bytes: int, state_bytes: int, spare: int, copies: int = COPIES_OF_STATE) -> Check:
    """Look whether what will be copied fits.

    Args:
        place: where copies are made; it exists.
        code_bytes: size of the source without what is excluded.
        state_bytes: size of the worker's state.
        spare: bytes that must be left.
        copies: of the state, where they do not share their blocks.
    """
    needed = code_bytes + (1 if cloning.can_share(place) else copies) * state_bytes
    free = shutil.disk_usage(place).free
    said = f"{_megabytes(needed)} will be copied, {_megabytes(free)} are free below {place}"
    if free - needed < spare:
        more = f"free {_megabytes(needed + spare - free)} more"
        kept = f", of which {_megabytes(spare)} must be left; {more}, or lower upgrade.spare_bytes"
        return Check("disk space", Status.FAILED, said + (kept if spare else f"; {more}"))
    return Check("disk space", Status.OK, said)


def health(state: Path, seconds: float = EXAMINE_SECONDS) -> list[Check]:
    """Examine the worker's databases, one check each."""
    found = list(databases(state)) if state.is_dir() else []
    if not found:
        return [Check("databases", Status.SKIPPED, f"the worker's state in {state} has no SQLite database")]
    return [_examined(path, path.relative_to(state), seconds) for path in found]


def runtimes(wanted: Mapping[str, str], path: str | None) -> list[Check]:
    """Ask each named program for its version and hold it against its bounds.

    Args:
        wanted: bounds such as `>=20, <23` by program.
        path: PATH to find the programs on; the process's own when None.
    """
    return [_runtime(program, bounds, path) for program, bounds in wanted.items()]


def dry_run(hold: Hold) -> Check:
    """Say what will hold the rehearsed processes."""
    return Check("sandbox", Status.OK if hold.whole else Status.WARNING, hold.words)


def fits(version: tuple[int, ...], bounds: str) -> bool:
    """Tell whether a version lies within bounds such as `>=3.11, <4`; a bare number means that version or a later."""
    for part in bounds.split(","):
        text = part.strip()
        sign = next((one for one in OPERATORS if text.startswith(one)), "")
        limit = tuple(int(piece) for piece in text[len(sign) :].strip().split("."))
        length = max(len(limit), len(version))
        ours = version[: len(limit)] if sign in {"==", "!="} else _padded(version, length)
        if not OPERATORS[sign or ">="](ours, limit if sign in {"==", "!="} else _padded(limit, length)):
            return False
    return True


def _padded(version: tuple[int, ...], length: int) -> tuple[int, ...]:
    return version + (0,) * (length - len(version))


def _examined(path: Path, name: Path, seconds: float) -> Check:
    try:
        trouble = examine(path, seconds)
    except TimeoutError:
        said = f"{name} could not be read through in {seconds:g} s; its copy is examined to the end"
        return Check("database", Status.WARNING, said)
    if trouble is not None:
        return Check(
            "database",
            Status.FAILED,
            f"{name} is damaged: {' '.join(trouble.split())}; mend it before anything is upgraded",
        )
    return Check("database", Status.OK, f"{name} is well")


def _runtime(program: str, bounds: str, path: str | None) -> Check:
    name = f"runtime {program}"
    found = shutil.which(program, path=path)
    if found is None:
        return Check(name, Status.FAILED, f"{program} is not on PATH; {bounds} is needed (upgrade.runtimes)")
    try:
        said = subprocess.run(
            [found, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, Status.FAILED, f"{program} --version does not answer: {error}")
    match = NUMBER.search((said.stdout or said.stderr).decode(errors="replace"))
    if match is None:
        return Check(name, Status.FAILED, f"{program} --version names no version")
    version = tuple(int(piece) for piece in match[0].split("."))
    if fits(version, bounds):
        return Check(name, Status.OK, f"{match[0]} fits {bounds}")
    return Check(name, Status.FAILED, f"{match[0]} does not fit {bounds}; install another, or change upgrade.runtimes")


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB".replace(",", " ")
