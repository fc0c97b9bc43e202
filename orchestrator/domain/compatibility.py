"""What a client would notice if one generation took the place of another: found before any traffic moves.

Breaking is what a client that worked with the old generation may stumble over; additive is what it need not know.
Schemas are compared as JSON Schema's ordinary object form (type, properties, required, enum); what lies deeper is
compared member by member in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

DEPTH = 16
"""Levels of nested schemas that are looked at; deeper ones count as equal."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What a worker shows its clients.

    Attributes:
        version: protocol version it negotiated, "" when unknown.
        capabilities: what it announced.
        tools: its tools by name, as listed.
        prompts: its prompts by name, as listed.
    """

    version: str = ""
    capabilities: Json = field(default_factory=dict)
    tools: Mapping[str, Json] = field(default_factory=dict)
    prompts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences, one sentence each.

    Attributes:
        breaking: what may fail for a client of the old surface.
        additive: what is new and asks nothing of it.
    """

    breaking: tuple[str, ...]
    additive: tuple[str, ...]


def compare(old: Surface, new: Surface) -> Changes:
    """Classify what changed from `old` to `new`."""
    breaking: list[str] = []
    additive: list[str] = []
    if new.version and old.version and new.version < old.version:
        breaking.append(f"protocol version {new.version} instead of {old.version}")
    breaking += [f"capability {name} is gone" for name in _missing(old.capabilities, new.capabilities)]
    additive += [f"capability {name} is new" for name in _missing(new.capabilities, old.capabilities)]
    for kind, before, after in (("tool", old.tools, new.tools), ("prompt", old.prompts, new.prompts)):
        breaking += [f"{kind} {name} is gone" for name in sorted(before.keys() - after.keys())]
        additive += [f"{kind} {name} is new" for name in sorted(after.keys() - before.keys())]
    for name in sorted(old.tools.keys() & new.tools.keys()):
        _tool(name, old.tools[name], new.tools[name], breaking, additive)
    for name in sorted(old.prompts.keys() & new.prompts.keys()):
        breaking += _prompt(name, old.prompts[name], new.prompts[name])
    return Changes(tuple(breaking), tuple(additive))


def _missing(wanted: Json, offered: Json, prefix: str = "") -> Iterator[str]:
    """Yield the capabilities of `wanted` that `offered` lacks; `listChanged` is the daemon's own to give."""
    for name, value in sorted(wanted.items()):
        if name == "listChanged" or value in (False, None):
            continue
        if name not in offered or offered[name] in (False, None):
            yield prefix + name
        elif isinstance(value, Mapping) and isinstance(offered[name], Mapping):
            yield from _missing(value, offered[name], f"{prefix}{name}.")


def _tool(name: str, old: Json, new: Json, breaking: list[str], additive: list[str]) -> None:
    before, after = old.get("inputSchema"), new.get("inputSchema")
    worse, better = _schema(before, after, f"tool {name}: argument", taken=True)
    breaking += worse
    additive += better
    if isinstance(old.get("outputSchema"), Mapping):
        worse, better = _schema(old["outputSchema"], new.get("outputSchema"), f"tool {name}: result", taken=False)
        breaking += worse
        additive += better


def _prompt(name: str, old: Json, new: Json) -> Iterator[str]:
    before, after = _arguments(old), _arguments(new)
    for argument in sorted(before.keys() - after.keys()):
        yield f"prompt {name}: argument {argument} is gone"
    for argument, required in sorted(after.items()):
        if required and not before.get(argument, False):
            yield f"prompt {name}: argument {argument} is now required"


def _arguments(prompt: Json) -> dict[str, bool]:
    listed = prompt.get("arguments")
    found = listed if isinstance(listed, Sequence) and not isinstance(listed, str) else ()
    return {str(one.get("name")): one.get("required") is True for one in found if isinstance(one, Mapping)}


def _schema(old: Any, new: Any, where: str, *, taken: bool, depth: int = DEPTH) -> tuple[list[str], list[str]]:
    """Compare two schemas; `taken` says whether the worker takes such values (arguments) or gives them (results)."""
    if old == new or not depth or not isinstance(old, Mapping):
        return [], []
    if not isinstance(new, Mapping):
        return [f"{where} has no schema any more"], []
    breaking: list[str] = []
    additive: list[str] = []
    if None not in (old.get("type"), new.get("type")) and old["type"] != new["type"]:
        breaking.append(f"{where} is of type {new.get('type')} instead of {old.get('type')}")
    _values(old, new, where, breaking, additive, taken=taken)
    before, after = _properties(old), _properties(new)
    breaking += [f"{where} {name} is gone" for name in sorted(before.keys() - after.keys())]
    required, was_required = _required(new), _required(old)
    for name in sorted(after.keys() - before.keys()):
        asked = taken and name in required
        (breaking if asked else additive).append(f"{where} {name} is new{' and required' if asked else ''}")
    for name in sorted(before.keys() & after.keys()):
        if taken and name in required - was_required:
            breaking.append(f"{where} {name} is now required")
        if not taken and name in was_required - required:
            breaking.append(f"{where} {name} may be missing now")
        worse, better = _schema(before[name], after[name], f"{where} {name}", taken=taken, depth=depth - 1)
        breaking += worse
        additive += better
    return breaking, additive


def _values(old: Json, new: Json, where: str, breaking: list[str], additive: list[str], *, taken: bool) -> None:
    """Compare enumerations: what is taken may not become less, what is given may not become more."""
    before, after = old.get("enum"), new.get("enum")
    if before == after or not isinstance(after, list):
        return
    gone = [value for value in before if value not in after] if isinstance(before, list) else ["others"]
    more = [value for value in after if value not in before] if isinstance(before, list) else []
    if gone:
        (breaking if taken else additive).append(f"{where} may not be {gone[0]!r} any more")
    if more:
        (additive if taken else breaking).append(f"{where} may be {more[0]!r}")


def _properties(schema: Json) -> Json:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(schema: Json) -> set[str]:
    found = schema.get("required")
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()
