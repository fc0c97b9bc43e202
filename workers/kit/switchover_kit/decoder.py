"""Decodes one snapshot document after the other: flags whose bytes are as they were are not decoded again.

Above it stands `feed`, below it `document`.  A change is mostly one of one flag, and comes to every process of the
machine at the same moment.  What each of them does for it is short, and done with cold caches: few functions and
little memory are what makes it fast.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from switchover_kit.document import FORMAT, JSON, Document, read

_HEAD: Final = re.compile(rb'\{"format":%d,"flags_version":(0|[1-9][0-9]{0,17}),"flags":\{' % FORMAT).match
"""What a document begins with as the daemon writes it; one that is written otherwise is decoded as a whole."""
_END: Final = b"}}"


class _Parts(NamedTuple):
    """The flags of a document, and where they stand in it.

    Attributes:
        text: what stands between the braces of `flags`, the members of a JSON object.
        flags: each flag by its key.
        keys: the keys in the order of the members.
        ends: where each member ends in `text`; after it comes a comma, or nothing.
    """

    text: bytes
    flags: dict[str, Any]
    keys: tuple[str, ...]
    ends: list[int]


class Decoder:
    """Keeps the document it read last.  For one thread at a time."""

    def __init__(self) -> None:
        """Know no document yet."""
        self._before = _Parts(b"", {}, (), [])

    def read(self, payload: bytes) -> Document:
        """Return what `document.read` returns.

        Raises:
            DocumentError: as `document.read` does.
        """
        head = _HEAD(payload)
        if head is None or not payload.endswith(_END):
            return read(payload)
        text = payload[head.end() : -len(_END)]
        parts = _changed(self._before, text) or _parts(text)
        if parts is None:
            return read(payload)
        self._before = parts
        return Document(int(head[1]), parts.flags)


def _changed(before: _Parts, text: bytes) -> _Parts | None:
    """Return the flags of a text by those of the one before; None unless just one flag differs, or none.

    Members mean the same wherever they stand.  So where all before one and all after it are the bytes that they were,
    and what is in its place now is JSON of the same key, nothing else can be different.
    """
    old, flags, keys, ends = before
    at, most = 0, len(ends)
    while at < most:  # the first `at` flags are as they were, and no more than `most`
        middle = (at + most + 1) // 2
        if text.startswith(old[: ends[middle - 1] + 1]):  # with the comma: what goes on now is not as it was
            at = middle
        else:
            most = middle - 1
    if at == len(ends):
        return before if text == old else None
    begin, longer = ends[at - 1] + 1 if at else 0, len(text) - len(old)
    end = ends[at] + longer
    if end <= begin or not text.endswith(old[ends[at] :]):
        return None
    member = _member(text[begin:end])
    if member is None or member.keys() != {keys[at]}:
        return None
    moved = [*ends[:at], *[one + longer for one in ends[at:]]] if longer else ends
    return _Parts(text, flags | member, keys, moved)


def _member(text: bytes) -> dict[str, Any] | None:
    """Decode what should be one member of an object, None where it is not just that."""
    try:
        said = f"{{{text.decode()}}}"
        member, end = JSON.raw_decode(said)
    except (ValueError, RecursionError):
        return None
    return member if end == len(said) else None


def _parts(text: bytes) -> _Parts | None:
    """Decode the members of an object, None where they are no JSON without blanks, or one key comes twice."""
    flags: dict[str, Any] = {}
    ends: list[int] = []
    begin, end, at = 0, -1, -1
    try:
        said = text.decode()
        while end < len(said):
            begin, at = end + 1, at + 1
            key, colon = JSON.raw_decode(said, begin)
            raw, end = JSON.raw_decode(said, colon + 1)
            if not isinstance(key, str) or said[colon] != ":" or said[end : end + 1] not in {",", ""}:
                return None
            flags[key] = raw
            at += len(said[begin:end].encode())
            ends.append(at)
    except (ValueError, RecursionError):
        return None
    return _Parts(text, flags, tuple(flags), ends) if len(flags) == len(ends) else None
