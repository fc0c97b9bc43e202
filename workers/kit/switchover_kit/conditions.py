"""What a rule asks of a subject: one attribute compared with one value, compiled into a function that only answers.

Above it stand the rules of the document, below it `values` and, for what asks the clock, `clock_conditions`.  A
condition never raises: an attribute that is missing, or not of a type that the comparison is for, makes it false, also
where it asks for a difference (`ne`, `not_in`), because nothing can be said about what is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from switchover_kit.clock_conditions import CLOCK_OPS, ConditionError, clock_condition
from switchover_kit.values import alike, is_number, is_text, shown

Holds: TypeAlias = Callable[[str | None, Mapping[str, Any], float], bool]
"""`holds(subject_key, attributes, now)`: whether a condition holds."""
Test: TypeAlias = Callable[[Any], bool]
"""Whether a condition holds for an attribute that is there."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SUBJECT_KEY: Final = "key"
"""The attribute that is the subject key itself, whatever else the caller calls so."""


def condition(raw: object) -> Holds:
    """Compile one condition of the document.

    Raises:
        ConditionError: it is no condition; the message says what it should be.
    """
    if not isinstance(raw, Mapping):
        raise ConditionError(f'a condition is {shown(raw)}; it must be an object such as {{"attribute": …, "op": …}}')
    op = raw.get("op")
    if isinstance(op, str) and op in CLOCK_OPS:
        return _on_the_clock(clock_condition(op, raw))
    if not isinstance(op, str) or op not in _TESTS:
        raise ConditionError(f"op is {shown(op)}; it must be one of {', '.join([*_TESTS, *CLOCK_OPS])}")
    name = raw.get("attribute")
    if not isinstance(name, str) or not name:
        raise ConditionError(f"attribute is {shown(name)}; it must be the name of the attribute that {op!r} asks for")
    if unknown := sorted(map(str, raw.keys() - {"attribute", "op", "value"})):
        raise ConditionError(f"{op!r} knows no {', '.join(unknown)}; it has attribute, op and value")
    if "value" not in raw:
        raise ConditionError(f"{op!r} has no value to compare {name} with; give it one")
    test = _TESTS[op](op, raw["value"])
    if name == SUBJECT_KEY:
        return _on_the_key(test)
    wanted = raw["value"] if op == "in" else [raw["value"]]
    if op in {"eq", "in"} and all(map(is_text, wanted)):
        return _on_a_text(name, frozenset(wanted))
    return _on_an_attribute(name, test)


def _on_an_attribute(name: str, test: Test) -> Holds:
    def holds(_key: str | None, attributes: Mapping[str, Any], _now: float) -> bool:
        value = attributes.get(name)
        return value is not None and test(value)

    return holds


def _on_a_text(name: str, texts: frozenset[str]) -> Holds:
    """Return the same as `_on_an_attribute`, in one call less, for what most rules ask."""

    def holds(_key: str | None, attributes: Mapping[str, Any], _now: float) -> bool:
        value = attributes.get(name)
        return isinstance(value, str) and value in texts

    return holds


def _on_the_key(test: Test) -> Holds:
    def holds(key: str | None, _attributes: Mapping[str, Any], _now: float) -> bool:
        return key is not None and test(key)

    return holds


def _on_the_clock(test: Callable[[float], bool]) -> Holds:
    def holds(_key: str | None, _attributes: Mapping[str, Any], now: float) -> bool:
        return test(now)

    return holds


def _not(test: Test, is_known: Test) -> Test:
    return lambda value: is_known(value) and not test(value)


def _equal(op: str, wanted: Any) -> Test:
    return _among(op, [wanted], f"{op!r} compares with {shown(wanted)}; it must be a text, a number, true or false")


def _unequal(op: str, wanted: Any) -> Test:
    return _not(_equal(op, wanted), _of(alike(wanted)))


def _in(op: str, wanted: Any) -> Test:
    why = f"{op!r} compares with {shown(wanted)}; it must be a list of texts, numbers, true or false"
    if not isinstance(wanted, list) or not wanted:
        raise ConditionError(why)
    return _among(op, wanted, why)


def _not_in(op: str, wanted: Any) -> Test:
    return _not(_in(op, wanted), _of(*{alike(one) for one in wanted}))


def _of(*kinds: str | None) -> Test:
    """Return the test for what compares with values of these classes at all."""
    return lambda value: alike(value) in kinds


def _among(_op: str, wanted: list[Any], why: str) -> Test:
    """Return the test for being one of some values, each compared with its like only."""
    if any(alike(one) is None or one != one for one in wanted):  # noqa: PLR0124 - NaN differs from itself
        raise ConditionError(why)
    known = frozenset((alike(one), one) for one in wanted)
    return lambda value: (kind := alike(value)) is not None and (kind, value) in known


def _contains(op: str, wanted: Any) -> Test:
    """A text contains a text, a list contains a text, a number, true or false."""
    equal = _equal(op, wanted)
    if wanted == "":
        raise ConditionError(f"{op!r} asks for an empty text, which every text contains; give it one")

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        return isinstance(value, (list, tuple, set, frozenset)) and any(map(equal, value))

    return test


def _starts_with(op: str, wanted: Any) -> Test:
    text = _text(op, wanted)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _ends_with(op: str, wanted: Any) -> Test:
    text = _text(op, wanted)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _text(op: str, wanted: Any) -> str:
    if not is_text(wanted) or not wanted:
        raise ConditionError(f"{op!r} compares with {shown(wanted)}; it must be a text that is not empty")
    return str(wanted)


def _ordered(op: str, wanted: Any) -> Test:
    if not is_number(wanted):
        raise ConditionError(
            f"{op!r} compares with {shown(wanted)}; it must be a finite number (for instants use before and after)"
        )
    return {
        "gt": lambda value: alike(value) == "number" and bool(value > wanted),
        "ge": lambda value: alike(value) == "number" and bool(value >= wanted),
        "lt": lambda value: alike(value) == "number" and bool(value < wanted),
        "le": lambda value: alike(value) == "number" and bool(value <= wanted),
    }[op]


def _instant(value: Any) -> float | None:
    """Return the instant that an attribute names, ISO 8601 text or a datetime, both with offset; None for all else."""
    if isinstance(value, str):
        return _instant_of_text(str(value))
    return _seconds(value) if isinstance(value, datetime) else None


@lru_cache(maxsize=1024)  # a subject's times stay the same, and reading one costs more than all else of a decision
def _instant_of_text(text: str) -> float | None:
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError:
        return None


def _seconds(moment: datetime) -> float | None:
    """Return seconds since the epoch, None for a time without offset: it is another instant in every zone."""
    return None if moment.utcoffset() is None else (moment - _EPOCH).total_seconds()


def _dated(op: str, wanted: Any) -> Test:
    moment = _instant(wanted) if is_text(wanted) else None
    if moment is None:
        example = "2026-11-01T00:00:00Z"
        raise ConditionError(f"{op!r} compares with {shown(wanted)}; it must be an instant with its offset: {example}")
    limit = moment
    if op == "after":
        return lambda value: (given := _instant(value)) is not None and given > limit
    return lambda value: (given := _instant(value)) is not None and given < limit


_TESTS: Final[Mapping[str, Callable[[str, Any], Test]]] = {
    "eq": _equal,
    "ne": _unequal,
    "in": _in,
    "not_in": _not_in,
    "contains": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "gt": _ordered,
    "ge": _ordered,
    "lt": _ordered,
    "le": _ordered,
    "before": _dated,
    "after": _dated,
}
OPS: Final = (*_TESTS, *CLOCK_OPS)
"""What a condition may ask."""
