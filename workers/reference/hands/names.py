"""The name of a file inside the work tree, judged by itself; the file system has its own say later.

Above it stands `tree`, below it nothing.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from workers.reference.hands.errors import HandError

MOST_PARTS: Final = 32
"""Folders in one path; a sanity bound."""
MOST_BYTES_PART: Final = 255
"""Linux allows no longer name in any of its usual file systems (`NAME_MAX` in limits.h)."""
MOST_BYTES: Final = 4095
"""Linux allows no longer path (`PATH_MAX` in limits.h, which counts the end mark)."""


class PathError(HandError):
    """A path names nothing inside the work tree; the message says why."""


def parts(text: str) -> tuple[str, ...]:
    """Take a path apart.

    Args:
        text: a path relative to the work tree, with slashes.

    Returns:
        Its folders and, last, its file.

    Raises:
        PathError: it is absolute, climbs, is too long, or holds what no name should hold.
    """
    if not text:
        raise PathError("the path is empty; give one relative to the work tree")
    if text.startswith("/"):
        raise PathError(f"{text!r} is absolute; give a path relative to the work tree")
    found = tuple(part for part in text.split("/") if part not in {"", "."})
    if not found or text.endswith("/"):
        raise PathError(f"{text!r} names a folder; give the path of a file")
    if len(found) > MOST_PARTS or len(_encoded(text)) > MOST_BYTES:
        raise PathError(f"the path is too long; at most {MOST_PARTS} folders and {MOST_BYTES} bytes")
    for part in found:
        _check(part, text)
    return found


def is_gits(names: tuple[str, ...]) -> bool:
    """Tell whether a path leads into git's own folder, also on a file system that ignores case."""
    return any(name.rstrip(" .").casefold() == ".git" for name in names)


def _check(part: str, text: str) -> None:
    """Judge one name."""
    if part == "..":
        raise PathError(f"{text!r} climbs out of its folder; give a path without ..")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in part):
        raise PathError(f"{text!r} holds a control or invisible character; give a plain name")
    if len(_encoded(part)) > MOST_BYTES_PART:
        raise PathError(f"{part[:20]!r}... is longer than {MOST_BYTES_PART} bytes; give a shorter name")


def _encoded(text: str) -> bytes:
    """Return a name's bytes; half a surrogate pair is refused later and counts as one character."""
    return text.encode(errors="replace")
