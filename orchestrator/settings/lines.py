"""Finds the line on which each key of a TOML text stands.

Above: `layers` names that line in errors.  Below: nothing.  The text has been accepted by `tomllib` before, so this
reader only has to find its way through valid TOML (version 1.0); it never judges.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

Place = tuple[str | int, ...]
"""Where a value stands: keys, and a number for each step into an array."""

BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE: Final = re.compile(r"[ \t]*")
KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
STRING: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
SCALAR: Final = re.compile(r"[^,\]}#\n]*")


def find_lines(text: str) -> Mapping[Place, int]:
    """Return the line (from 1) of every table, key and array element of `text`, which is valid TOML.

    Text nested too deeply to follow gives what was found before.
    """
    reader = _Reader(text)
    with suppress(RecursionError):  # a place that is missing here is named by the table around it
        reader.read()
    return reader.found


def line_of(found: Mapping[Place, int], place: Place) -> int | None:
    """Return the line of `place`, else of the nearest table around it, None when there is none."""
    while place and place not in found:
        place = place[:-1]
    return found.get(place)


class _Reader:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.found: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def read(self) -> None:
        table: Place = ()
        self._skip(BLANK)
        while self._at < len(self._text):
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(BLANK)

    def _header(self) -> Place:
        line = self._line()
        while self._next() == "[":
            self._at += 1
        table = self._key((), line)
        while self._next() == "]":
            self._at += 1
        return table

    def _pair(self, table: Place) -> None:
        place = self._key(table, self._line())
        self._at += 1  # the equals sign
        self._value(place)

    def _key(self, place: Place, line: int) -> Place:
        while True:
            self._skip(SPACE)
            place = (*place, _bare(self._take(KEY)))
            self.found.setdefault(place, line)
            self._skip(SPACE)
            if self._next() != ".":
                return place
            self._at += 1

    def _value(self, place: Place) -> None:
        self._skip(SPACE)
        if self._next() == "[":
            self._array(place)
        elif self._next() == "{":
            self._inline_table(place)
        elif self._next() in {'"', "'"}:
            self._take(STRING)
        else:
            self._take(SCALAR)

    def _array(self, place: Place) -> None:
        index = 0
        while self._advance() != "]":
            self.found[(*place, index)] = self._line()
            self._value((*place, index))
            index += 1
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        while self._advance() != "}":
            self._pair(place)
        self._at += 1

    def _advance(self) -> str:
        """Go over the opening bracket or the comma, if one stands here, to what comes next."""
        self._skip(BLANK)
        if self._next() in {"[", "{", ","}:
            self._at += 1
            self._skip(BLANK)
        return self._next()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"not valid TOML at character {self._at}")
        self._at = match.end()
        return match.group()

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1


def _bare(token: str) -> str:
    """Return a key without its quotes and escapes."""
    return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token
