"""Bytes to a value that can be compared, or the reason why not.

JSON leaves open what a duplicate key means and what NaN is, and readers differ; a body with either is no evidence that
two sides agree, so it is `Unreadable`, even when both sides have the same bytes.  Integers keep all their digits.

A text that holds JSON, as tools return in `content`, is opened and compared as JSON; a text of several lines is
compared line by line.  Each becomes a map with one key that says so, so that it never equals what it holds; a map that
has such a key by itself is wrapped once more.

Above: `learn`, `compare`.  Below: nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec

BYTES: Final = 16 * 1024 * 1024
"""Of a body; comparing takes about 30 ms a megabyte."""
DEPTH: Final = 120
"""Levels of nesting: far beyond what people write, far below what the stack holds."""
JSON_TEXT: Final = "<json>"
"""Key under which the content of a text that holds JSON stands."""
LINES: Final = "<lines>"
"""Key under which the lines of a text stand."""
MAP: Final = "<map>"
"""Key under which a map stands that has one of these three keys and no other."""
FEWEST_LINES: Final = 3
"""Of a text that is compared by line."""
_KEYS: Final = frozenset({JSON_TEXT, LINES, MAP})
_TOO_DEEP: Final = b"\n" + b" " * (DEPTH + 1)
_CUT: Final = "Input data was truncated"
"""What msgspec says."""
_CUT_OFF: Final = "its JSON has no end; an answer longer than upgrade.answer_bytes is cut off"
_OPENED: Final = (b'"{', b'"[', b"\\n", b'"<', b"\\u00")
"""One of these is in every body in which something is to be opened: a brace, a line's end, or a key, maybe escaped."""
_encode: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a body cannot be compared.

    Attributes:
        reason: what was wrong, in words.
        bound: whether it is only too much for us, not wrong in itself.
    """

    reason: str
    bound: bool = False


def read(body: bytes) -> Any:
    """Return the value that a body holds, or `Unreadable`."""
    if len(body) > BYTES:
        return Unreadable(f"it has {len(body)} bytes; compared are at most {BYTES}", bound=True)
    try:
        value = msgspec.json.decode(body)
        deep = _too_deep(body)
    except RecursionError:
        value, deep = None, True
    except (UnicodeDecodeError, msgspec.MsgspecError) as error:
        return Unreadable(_CUT_OFF if body and str(error) == _CUT else f"it is not JSON in UTF-8: {error}")
    if deep:
        return Unreadable(f"it is nested more than {DEPTH} levels deep", bound=True)
    twice = _duplicate_key(body, value)
    if twice is not None:
        return Unreadable(f"the key {twice!r} stands twice in one object")
    return _opened(value, DEPTH) if any(sign in body for sign in _OPENED) else value


def _too_deep(body: bytes) -> bool:
    """Return whether JSON is nested too deeply: written one level a space, a line begins with too many of them."""
    if body.count(b"{") + body.count(b"[") <= DEPTH:  # so few levels cannot be too many
        return False
    written = msgspec.json.format(body, indent=1)
    return _TOO_DEEP[1:] in written and _TOO_DEEP in written  # the first look skips ahead, and is nearly always enough


def _duplicate_key(body: bytes, value: Any) -> str | None:
    """Return a key that stands twice in one object, None where there is none.

    What was read, written again, has the bytes of the body without its spaces only if nothing was dropped; that is
    quick and proves most bodies.  The others are read once more, pair by pair.
    """
    plain = _encode(value)
    if plain == body or plain == msgspec.json.format(body, indent=-1):
        return None
    try:
        json.loads(body, object_pairs_hook=_unique)
    except _TwiceError as error:
        return str(error)
    except ValueError:  # an integer with more digits than the interpreter reads by default; it has been read before
        return None
    return None


class _TwiceError(Exception):
    """A key stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        raise _TwiceError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]


def _opened(value: Any, levels: int) -> Any:
    """Return a value whose texts are opened, those inside of opened ones as well."""
    if isinstance(value, str):
        return _opened_text(value, levels)
    if isinstance(value, dict):
        opened = {key: _opened(one, levels) for key, one in value.items()}
        return {MAP: opened} if len(opened) == 1 and not opened.keys().isdisjoint(_KEYS) else opened
    if isinstance(value, list):
        return [_opened(one, levels) for one in value]
    return value


def _opened_text(text: str, levels: int) -> Any:
    start = text.lstrip()[:1]
    if start in {"{", "["} and levels > 0:
        held = _held(text)
        if isinstance(held, dict | list):
            return {JSON_TEXT: _opened(held, levels // 2)}
    if text.count("\n") >= FEWEST_LINES - 1:
        return {LINES: text.split("\n")}
    return text


def _held(text: str) -> Any:
    """Return the JSON that a text holds; None where it holds none that can be relied on."""
    try:
        body = text.encode()
        value = msgspec.json.decode(body)
        if _too_deep(body):
            return None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return value if _duplicate_key(body, value) is None else None


def made_as(value: Any) -> str | None:
    """Return in words how a text is made that was read, None for what is no text."""
    if isinstance(value, str):
        return "a text of a line or two"
    if isinstance(value, dict) and len(value) == 1:
        return {JSON_TEXT: "a text that is JSON", LINES: "a text of several lines"}.get(next(iter(value)))
    return None


def as_text(value: Any) -> Any:
    """Return a text of several lines as it was, anything else as it is."""
    if isinstance(value, dict) and value.keys() == {LINES} and all(isinstance(one, str) for one in value[LINES]):
        return "\n".join(value[LINES])
    return value
