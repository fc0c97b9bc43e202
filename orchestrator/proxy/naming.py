"""Whose a line was that cannot be read as a whole: its id is looked for at its two ends, within bounds.

Pure.  Above: both ends of the tool plane, for lines that are too long, not UTF-8, or no JSON.  Below: nothing.
"""

from __future__ import annotations

import re

import msgspec

HEAD = 512
"""Bytes kept of a line's beginning: enough to find out which request it belonged to."""

TAIL = 128
"""Bytes kept of its end, where the TypeScript SDK writes the id."""

_TOKEN = re.compile(rb'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)')
_ID = re.compile(rb'(?:-?\d{1,30}|"(?:[^"\\]|\\.)*")')
_LAST = re.compile(rb',\s*"id"\s*:\s*(-?\d{1,30}|"[^"\\]*")\s*\}\s*$')
"""In a JSON text nothing but the outermost object's last member can look like this: before a quote that follows a
comma there is no backslash, so it begins a text or ends one, and after the end of one no letters come."""


def id_at_ends(head: bytes, tail: bytes) -> bytes | None:
    """Find a message's id.

    Args:
        head: how its line begins.
        tail: how it ends; may overlap with `head`.

    Returns:
        The id as it is written, of the outermost object and no other; None when it does not stand at the ends.
    """
    written = _first(head[:HEAD]) or _last(tail[-TAIL:])
    try:
        msgspec.json.decode(written or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):  # half an escape, say: it cannot be given back
        return None
    return written


def _first(head: bytes) -> bytes | None:
    """Read the outermost object's members as far as they go."""
    depth = 0
    earlier = before = key = b""
    for found in _TOKEN.finditer(head):
        token = found[1]
        if not depth and token != b"{":
            return None  # a list, or no JSON at all
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and token == b":":
            key = before if earlier in b"{," else b""
        elif depth == 1 and before == b":" and key == b'"id"':
            whole = found.end() < len(head) and _ID.fullmatch(token) is not None
            return token if whole else None
        earlier, before = before, token
    return None


def _last(tail: bytes) -> bytes | None:
    found = _LAST.search(tail)
    return found[1] if found else None
