"""What is wrong with a suite's file, in words that name the call, the key and what to write.

Above: `suite` raises them.  Below: pydantic's errors.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.domain.words import counted, is_text

MOST_PROBLEMS: Final = 8
"""Problems that are told; with these mended the next ones show."""
DEEPEST: Final = 100
"""Levels of nesting that arguments may have: no tool's schema goes near that, and every reader can take it."""
MISSING: Final[Mapping[str, str]] = {
    "call": 'there is no call; write [[call]] and below it tool = "..."',
    "tool": 'names no tool; write tool = "..."',
}
EMPTY: Final = frozenset({"missing", "too_short", "string_too_short"})
KEYS: Final[Mapping[str, str]] = {
    "": "call, repeats, flags",
    "call": "tool, arguments, name, repeats, expect",
    "expect": "error, contains, within",
}
"""Keys that are known, by what they are in."""
WANTED: Final[Mapping[str, str]] = {
    "string_type": "a text",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}
BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def parsed(text: str, form: str) -> Any:
    """Return what a file holds.

    Args:
        text: the file's.
        form: `JSON` or `TOML`.

    Raises:
        ValueError: it is not of that form; in JSON a key that stands twice is no form, either.
        RecursionError: it is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_once) if form == "JSON" else tomllib.loads(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of two values of one key nobody knows which is meant."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {json.dumps(key)} stands twice in one object")
        found[key] = value
    return found


def told(error: ValidationError) -> str:
    """Return every problem of a suite, by call and key."""
    said = list(dict.fromkeys(_told(one) for one in error.errors(include_url=False)))
    more = [f"and {counted(len(said) - MOST_PROBLEMS, 'problem')} more"] if len(said) > MOST_PROBLEMS else []
    return "; ".join([*said[:MOST_PROBLEMS], *more])


def _told(one: ErrorDetails) -> str:
    place = _place(one["loc"])
    return f"{place}: {_wrong(one)}" if place else _wrong(one)


def _place(path: tuple[int | str, ...]) -> str:
    """Return where a problem is, calls counted from 1 as people do."""
    if len(path) > 1 and path[0] == "call" and isinstance(path[1], int):
        inner = ".".join(str(part) for part in path[2:])
        return f"call {path[1] + 1}" + (f": {inner}" if inner else "")
    return ".".join(str(part) for part in path)


def _wrong(one: ErrorDetails) -> str:
    kind, last = one["type"], str(one["loc"][-1])
    if kind in EMPTY and last in MISSING:
        return MISSING[last]
    if kind == "extra_forbidden":
        return f"there is no such key; known here: {KEYS[_inside(one['loc'])]}"
    if kind in BOUNDS:
        bound, words = BOUNDS[kind]
        return f"is {json.dumps(one['input'])}; it has to be {words} {one['ctx'][bound]:g}"
    if kind == "too_long":
        return f"has more than {one['ctx']['max_length']:,}"
    return f"has to be {WANTED[kind]}" if kind in WANTED else one["msg"]


def _inside(path: tuple[int | str, ...]) -> str:
    """Return what a key is in: `expect`, `call`, or "" for the file itself."""
    return next((str(part) for part in reversed(path[:-1]) if part in KEYS), "")


def unsendable(arguments: Any) -> str | None:
    """Say which argument no JSON message can hold, None when all can be sent."""
    return next(_unsendable("arguments", arguments, 0), None)


def _unsendable(place: str, value: Any, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"arguments are nested more than {DEEPEST} levels deep"
    elif isinstance(value, dict):
        yield from (f"{place}: a key holds half of a character" for key in value if not is_text(key))
        yield from _each(((f"{place}.{key}", inner) for key, inner in value.items()), depth)
    elif isinstance(value, list):
        yield from _each(((f"{place}[{number}]", inner) for number, inner in enumerate(value)), depth)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is {value}, which JSON does not have"
    elif isinstance(value, str) and not is_text(value):
        yield f"{place} holds half of a character (a surrogate without its other half)"
    elif not isinstance(value, str | int | float | bool | None):
        yield f"{place} is a {type(value).__name__}, which JSON does not have; write it as a text, in quotes"


def _each(inner: Iterable[tuple[str, Any]], depth: int) -> Iterator[str]:
    for place, value in inner:
        yield from _unsendable(place, value, depth + 1)
