"""What a planner decided, found in its answer: agent, steps, tools, dry run.  Pure.

A decision is looked for at the path that the settings name for its tool, else as a member of its own name: in the
structured content, then in texts that hold JSON, the one nearest to the top first.  Above: `judging`.  Below: nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator.shadow.values import JSON_TEXT

DECISIONS: Final = ("agent", "steps", "tools", "dry_run")
_NAMES: Final = tuple(name.encode() for name in DECISIONS)
DEPTH: Final = 3
"""Levels of members in which one is looked for by its name."""
_PART: Final = re.compile(r"(?P<name>[^\[\]]*)(?P<index>(?:\[\d*\])*)")


class Found(NamedTuple):
    """A decision.

    Attributes:
        path: where, as the comparison writes paths.
        value: what was decided.
    """

    path: str
    value: Any


def may_hold(body: bytes, places: Mapping[str, str]) -> bool:
    """Tell whether there may be a decision in the bytes of a result: most hold none, and finding that out takes longer.

    Args:
        body: the result as it came.
        places: as in `find`; what stands in a place of another name is not looked for.
    """
    return bool(places) or b"\\u" in body or any(name in body for name in _NAMES)


def find(answer: Any, tool: str, places: Mapping[str, str]) -> dict[str, Found]:
    """Return the decisions in a result.

    Args:
        answer: the result as `shadow.values.read` opened it.
        tool: the tool that was called.
        places: paths by `tool.decision` or `decision`.
    """
    roots = list(_roots(answer))
    found = {}
    for name in DECISIONS:
        path = places.get(f"{tool}.{name}", places.get(name))
        seek = (_at(root, path) for root in roots) if path else (_named(root, name) for root in roots)
        first = next((one for one in seek if one is not None), None)
        if first is not None:
            found[name] = first
    return found


def _roots(answer: Any) -> Iterator[Found]:
    """Yield the objects of an answer: structured content, JSON in texts, the result itself."""
    if not isinstance(answer, dict):
        return
    structured = answer.get("structuredContent")
    if isinstance(structured, dict):
        yield Found("$.structuredContent", structured)
    content = answer.get("content")
    for block in content if isinstance(content, list) else ():
        text = block.get("text") if isinstance(block, dict) else None
        if isinstance(text, dict) and isinstance(text.get(JSON_TEXT), dict):
            yield Found(f"$.content[].text.{JSON_TEXT}", text[JSON_TEXT])


def _named(root: Found, name: str) -> Found | None:
    """Return the member of this name that is nearest to the top."""
    waiting = deque([(root, 0)])
    while waiting:
        here, depth = waiting.popleft()
        if name in here.value:
            return Found(f"{here.path}.{name}", here.value[name])
        if depth < DEPTH:
            waiting += [
                (Found(f"{here.path}.{key}", value), depth + 1)
                for key, value in here.value.items()
                if isinstance(value, dict)
            ]
    return None


def _at(root: Found, path: str) -> Found | None:
    """Follow a path such as `plan.steps[].tool`; what is behind `[]` is gathered from all elements."""
    shown, values = root.path, [root.value]
    for part in path.split("."):
        match = _PART.fullmatch(part)
        if match is None:
            return None
        if match["name"]:
            shown += f".{match['name']}"
            values = [value[match["name"]] for value in values if isinstance(value, dict) and match["name"] in value]
        for index in re.findall(r"\[(\d*)\]", match["index"]):
            shown += "[]"
            values = list(_elements(values, index))
    if not values:
        return None
    return Found(shown, values if "[]" in path else values[0])


def _elements(values: list[Any], index: str) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value if not index else value[int(index) : int(index) + 1]


def differing(old: Mapping[str, Found], new: Mapping[str, Found], paths: list[str]) -> tuple[str, ...]:
    """Return the decisions that differ by more than noise.

    Args:
        old: of the older version.
        new: of the newer one.
        paths: of the differences that are no noise.
    """
    either = [
        name
        for name in DECISIONS
        if (name in old or name in new) and _written(old.get(name)) != _written(new.get(name))
    ]
    return tuple(name for name in either if _touched(old.get(name) or new[name], paths))


def _written(found: Found | None) -> bytes:
    """Return a decision as JSON, in which 1 is not true."""
    return b"" if found is None else msgspec.json.encode(found.value, order="sorted")


def _touched(found: Found, paths: list[str]) -> bool:
    """Tell whether a difference lies in a decision, or above it."""
    here = f"{found.path}."
    return any(
        path == found.path or path.startswith((here, f"{found.path}[")) or here.startswith(f"{path}.") for path in paths
    )
