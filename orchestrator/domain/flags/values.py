"""A flag's type: which values it may have, and how each is written as text.

Text is what people type (`flags set SCHEDULER_MODE=wsjf`) and what the table `settings` holds: `compact`, `1`, `true`,
`0.5`, JSON for objects.  Above: `declaration`, `flags`.  Below: the kit's `values`, so that worker and daemon
agree on what a value is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from switchover_kit.values import ValueRefusedError, same, shown, typed

__all__ = ["FlagType", "Value", "allowed", "as_text", "can_be_kept", "fitted", "parsed", "same", "show"]

Value: TypeAlias = bool | int | float | str | dict[str, Any] | list[Any]
"""What a flag can be.  None is no value: it stands for "nobody set one"."""

INT: Final = re.compile(r"[+-]?[0-9]{1,18}")
"""18 digits always fit the signed 64-bit integer that other languages read."""
INT_BOUND: Final = 2**63
LENGTH: Final = 256 * 1024
"""Bytes of JSON a value may have: every reader of a page copies it whole with each change of any flag."""

show = shown


class FlagType(StrEnum):
    """What kind of value a flag has."""

    ENUM = "enum"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    OBJECT = "object"


def allowed(kind: FlagType, values: Sequence[Value] | None) -> str:
    """Say which values a flag of this type may have."""
    if values:
        return ", ".join(map(show, values))
    return {
        FlagType.ENUM: "one of its declared values",
        FlagType.BOOL: "true, false",
        FlagType.INT: "a whole number of at most 18 digits",
        FlagType.FLOAT: "a finite number",
        FlagType.STRING: "text",
        FlagType.OBJECT: "a JSON object or list",
    }[kind]


def fitted(kind: FlagType, values: Sequence[Value] | None, value: object) -> Value | None:
    """Return a value as the type keeps it (a whole number becomes a float for a float flag), None when it may not be.

    Nothing is converted otherwise: `1` is no `true`, `"1"` no `1`.
    """
    if not can_be_kept(value, LENGTH):
        return None
    try:
        kept: Value = typed(kind, list(values) if values else None, value)
    except ValueRefusedError:
        return None
    return kept


def parsed(kind: FlagType, values: Sequence[Value] | None, text: str) -> Value | None:
    """Return the value that a text means, None when it means none that may be."""
    read: object = text
    if kind is FlagType.BOOL:
        read = {"true": True, "false": False}.get(text.strip().lower())
    elif kind is FlagType.INT:
        read = int(text) if INT.fullmatch(text.strip()) else None
    elif kind in {FlagType.FLOAT, FlagType.OBJECT}:
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            read = None
    return None if read is None else fitted(kind, values, read)


def as_text(value: Value) -> str:
    """Return a value as plain text: what `parsed` reads back."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def can_be_kept(value: object, length: int) -> bool:
    """Tell whether a value can be stored and sent: JSON of at most `length` bytes, no NUL, no half of a character."""
    if isinstance(value, int) and not -INT_BOUND <= value < INT_BOUND:
        return False
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        return len(text.encode()) <= length and "\\u0000" not in text and _has_text_keys(value)
    except (TypeError, ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return False


def _has_text_keys(value: object) -> bool:
    """Tell whether every key is text: `json.dumps` would quietly write a number as one."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_text_keys(each) for key, each in value.items())
    return not isinstance(value, list) or all(map(_has_text_keys, value))
