"""The copy of the new code that is built, tested and rehearsed: git's own work tree of the commit, or the files.

Above: `harness`.  Below: `cloning`, git.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from orchestrator.domain.generation import Spec
from orchestrator.rehearsal import cloning

CACHES: Final = (
    "__pycache__", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox",
    "node_modules/.cache",
)  # fmt: skip
"""What no copy needs: it is made again."""
GIT_SECONDS: Final = 120.0

How = Literal["auto", "worktree", "copy"]


class CopyError(Exception):
    """The source cannot be copied; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made.

    Attributes:
        path: where it is.
        worktree: whether git knows of it.
        words: how it was made, and why so.
    """

    path: Path
    worktree: bool
    words: str


def excluder(patterns: Sequence[str], source: Path, apart: Sequence[Path] = ()) -> Callable[[Path], bool]:
    """Return what tells which paths, relative to the source, are not copied.

    Args:
        patterns: names, paths or shell patterns, besides the caches.
        source: the tree.
        apart: directories that are never copied, such as the daemon's own state when it lies in the source.
    """
    inside = [path.relative_to(source) for path in apart if path.is_relative_to(source) and path != source]
    wanted = [*CACHES, *patterns]

    def excluded(path: Path) -> bool:
        return path in inside or any(
            fnmatch.fnmatch(path.name, pattern) or fnmatch.fnmatch(str(path), pattern) for pattern in wanted
        )

    return excluded


def git(source: Path, *words: str) -> tuple[int, str]:
    """Run git in a directory and return its exit status and what it printed; hooks and outer settings do not count.

    Returns:
        Status 127 when there is no git.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(source), *words]
    try:
        done = subprocess.run(
            command,
            env={**clean, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return 127, "git is not installed"
    except subprocess.TimeoutExpired:
        return 124, f"git did not answer within {GIT_SECONDS:g} s"
    return done.returncode, done.stdout.decode(errors="replace").rstrip()  # a status line may begin with a space


def is_root(source: Path) -> bool:
    """Tell whether a directory is a git repository's root with a commit."""
    status, top = git(source, "rev-parse", "--show-toplevel")
    return status == 0 and Path(top) == Path(os.path.realpath(source)) and git(source, "rev-parse", "HEAD")[0] == 0


def changes(source: Path) -> list[str]:
    """Return what is not committed below a directory, one line a file as `git status --porcelain` writes it."""
    status, said = git(source, "status", "--porcelain", "--", ".")
    if status:
        raise CopyError(said)
    return said.splitlines()


def copy(source: Path, target: Path, spec: Spec, how: How, excluded: Callable[[Path], bool]) -> Copied:
    """Copy the source.

    Args:
        source: the new code.
        target: where to; must not exist.
        spec: what is started from it; a work tree that lacks what this names is of no use.
        how: `worktree` or `copy`, `auto` to choose.
        excluded: what is not copied.

    Raises:
        CopyError: it cannot be copied that way.
    """
    unfit = _unfit(source, spec) if how != "copy" else "upgrade.copy_as says so"
    if unfit is None:
        status, said = git(source, "worktree", "add", "--detach", "--force", str(target), "HEAD")
        if status == 0:
            return Copied(
                target, worktree=True, words=f"work tree of commit {git(source, 'rev-parse', 'HEAD')[1][:12]}"
            )
        unfit = f"git refused: {said}"
    if how == "worktree":
        raise CopyError(f"no work tree of {source} can be made: {unfit}; set upgrade.copy_as to copy or auto")
    try:
        cloning.clone_tree(source, target, excluded)
    except OSError as error:
        raise CopyError(f"{source} cannot be copied to {target}: {error}") from error
    return Copied(target, worktree=False, words=f"copy of the files as they are ({unfit})")


def discard(source: Path | None, path: Path) -> None:
    """Remove a copy, and what git remembers of it."""
    if source is not None:
        git(source, "worktree", "remove", "--force", "--force", str(path))
    cloning.remove_tree(path)
    if source is not None:
        git(source, "worktree", "prune")


def relocated(spec: Spec, target: Path) -> Spec:
    """Return a spec with everything that lies in its source pointing into a copy of it.

    That is its directory, words of its command, also behind the `=` of an option, and paths in its variables.
    """
    source = Path(spec.source or "/nonexistent")

    def moved(word: str) -> str:
        path = Path(word)
        return str(target / path.relative_to(source)) if path.is_absolute() and path.is_relative_to(source) else word

    def word_moved(word: str) -> str:
        option, equals, path = word.partition("=")
        return f"{option}={moved(path)}" if equals and moved(word) == word else moved(word)

    env = {name: ":".join(map(moved, text.split(":"))) for name, text in spec.env.items()}
    return replace(spec, command=tuple(map(word_moved, spec.command)), cwd=moved(spec.cwd), env=env)


def _unfit(source: Path, spec: Spec) -> str | None:
    """Say why a work tree would not do, None when it would."""
    if not is_root(source):
        return "it is no git repository's root with a commit"
    try:
        if changes(source):
            return "it has changes that are not committed"
    except CopyError as error:
        return str(error)
    if (source / ".gitmodules").exists():
        return "it has submodules"
    for word in _named(source, spec):
        if git(source, "cat-file", "-e", f"HEAD:{word}")[0]:
            return f"git does not have {word}, which the command names"
    return None


def _named(source: Path, spec: Spec) -> list[str]:
    """Return the files in the source that a command names, relative to it."""
    found = []
    for word in (spec.cwd, *(os.path.join(spec.cwd, one) for one in spec.command)):  # noqa: PTH118 - `one` may be anything
        path = Path(os.path.normpath(word))
        if "\0" not in word and path.is_relative_to(source) and path != source and os.path.lexists(path):
            found.append(str(path.relative_to(source)))
    return found
