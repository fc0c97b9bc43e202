"""Arguments a tool's schema has mirrored as headers (`x-mcp-header`, MCP 2026-07-28): which, and whether they agree.

Pure.  Above: `stateless`.  Below: nothing; the schema is the worker's own.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

MARK: Final = "x-mcp-header"
PREFIX: Final = b"mcp-param-"
TYPES: Final = ("string", "integer", "boolean")
"""Types that have one spelling everywhere; numbers with fractions have not."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WRAPPED: Final = re.compile(rb"=\?base64\?(.*)\?=", re.DOTALL)
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.0+)?")
_ONE: Final = ("items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "not", "if", "then",
               "else", "contentSchema", "unevaluatedProperties")  # fmt: skip
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("patternProperties", "dependentSchemas", "$defs", "definitions")
DIGITS: Final = 4000
"""Longest number compared as one; Python refuses longer ones from text by default."""

Path = tuple[str, ...]


class Mirror(NamedTuple):
    """One mirrored argument."""

    header: bytes
    path: Path
    kind: str


def mirrors(schema: Any) -> tuple[Mirror, ...]:
    """Return the arguments a tool has mirrored; none at all when one annotation is wrong, as clients drop such a tool.

    Args:
        schema: the tool's `inputSchema`.
    """
    found: dict[bytes, Mirror] = {}
    for path, position in _positions(schema):
        if MARK not in position:
            continue
        token, kind = position[MARK], position.get("type")
        if not path or not isinstance(token, str) or not _TOKEN.fullmatch(token) or kind not in TYPES:
            return ()
        header = PREFIX + token.lower().encode()
        if header in found:
            return ()
        found[header] = Mirror(header, path, kind)
    return tuple(found.values())


def disagreement(expected: tuple[Mirror, ...], arguments: Any, headers: Mapping[bytes, bytes]) -> str | None:
    """Say which argument its header does not mirror, None when all agree; `null` counts as absent."""
    for header, path, kind in expected:
        value, given = _value_at(arguments, path), headers.get(header)
        name, argument = header.decode(), ".".join(path)
        spelt = _spelt(value)
        if given is None:
            if spelt is not None:
                return f"the header {name} is missing, and the argument {argument} is there"
        elif spelt is None:
            return f"the header {name} is there, and the argument {argument} is not"
        elif not _agree(kind, value, spelt, decoded(given)):
            return f"the header {name} and the argument {argument} differ"
    return None


def decoded(value: bytes) -> str | None:
    """Return what a header's value means: `=?base64?...?=` is unwrapped, None for a wrapping that is not exact."""
    wrapped = _WRAPPED.fullmatch(value)
    try:
        if wrapped is None:
            return value.decode()
        inner = base64.b64decode(wrapped[1], validate=True)
        return inner.decode() if base64.b64encode(inner) == wrapped[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _positions(root: Any) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Yield every schema in a schema with its path of plain properties, None where it is reached otherwise."""
    stack: list[tuple[Path | None, Any]] = [((), root)]
    while stack:
        path, node = stack.pop()
        if not isinstance(node, dict):
            continue
        yield path, node
        for name, inner in _members(node.get("properties")):
            stack.append((None if path is None else (*path, name), inner))
        stack += ((None, node.get(word)) for word in _ONE)
        for word in _MANY:
            several = node.get(word)
            stack += ((None, inner) for inner in several) if isinstance(several, list) else ()
        for word in _NAMED:
            stack += ((None, inner) for _, inner in _members(node.get(word)))


def _members(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _value_at(arguments: Any, path: Path) -> Any:
    node = arguments
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _spelt(value: Any) -> str | None:
    """Return how a client writes a value into a header, None for what it leaves out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        try:
            return str(value)
        except ValueError:  # more digits than Python writes
            return None
    return None


def _agree(kind: str, value: Any, spelt: str, told: str | None) -> bool:
    if told is None:
        return False
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if kind == "integer" and whole and not isinstance(value, bool) and len(told) < DIGITS and _DECIMAL.fullmatch(told):
        return int(told.partition(".")[0]) == int(value)
    return told == spelt
