"""What of a value control keeps, as bytes: two elements of a list with the same digest are the same but for noise.

Above: `align`, `columns`, `learn`.  Below: `node`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import msgspec

from orchestrator.shadow.node import Node

_Plan = tuple[bytes, Callable[[Any], Any]]
_DEEP: Final = msgspec.json.Encoder(order="deterministic")
encode: Final = _DEEP.encode
"""Bytes that are equal exactly for equal values: 1, 1.0 and true differ, the order of members does not matter."""


def digests(node: Node | None, values: list[Any]) -> list[bytes]:
    """Return the digest of each of some values of one path."""
    if node is None or not node.noisy:
        return [encode(value) for value in values]
    plans: dict[tuple[str, ...], _Plan | None] = {}
    found: list[bytes] = []
    for value in values:
        plan = None
        if type(value) is dict and not node.dynamic:
            members = tuple(value)
            plan = plans[members] if members in plans else plans.setdefault(members, _plan(node, members))
        found.append(encode(project(node, value)) if plan is None else plan[0] + encode(plan[1](value)))
    return found


def _plan(node: Node, members: tuple[str, ...]) -> _Plan | None:
    """Return how to take what control keeps out of a map at once; None where there is noise further down."""
    children = {key: node.child(key) for key in members}
    stable = tuple(sorted(key for key, child in children.items() if child is None or not child.noisy))
    plain = all(child is None or not child.noisy or drops(child) for child in children.values())
    return (encode(stable), itemgetter(*stable)) if stable and plain else None


def drops(node: Node) -> bool:
    """Return whether a member is noise altogether: there at times only, or a single value that varies."""
    return node.optional or (node.here and node.item is None and node.entry is None and not node.children)


def project(node: Node | None, value: Any) -> Any:
    """Return what of a value control keeps; what it varies is left out."""
    if node is None or not node.noisy:
        return value
    if node.switches:
        return None
    if isinstance(value, dict):
        members = ((key, node.child(key), one) for key, one in value.items())
        kept = {
            key: project(child, one)
            for key, child, one in members
            if not (child is not None and drops(child)) and not (node.dynamic and key not in node.children)
        }
        return dict(sorted(kept.items()))
    if isinstance(value, list):
        if node.swing:
            return []
        items = [project(node.item, one) for one in value]
        return sorted(items, key=encode) if node.reordered else items
    return None if node.moving else value
