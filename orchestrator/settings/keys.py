"""Every key there is: its dotted name, its environment variable, what may be written and what it means.

Above: `problems` words errors with it, `layers` finds environment variables by it, `reload` compares by it, and
docs/configuration.md is generated from it.  Below: `model`, the only place where a setting is declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.settings.model import Settings

PREFIX: Final = "SWITCHOVER_"
JOINT: Final = "__"
"""What stands in an environment variable where a dotted key has its dots."""

NAMES: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One setting, described.

    Attributes:
        name: dotted key, such as `limits.call_timeout`.
        env: environment variable that sets it.
        allowed: what may be written, in words.
        default: the value when nobody sets it.
        meaning: what it does, with its unit.
        reloadable: whether a running daemon takes a changed value over.
    """

    name: str
    env: str
    allowed: str
    default: Any
    meaning: str
    reloadable: bool


@cache
def keys() -> Mapping[str, Key]:
    """Return every setting by its dotted name, in the model's order."""
    return {key.name: key for key in _walk(Settings, ())}


@cache
def sections() -> Mapping[str, str]:
    """Return every section's dotted name and the sentence that introduces it, outermost first."""
    return dict(_sections(Settings, ()))


def value_of(settings: Settings, name: str) -> Any:
    """Return the value of the dotted key `name`."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def nearest(name: str) -> str | None:
    """Return the dotted key or section somebody who wrote `name` probably meant, None when nothing is near.

    The same last part in another section comes first, then a similar one in the same section, then one anywhere.
    """
    around, last = _split(name)
    known = [*keys(), *sections()]
    same = [key for key in known if _split(key)[1] == last]
    beside = {_split(key)[1]: key for key in known if _split(key)[0] == around}
    anywhere = {_split(key)[1]: key for key in known}
    alike = (names[match] for names in (beside, anywhere) for match in get_close_matches(last, names, 1, cutoff=0.7))
    return next(chain(same, alike), None)


def inside(section: str) -> list[str]:
    """Return the dotted names directly in `section`, or the outermost sections when there is no such section."""
    known = [*keys(), *sections()]
    return [key for key in known if _split(key)[0] == section] or [key for key in known if not _split(key)[0]]


def _split(name: str) -> tuple[str, str]:
    section, _, last = name.rpartition(".")
    return section, last


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        section = _section(field)
        if section:
            yield from _walk(section, (*path, name))
        else:
            yield _key((*path, name), field)


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if section := _section(field):
            yield ".".join((*path, name)), (section.__doc__ or "").strip()
            yield from _sections(section, (*path, name))


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation: Any = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _key(path: tuple[str, ...], field: FieldInfo) -> Key:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Key(
        name=".".join(path),
        env=PREFIX + JOINT.join(path).upper(),
        allowed=str(extra.get("allowed") or _allowed(field)),
        default=field.get_default(call_default_factory=True),
        meaning=field.description or "",
        reloadable=bool(extra.get("reloadable")),
    )


def _allowed(field: FieldInfo) -> str:
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        *others, last = (f'"{choice}"' for choice in get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    bounds = {name: getattr(bound, name) for bound in field.metadata for name in ("ge", "le") if hasattr(bound, name)}
    return NAMES[kind] + _between(bounds.get("ge"), bounds.get("le"))


def _kind(annotation: Any) -> Any:
    """Strip what is optional or annotated down to the bare type."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return annotation


def _between(least: float | None, most: float | None) -> str:
    if least is None:
        return ""
    return f" from {least:.16g} to {most:.16g}" if most is not None else f" from {least:.16g} up"
