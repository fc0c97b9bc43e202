"""For whom the call under way is made: its assignment key, by which flags may be rolled out to a part of the keys.

Above it stand `toolbox`, which notes it at each call, and `modes`, which asks for it; below it nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

ASSIGNMENT_KEY: Final = "io.switchover/key"
"""Name in a call's `_meta` under which its client gives the assignment key."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What flags may go by.

    Attributes:
        key: the call's assignment key, None when it names none.
        attributes: what rules may go by.
    """

    key: str | None
    attributes: Mapping[str, Any]


NOBODY: Final = Subject(None, {})
CURRENT: Final[ContextVar[Subject]] = ContextVar("subject", default=NOBODY)
"""The subject of the call under way; threads that a call starts see it, too."""


def subject_of(meta: Mapping[str, Any] | None, tool: str) -> Subject:
    """Return the subject of a call, by its `_meta` and the tool it calls."""
    key = (meta or {}).get(ASSIGNMENT_KEY)
    return Subject(key if isinstance(key, str) and key else None, {"tool": tool})
