"""Whether a flag's prerequisites can be judged at all: they must not lead back to it, and must not be too many.

Above it stands `targeting`, below it nothing but the names: which flags a flag asks for is a function given.  Without
recursion, so that a document may say what it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

MOST_JUDGEMENTS: Final = 50
"""Flags that one decision may ask by way of prerequisites: neither a worker's time nor its stack is for them alone."""


def trouble(key: str, asked: Callable[[str], Iterable[str]]) -> str | None:
    """Say why a flag's prerequisites cannot be judged, None when they can.

    Args:
        key: the flag.
        asked: gives the flags that a flag has as prerequisites; none for one that answers without asking.
    """
    if (way := _way_back(key, asked)) is not None:
        return f"its prerequisites lead back to it: {' needs '.join(way)}"
    waiting, judgements = list(asked(key)), 0
    while waiting:
        judgements += 1
        if judgements > MOST_JUDGEMENTS:
            return f"its prerequisites take more than {MOST_JUDGEMENTS} judgements of other flags; name fewer of them"
        other = waiting.pop()
        if _way_back(other, asked) is None:  # one on a circle is invalid itself, and answers without asking
            waiting.extend(asked(other))
    return None


def _way_back(key: str, asked: Callable[[str], Iterable[str]]) -> list[str] | None:
    """Return the flags from one back to itself, None when there is no such way."""
    came_from: dict[str, str] = {}
    waiting = [key]
    while waiting:
        here = waiting.pop()
        for other in asked(here):
            if other == key:
                return _traced(key, here, came_from)
            if other not in came_from:
                came_from[other] = here
                waiting.append(other)
    return None


def _traced(key: str, last: str, came_from: dict[str, str]) -> list[str]:
    """Return the way that a search has gone from `key` to `last` and back to `key`."""
    way = [key, last]
    while way[-1] != key:
        way.append(came_from[way[-1]])
    return way[::-1]
