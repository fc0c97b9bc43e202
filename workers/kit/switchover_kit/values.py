"""The types a flag may have, and what is a value of each: strictly, for `1`, `True` and `"1"` are three values.

Above it stand the document's checks and the evaluator's comparisons, below it only json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final, TypeGuard


class ValueRefusedError(ValueError):
    """A value is not of its flag's type, or not one of its values."""


def is_text(value: object) -> bool:
    """Return whether a value is text."""
    return isinstance(value, str)


def is_bool(value: object) -> bool:
    """Return whether a value is true or false, and no number or word for it."""
    return isinstance(value, bool)


def is_int(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; a bool is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Return whether a value is a number; a bool, NaN and the infinities are none."""
    return is_int(value) or (isinstance(value, float) and math.isfinite(value))


def is_object(value: object) -> bool:
    """Return whether a value is a JSON object or array."""
    return isinstance(value, (dict, list))


_CHECKS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "enum": (is_text, "a text"),
    "string": (is_text, "a text"),
    "bool": (is_bool, "true or false"),
    "int": (is_int, "a whole number"),
    "float": (is_number, "a finite number"),
    "object": (is_object, "an object or a list"),
}
TYPES: Final = tuple(_CHECKS)
"""The types of flags."""


def typed(kind: str, values: Sequence[Any] | None, value: Any) -> Any:
    """Return a value as its flag answers it: the same, but a whole number of a float flag becomes a float.

    Args:
        kind: the flag's type, one of TYPES.
        values: the values the flag may have, None when its type is the only bound.
        value: what was given.

    Raises:
        ValueRefusedError: the value is not of the type, or not among the values; the message says what would be.
    """
    is_one, wanted = _CHECKS[kind]
    if not is_one(value):
        raise ValueRefusedError(f"{shown(value)} is not {wanted}")
    if kind == "float":
        try:
            value = float(value)
        except OverflowError:
            raise ValueRefusedError(f"{shown(value)} is not a finite number") from None
    if values is not None and not any(same(value, one) for one in values):
        raise ValueRefusedError(f"{shown(value)} is not one of {', '.join(map(shown, values))}")
    return value


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same one: alike in type as well, down to what objects hold."""
    if isinstance(one, (dict, list)) or isinstance(other, (dict, list)):
        return canonical(one) == canonical(other)
    return alike(one) == alike(other) and bool(one == other)


class AnyOf:
    """Some values, to ask with `in`; strict as `same`, and for values of every type."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = tuple(values)

    def __contains__(self, value: object) -> bool:
        return any(same(value, one) for one in self._values)


def any_of(kind: str, values: Sequence[Any]) -> Container[Any]:
    """Return some values, to ask with `in` whether a value of a flag of this type is among them.

    Strict as `same`, but fast where the type of what is asked is known: values of other types are left out at once.
    """
    if kind in {"enum", "string"}:
        return frozenset(value for value in values if isinstance(value, str))
    like = {"bool": "bool", "int": "number", "float": "number"}.get(kind)
    return AnyOf(values) if like is None else frozenset(value for value in values if alike(value) == like)


def alike(value: Any) -> str | None:
    """Return the class of values that a value compares with: "text", "bool" or "number"; None when with none."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else None


def canonical(value: Any) -> str:
    """Return the JSON of a value, the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def shown(value: Any) -> str:
    """Return a value as people read it, cut where it is long; half a character is written as its number."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "something nested too deeply"
    except (TypeError, ValueError):
        text = repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


_SHOWN: Final = 60
