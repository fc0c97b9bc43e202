"""The directory that holds the work: what is inside it, and nothing that is not.

Above it stands everything in `suite` that touches files, below it the file system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_FILES: Final = 2000
"""Python files that are looked at; a larger tree is tested whole and its imports are not followed."""

MOST_BYTES: Final = 1 << 20
"""Bytes of a source file that is looked at; a longer one is data in disguise."""

PASSED_OVER: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})
"""Directories that hold no work of anybody's; neither do those whose name begins with a dot."""


class WorkTreeError(Exception):
    """A path is not one that may be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class WorkTree:
    """One directory with work in it.

    Attributes:
        root: the directory, absolute and without symbolic links.
    """

    root: Path

    @classmethod
    def within(cls, bounds: Path, named: str) -> WorkTree:
        """Return the tree that a caller names, which has to be inside `bounds`.

        Args:
            bounds: the directory that the worker was given to work in.
            named: a path in it, relative to it or absolute; "." is all of it.

        Raises:
            WorkTreeError: it is outside, or no directory.
        """
        root = _inside(bounds, named, f"the work tree {bounds}")
        if not root.is_dir():
            raise WorkTreeError(f"{named!r} is no directory in the work tree {bounds}; name one, or . for all of it")
        return cls(root)

    def relative(self, named: str) -> str:
        """Return a path in the tree relative to it, with slashes; whether there is such a file does not matter.

        Raises:
            WorkTreeError: it is outside.
        """
        return _inside(self.root, named, str(self.root)).relative_to(self.root).as_posix()

    def sources(self) -> dict[str, str] | None:
        """Return every Python file's text by its path, None when there are more than `MOST_FILES`.

        A file that is too long, cannot be read or is not UTF-8 is there with an empty text.
        """
        found: dict[str, str] = {}
        for path in self._python_files():
            if len(found) == MOST_FILES:
                return None
            found[path.relative_to(self.root).as_posix()] = _text(path)
        return found

    def _python_files(self) -> Iterator[Path]:
        for directory, below, names in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in PASSED_OVER)
            yield from (Path(directory, name) for name in sorted(names) if name.endswith(".py"))


def _inside(bounds: Path, named: str, what: str) -> Path:
    if not named or "\0" in named:
        raise WorkTreeError(f"{named!r} is no path; name one inside {what}")
    real = bounds.resolve()
    try:
        path = (real / named).resolve()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long for the kernel, no UTF-8, links in a circle
        reason = getattr(error, "strerror", None) or "it goes in a circle, or holds what no name holds"
        raise WorkTreeError(f"{named[:40]!r} is no path: {reason}; name one inside {what}") from None
    if not path.is_relative_to(real):
        raise WorkTreeError(f"{named!r} leads outside {what}; name a path inside it")
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8") if path.stat().st_size <= MOST_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""
