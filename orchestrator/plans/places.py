"""Finds the line of each key of a plan's file, in arrays of tables (`[[steps]]`), too.

The settings' line finder knows no arrays of tables, so the text is taken apart where each of their elements begins;
what lies between is TOML of its own.  Above: `plan_file`.  Below: the line finder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

from orchestrator.settings.lines import Place, find_lines

HEADER: Final = re.compile(r"^[ \t]*\[\[.*\]\][ \t]*(?:#[^\n]*)?$", re.MULTILINE)


def find_places(text: str) -> Mapping[Place, int]:
    """Return the line (from 1) of every table, key and element of `text`, which is valid TOML."""
    counted: dict[Place, int] = {}
    found: dict[Place, int] = {}
    for line, piece in _pieces(text):
        lines = find_lines(piece)
        if piece.lstrip(" \t").startswith("[["):
            _count(max((place for place, at in lines.items() if at == 1), key=len), counted)
        for place, at in lines.items():
            found.setdefault(_resolved(place, counted), line + at)
    return found


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield what lies between the headers of arrays of tables, each with the number of lines before it."""
    begin = 0
    for match in HEADER.finditer(text):
        if _is_whole(text[begin : match.start()]):
            yield text.count("\n", 0, begin), text[begin : match.start()]
            begin = match.start()
    yield text.count("\n", 0, begin), text[begin:]


def _is_whole(piece: str) -> bool:
    """Tell whether a piece ends where it seems to, and not within a long text or a list."""
    try:
        tomllib.loads(piece)
    except ValueError:
        return False
    return True


def _count(place: Place, counted: dict[Place, int]) -> None:
    around = _resolved(place[:-1], counted)
    array = (*around, place[-1])
    counted[array] = counted.get(array, -1) + 1


def _resolved(place: Place, counted: Mapping[Place, int]) -> Place:
    """Return a place with the number of the newest element wherever it goes through an array of tables."""
    resolved: Place = ()
    for part in place:
        resolved = (*resolved, part)
        if resolved in counted:
            resolved = (*resolved, counted[resolved])
    return resolved
