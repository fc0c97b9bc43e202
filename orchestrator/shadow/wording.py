"""Texts in a list, such as the lines of a log, by their words: which is which where each has some noise in it.

Above: `align`.  Below: `digests`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from orchestrator.shadow.digests import digests
from orchestrator.shadow.node import Node

_WORD: Final = re.compile(r"[^\W\d]\w{2,}|\w{6,}")
"""What may say which text it is: a word, or an id; `27ms` and `0.3` do not."""
LONGEST: Final = 2000
"""Characters of a text in which words are looked for."""


def words_of(text: str) -> list[str]:
    """Return the words of a text that may tell it from others."""
    return _WORD.findall(text[:LONGEST])


def wording(item: Node | None, first: list[Any], other: list[Any]) -> tuple[list[bytes], list[bytes]]:
    """Return the digests of two lists' elements; of texts that vary, the words that both lists have.

    A word that one list has alone is noise, or what was changed: neither tells which text is which.
    """
    if item is None or not item.moving or not (_texts(first) and _texts(other)):
        return digests(item, first), digests(item, other)
    mine, theirs = ([words_of(one) if type(one) is str else None for one in side] for side in (first, other))
    common = _all(mine) & _all(theirs)
    return _digests(item, first, mine, common), _digests(item, other, theirs, common)


def _texts(values: list[Any]) -> bool:
    return str in set(map(type, values))


def _all(words: list[list[str] | None]) -> set[str]:
    return {word for one in words if one is not None for word in one}


def _digests(item: Node, values: list[Any], words: list[list[str] | None], common: set[str]) -> list[bytes]:
    return [
        digests(item, [value])[0] if one is None else " ".join(word for word in one if word in common).encode()
        for value, one in zip(values, words, strict=True)
    ]
