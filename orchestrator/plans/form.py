"""The form of a plan's file: every member there is, what may be written there and what it means.

Above: `plan_file` words errors with it, and the page of the format is generated from it.  Below: `domain.plans`, the
only place where a member is declared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from orchestrator.domain.plans.plan import Plan

NAMES: Final[Mapping[Any, str]] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One member of one table.

    Attributes:
        name: its key.
        allowed: what may be written, in words.
        meaning: what it does.
        default: its value when it is left out; None also where that has a meaning of its own.
        needed: whether it may not be left out.
        table: the dataclass whose members it has, None when it is no table.
        many: whether it is a list.
    """

    name: str
    allowed: str
    meaning: str
    default: Any
    needed: bool
    table: type | None
    many: bool


@cache
def members(table: type = Plan) -> Mapping[str, Member]:
    """Return the members of a table of a plan by name, in the order in which they are declared."""
    hints = get_type_hints(table, include_extras=True)
    return {field.name: _member(field, hints[field.name]) for field in dataclasses.fields(table)}


def tables() -> Iterator[tuple[str, type, bool]]:
    """Yield every table below the plan, each kind once: where it stands first, its dataclass, whether it is a list."""
    seen: set[type] = {Plan}
    waiting: list[tuple[str, type]] = [("", Plan)]
    while waiting:
        around, table = waiting.pop(0)
        for member in members(table).values():
            if member.table is not None and member.table not in seen:
                seen.add(member.table)
                name = f"{around}.{member.name}".removeprefix(".")
                yield name, member.table, member.many
                waiting.append((name, member.table))


def member_at(place: Sequence[str | int]) -> tuple[Member | None, type]:
    """Return the member that a place is or lies within, None for the plan itself, and the table around it."""
    table: type = Plan
    found: Member | None = None
    for part in place:
        if isinstance(part, int):
            continue
        member = members(table).get(part)
        if member is None:
            break
        found = member
        if member.table is None:
            break
        table = member.table
    return found, table


def _member(field: dataclasses.Field[Any], hint: Any) -> Member:
    infos = list(_infos(hint))
    kind = _bare(hint)
    many = get_origin(kind) is tuple
    inner = _bare(get_args(kind)[0]) if many else kind
    table = inner if isinstance(inner, type) and dataclasses.is_dataclass(inner) else None
    has_factory = field.default_factory is not dataclasses.MISSING
    needed = field.default is dataclasses.MISSING and not has_factory
    return Member(
        name=field.name,
        allowed=_said(infos) or _allowed(kind, infos),
        meaning=next((info.description for info in infos if info.description), ""),
        default=None if needed or has_factory else field.default,
        needed=needed,
        table=table,
        many=many,
    )


def _infos(hint: Any) -> Iterator[FieldInfo]:
    """Yield what is said about a type, outermost first."""
    if get_origin(hint) is Annotated:
        yield from (each for each in hint.__metadata__ if isinstance(each, FieldInfo))
        yield from _infos(get_args(hint)[0])
    elif get_origin(hint) in (Union, UnionType):
        yield from (info for part in get_args(hint) for info in _infos(part))


def _bare(hint: Any) -> Any:
    """Strip what is optional or annotated down to the bare type."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return _bare(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def _said(infos: Sequence[FieldInfo]) -> str:
    extras = (info.json_schema_extra for info in infos)
    return next((str(extra["allowed"]) for extra in extras if isinstance(extra, dict) and extra.get("allowed")), "")


def _allowed(kind: Any, infos: Sequence[FieldInfo]) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _one_of([member.value for member in kind])
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return "a table"
    bounds = {
        name: getattr(each, name) for info in infos for each in info.metadata for name in BOUNDS if hasattr(each, name)
    }
    return NAMES[kind] + "".join(f"{words} {bounds[name]:g}" for name, words in BOUNDS.items() if name in bounds)


BOUNDS: Final = {"gt": " above", "ge": " from", "lt": " and below", "le": " to"}


def _one_of(words: Sequence[str]) -> str:
    *others, last = (f'"{word}"' for word in words)
    return f"{', '.join(others)} or {last}" if others else last
