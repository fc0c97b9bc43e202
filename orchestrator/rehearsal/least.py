"""Makes the least value that a JSON schema accepts: a default, a constant, an example, else the smallest of its type.

Above: `propose`.  Below: `patterns`.  Schemas are whatever a server lists: each gives a value or says why it cannot,
and no value is larger than anybody would write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.rehearsal.patterns import TooLongError, matches

MOST_DEPTH: Final = 8
MOST_LETTERS: Final = 1 << 16
"""Characters of all that is made for one call, as JSON."""
FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z", "time": "00:00:00Z", "email": "a@example.org",
    "uri": "https://example.org/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1",
    "hostname": "example.org",
}  # fmt: skip
"""Examples of JSON schema's formats; the names and addresses are reserved for examples (RFC 2606, RFC 5737)."""
TRIED: Final = ("a", "1", "A", "aa", "a1", "2026-01-01", "/", ".", "a/b", "UTC", "1.0", "http://example.org")
"""Texts tried against a pattern."""
NAMED: Final[Mapping[str, Any]] = {"timezone": "UTC", "tz": "UTC", "path": ".", "repo_path": ".", "url": FORMATS["uri"]}
"""What a text is likely to be by its name."""


class NoValueError(Exception):
    """No value can be made for a schema; the message says why."""


def value(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return the least value that a JSON schema accepts.

    Args:
        schema: the schema.
        root: the document that `$ref` is looked up in.

    Raises:
        NoValueError: none can be made.
    """
    return _Maker(root).value(schema, 0, "")


def arguments(schema: Any, *, everything: bool) -> dict[str, Any]:
    """Return the least arguments that a tool's input schema accepts.

    Args:
        schema: the schema.
        everything: whether to give optional ones, too, for which the schema names values.

    Raises:
        NoValueError: none can be made.
    """
    root = schema if isinstance(schema, dict) else {}
    return _Maker(root).members(root, 0, everything=everything)


class _Maker:
    """Makes the values of one call, which together have a bound."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        """Begin; `root` is the document that `$ref` is looked up in."""
        self._root = root
        self._left = MOST_LETTERS

    def members(self, schema: Mapping[str, Any], depth: int, *, everything: bool) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise NoValueError("its schema cannot be read: properties is an object, and required a list")
        made = {}
        for name, inner in properties.items():
            if name in required:
                made[name] = self.value(inner, depth + 1, name)
            elif everything and (said := _named(inner)):
                made[name] = self._bounded(said[0], name)
        return made

    def value(self, schema: Any, depth: int, name: str) -> Any:
        if not isinstance(schema, dict):
            return self._bounded("a", name)
        if depth > MOST_DEPTH:
            raise NoValueError(f"the schema of {name!r} is nested too deep")
        for key in ("const", "default"):
            if schema.get(key) is not None:
                return self._bounded(schema[key], name)
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._bounded(schema[key][0], name)
        if isinstance(schema.get("$ref"), str):
            return self.value(_referred(schema["$ref"], self._root), depth + 1, name)
        for key in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self.value(schema[key][0], depth + 1, name)
        return self._typed(schema, depth, name)

    def _typed(self, schema: Mapping[str, Any], depth: int, name: str) -> Any:
        kind = schema.get("type", "string")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        makers: dict[str, Callable[[], Any]] = {
            "string": lambda: _text(schema, name),
            "integer": lambda: _integer(schema, name),
            "number": lambda: _number(schema, "minimum", 1, name),
            "boolean": lambda: False,
            "null": lambda: None,
            "array": lambda: self._array(schema, depth, name),
            "object": lambda: self.members(schema, depth, everything=False),
        }
        if not isinstance(kind, str) or kind not in makers:
            raise NoValueError(f"the schema of {name!r} has no type one knows")
        made = makers[kind]()
        return made if kind in {"array", "object"} else self._bounded(made, name)

    def _array(self, schema: Mapping[str, Any], depth: int, name: str) -> list[Any]:
        least = int(_number(schema, "minItems", 0, name))
        self._spend(2 + least, name)
        return [self.value(schema.get("items"), depth + 1, name) for _ in range(least)]

    def _bounded(self, made: Any, name: str) -> Any:
        """Return a value, if it can be sent and there is still room for it."""
        try:
            self._spend(len(json.dumps(made, allow_nan=False)), name)
        except (ValueError, TypeError, RecursionError):
            raise NoValueError(f"the schema of {name!r} names a value that JSON does not have") from None
        return made

    def _spend(self, letters: int, name: str) -> None:
        self._left -= letters
        if self._left < 0:
            raise NoValueError(f"the schema of {name!r} asks for more than anybody would write; write a suite for it")


def _named(schema: Any) -> list[Any]:
    """Return, as a list of one, the value that a schema names for an optional argument; none for none."""
    for key, at in (("examples", 0), ("enum", -1)):
        said = schema.get(key) if isinstance(schema, dict) else None
        if isinstance(said, list) and said:
            return [said[at]]
    return []


def _integer(schema: Mapping[str, Any], name: str) -> int:
    if "minimum" in schema:
        return math.ceil(_number(schema, "minimum", 0, name))
    if "exclusiveMinimum" in schema:
        return math.floor(_number(schema, "exclusiveMinimum", 0, name)) + 1
    return min(1, math.floor(_number(schema, "maximum", 1, name)))


def _number(schema: Mapping[str, Any], key: str, otherwise: int, name: str) -> int | float:
    said = schema.get(key, otherwise)
    if isinstance(said, bool) or not isinstance(said, int | float) or not _is_finite(said):
        raise NoValueError(f"the schema of {name!r} cannot be read: its {key} is no number")
    return said


def _is_finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _text(schema: Mapping[str, Any], name: str) -> str:
    least, most = (_number(schema, key, bound, name) for key, bound in (("minLength", 0), ("maxLength", MOST_LETTERS)))
    if least > MOST_LETTERS:
        raise NoValueError(f"the schema of {name!r} asks for more than anybody would write; write a suite for it")
    form, pattern = schema.get("format"), schema.get("pattern")
    likely = [FORMATS.get(form) if isinstance(form, str) else None, NAMED.get(name), *TRIED]
    texts = [text if len(text) >= least else text * math.ceil(least / len(text)) for text in likely if text]
    try:
        for text in texts:
            if least <= len(text) <= most and (not isinstance(pattern, str) or matches(pattern, text)):
                return text
    except TooLongError:
        raise NoValueError(f"the pattern of {name!r} takes too long to try; write a suite for it") from None
    raise NoValueError(f"no text for {name!r} is known that fits its schema; write a suite for it")


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part) if isinstance(place, dict) else None
    if place is None:
        raise NoValueError(f"{reference} is not in the schema")
    return place
