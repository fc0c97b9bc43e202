"""Shows a JSON log line to people: one readable line, safe on any terminal.

Above: the log writer on a terminal, and `switchover logs`.  Below: nothing; a client verb can import it at no cost.
What a line holds may come from a worker or a client, so nothing of it reaches a terminal that is not printable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""Level names and their order; the numbers are those of the standard library's logging."""

RESET: Final = "\x1b[0m"
DIM: Final = "\x1b[2m"
BOLD: Final = "\x1b[1m"
CYAN: Final = "\x1b[36m"
COLOURS: Final[Mapping[str, str]] = {"debug": DIM, "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[1;31m"}

HEAD: Final = frozenset({"ts", "level", "room", "event", "exception"})
"""Keys that have a place of their own in a rendered line."""


def parse(line: bytes | str) -> dict[str, Any] | None:
    """Return the record in a JSON log line, None when the line is not one (torn, or written by somebody else)."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def at_least(record: Mapping[str, Any], level: str) -> bool:
    """Return whether a record's level is `level` or above; an unknown level always is, so that nothing hides."""
    return LEVELS.get(str(record.get("level")), LEVELS["error"]) >= LEVELS[level]


def render(line: bytes | str, *, colour: bool = False) -> str:
    """Return a JSON log line as one line for people, without its newline.

    An exception's traceback follows on lines of its own, each marked with a bar.  A line that is no JSON object is
    shown as it is, made safe.

    Args:
        line: the JSON line.
        colour: whether to add terminal colours.
    """
    record = parse(line)
    if record is None:
        text = line.decode(errors="backslashreplace") if isinstance(line, bytes) else line
        return printable(text.rstrip("\r\n"))
    paint = _colours if colour else _plain
    return "\n".join((" ".join(_head(record, paint)), *_traceback(record, paint)))


def printable(text: str) -> str:
    r"""Return `text` with every character escaped (`\x1b`, `\u202e`) that could do more than show itself."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    return repr(character)[1:-1]


def _plain(text: str, _style: str) -> str:
    return text


def _colours(text: str, style: str) -> str:
    return f"{style}{text}{RESET}"


def _head(record: Mapping[str, Any], paint: Any) -> Iterator[str]:
    level = printable(str(record.get("level", "")))
    when = printable(str(record.get("ts", ""))).replace("T", " ").removesuffix("Z")
    yield paint(when, DIM)
    yield paint(f"{level:<7}", COLOURS.get(level, BOLD))
    if room := record.get("room"):
        yield paint(f"{printable(str(room))}:", DIM)
    yield paint(printable(str(record.get("event", ""))), BOLD)
    for key, value in record.items():
        if key not in HEAD:
            yield f"{paint(_word(str(key)), CYAN)}={_value(value)}"


def _traceback(record: Mapping[str, Any], paint: Any) -> Iterator[str]:
    for line in str(record.get("exception", "")).splitlines():
        yield paint(f"    | {printable(line)}", DIM)


def _value(value: Any) -> str:
    return _word(value) if isinstance(value, str) else printable(json.dumps(value, ensure_ascii=False))


def _word(text: str) -> str:
    r"""Quote a text in which a space, a quote or an equals sign could be taken for the line's own."""
    safe = printable(text.replace("\\", "\\\\")) if not text.isprintable() else text
    if text and not any(mark in text for mark in " \"'="):
        return safe
    return '"' + safe.replace('"', '\\"') + '"'
