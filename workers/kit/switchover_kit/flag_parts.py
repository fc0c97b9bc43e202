"""What a flag of the snapshot document is made of: prerequisites, lists, rules and a percentage, checked one by one.

Above it stand `document`, which puts a flag together from them, and the daemon, which checks a targeting before it
keeps it; below it the types of values and the conditions of rules.  A member that is not known is refused rather than
passed over: whoever wrote it meant somebody by it, and to leave it out would let in or keep out the wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from switchover_kit.clock_conditions import ConditionError
from switchover_kit.conditions import Holds, condition
from switchover_kit.values import ValueRefusedError, is_number, shown, typed


class DocumentError(ValueError):
    """The document, or one flag of it, cannot be read."""


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Another flag, and what it has to answer for the same subject."""

    flag: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Percentage:
    """A value for the keys whose bucket is below `percent`, 0 to 100."""

    value: Any
    percent: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A value for the subjects for which all conditions hold; for `percent` of their keys, None for all of them."""

    name: str
    when: tuple[Holds, ...]
    value: Any
    percent: float | None


@dataclass(frozen=True, slots=True)
class Targeting:
    """Who gets what, in the order in which it is asked.

    Attributes:
        deny: keys that get the safe value.
        allow: keys that get the value of the allow list, with that value.
        forced: keys that get a value of their own, with that value.
        rules: asked one after the other, until one holds.
        percentage: a value for a part of all keys, None without.
    """

    deny: frozenset[str] = frozenset()
    allow: Mapping[str, Any] = field(default_factory=dict)
    forced: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    percentage: Percentage | None = None


def read_targeting(kind: str, values: Sequence[Any] | None, raw: object) -> Targeting:
    """Check a targeting.

    Args:
        kind: the type of its flag, one of `values.TYPES`.
        values: the values its flag may have, None when the type is the only bound.
        raw: the targeting as the document has it.

    Raises:
        DocumentError: it cannot be meant; the message says what it should be.
    """
    given = _known("targeting", raw, {"deny", "allow", "forced", "rules", "percentage"})
    forced = _member("forced", given, {})
    return Targeting(
        deny=frozenset(_keys("deny", given.get("deny"))),
        allow=_allow(kind, values, given.get("allow")),
        forced={
            one: read_value(f"the value forced for {shown(one)}", kind, values, value) for one, value in forced.items()
        },
        rules=tuple(_rule(number, kind, values, one) for number, one in enumerate(_list("rules", given), 1)),
        percentage=_percentage(kind, values, given.get("percentage")),
    )


def prerequisites(raw: object) -> tuple[Prerequisite, ...]:
    """Check the prerequisites of a flag.

    Raises:
        DocumentError: they cannot be meant; the message says what they should be.
    """
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise DocumentError(f"prerequisites is {shown(raw)}; it must be a list")
    return tuple(map(_prerequisite, raw))


def read_object(name: str, raw: object) -> Mapping[str, Any]:
    """Return what has to be a JSON object.

    Raises:
        DocumentError: it is none.
    """
    if not isinstance(raw, Mapping):
        raise DocumentError(f"{name} is {shown(raw)}; it must be an object")
    return raw


def read_value(name: str, kind: str, values: Sequence[Any] | None, raw: object) -> Any:
    """Return what has to be a value of the flag.

    Raises:
        DocumentError: it is none, or not one that the flag may have.
    """
    if raw is None:
        raise DocumentError(f"{name} has no value; give it one that the flag may have")
    try:
        return typed(kind, values, raw)
    except ValueRefusedError as error:
        raise DocumentError(f"{name}: {error}") from None


def _prerequisite(raw: object) -> Prerequisite:
    given = _known("a prerequisite", raw, {"flag", "values"})
    name, values = given.get("flag"), given.get("values")
    if not isinstance(name, str) or not name:
        raise DocumentError(f"a prerequisite names the flag {shown(name)}; it must be a flag's key")
    if not isinstance(values, list) or not values or None in values:
        raise DocumentError(
            f"prerequisite {name} has the values {shown(values)}; it must be a list of those that will do"
        )
    return Prerequisite(name, tuple(values))


def _allow(kind: str, values: Sequence[Any] | None, raw: object) -> Mapping[str, Any]:
    if raw is None:
        return {}
    given = _known("allow", raw, {"value", "keys"})
    value = read_value("allow", kind, values, given.get("value"))
    return dict.fromkeys(_keys("allow", given.get("keys")), value)


def _rule(number: int, kind: str, values: Sequence[Any] | None, raw: object) -> Rule:
    """Check one rule; in what is said about it, it goes by its name, or by its number while that is not known."""
    called = f"rule {number}"
    given = _known(called, raw, {"name", "when", "value", "percent"})
    name = given.get("name")
    if not isinstance(name, str) or not name:
        has = "no name" if name is None else f"the name {shown(name)}"
        raise DocumentError(f"{called} has {has}; give it one, by which explanations call it")
    called = f"rule {shown(name)}"
    when = _list("when", given)
    if not when:
        raise DocumentError(f"{called} has no conditions; for all subjects set the flag's value, or a percentage")
    try:
        conditions = tuple(map(condition, when))
    except ConditionError as error:
        raise DocumentError(f"{called}: {error}") from None
    percent = None if given.get("percent") is None else _percent(called, given["percent"])
    return Rule(name, conditions, read_value(called, kind, values, given.get("value")), percent)


def _percentage(kind: str, values: Sequence[Any] | None, raw: object) -> Percentage | None:
    if raw is None:
        return None
    given = _known("percentage", raw, {"value", "percent"})
    value = read_value("percentage", kind, values, given.get("value"))
    return Percentage(value, _percent("percentage", given.get("percent")))


def _percent(name: str, raw: Any) -> float:
    if not is_number(raw) or not 0 <= raw <= 100:  # noqa: PLR2004 - percent
        raise DocumentError(f"{name} has the percent {shown(raw)}; it must be a number from 0 to 100")
    return float(raw)


def _keys(name: str, raw: object) -> list[str]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(key, str) and key for key in raw):
        raise DocumentError(f"{name} has the keys {shown(raw)}; it must be a list of subject keys, which are texts")
    return raw


def _list(name: str, given: Mapping[str, Any]) -> list[Any]:
    raw = given.get(name)
    if raw is not None and not isinstance(raw, list):
        raise DocumentError(f"{name} is {shown(raw)}; it must be a list")
    return raw or []


def _member(name: str, given: Mapping[str, Any], default: Mapping[str, Any]) -> Mapping[str, Any]:
    raw = given.get(name)
    return default if raw is None else read_object(name, raw)


def _known(name: str, raw: object, members: set[str]) -> Mapping[str, Any]:
    """Return a JSON object that has no member but these."""
    given = read_object(name, raw)
    if unknown := sorted(map(str, given.keys() - members)):
        raise DocumentError(
            f"{name} has {', '.join(unknown)}, which is not known here; it has {', '.join(sorted(members))}"
        )
    return given
