"""For whom the call under way is made: `with subject(subject_of(meta)):` and every flag asked inside is that subject's.

Above it stands a worker's own code, and `flags`, `gates` and `openfeature`, which ask for it; below it nothing.  It
lives in the context: async tasks and `asyncio.to_thread` take it along, a bare thread begins without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

KEY: Final = "io.switchover/key"
"""Member of a call's `_meta` with its assignment key: its client names it, or Switchover while a flag is on trial."""
ATTRIBUTES: Final = "io.switchover/attributes"
"""Member of a call's `_meta` in which its client says more of its subject."""


class Subject(NamedTuple):
    """What flags may go by.

    Attributes:
        key: what lists and percentages go by, None for nobody in particular.
        attributes: what rules go by.
    """

    key: str | None = None
    attributes: Mapping[str, Any] = {}


NOBODY: Final = Subject()

_CURRENT: Final[ContextVar[Subject]] = ContextVar("switchover_subject", default=NOBODY)
USED: Final[list[bool]] = []
"""Not empty once a process has named a subject: until then no read of a flag looks for one."""

current = _CURRENT.get
"""Return the subject of the call under way, `NOBODY` where none was named."""


def subject_of(meta: Mapping[str, Any] | None, **attributes: Any) -> Subject:
    """Return the subject of a call.

    What a client has put there and is not as it should be is left out: no call fails because of it.

    Args:
        meta: the call's `_meta` (`params._meta`), None where it has none.
        attributes: what the worker itself knows of the subject, such as `tool="plan"`; these go before the client's.
    """
    given = meta if isinstance(meta, Mapping) else {}
    key, more = given.get(KEY), given.get(ATTRIBUTES)
    known = more if isinstance(more, Mapping) else {}
    return Subject(key if isinstance(key, str) and key else None, {**known, **attributes})


@contextmanager
def subject(who: Subject | str | None, attributes: Mapping[str, Any] | None = None) -> Iterator[Subject]:
    """Have every flag that is asked inside, and not for anybody else, answer for this subject.

    Args:
        who: a subject, or a key; None for nobody in particular.
        attributes: what rules go by, besides those that `who` has.
    """
    known = who if isinstance(who, Subject) else Subject(who or None)
    made = Subject(known.key, {**known.attributes, **attributes}) if attributes else known
    if not USED:
        USED.append(True)
    before = _CURRENT.set(made)
    try:
        yield made
    finally:
        _CURRENT.reset(before)
