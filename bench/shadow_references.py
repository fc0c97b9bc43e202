"""Two usual ways to tell differences from noise, done well: Diffy's counters, and scrubbing with DeepDiff.

Above: `shadow_accuracy`.  Below: nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from deepdiff import DeepDiff

RELATIVE = 0.20
ABSOLUTE = 0.0003
"""Diffy's two thresholds: of raw and noise against their sum, and against all calls."""
NAMES = re.compile(
    r"(?i)(^|_)(id|uuid|time|timestamp|date|at|pid|port|duration|took|elapsed|ms|token|trace|hash)s?($|_)"
)
ODD = re.compile(r"^\d|[^\w]|\d\D*\d\D*\d\D*\d")
"""Keys that are no names: maps with such keys are compared without them."""
TOKENS = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"/tmp/[\w./-]+"), "<tmp>"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "<hex>"),
)


def fields(one: Any, two: Any, path: str = "$") -> set[tuple[str, str]]:
    """Return index-free paths and kinds of what differs, as Diffy keys them."""
    if type(one) is not type(two):
        return {(path, "type")}
    if not isinstance(one, dict | list):
        return set() if one == two else {(path, "primitive")}
    return _inside(one, two, path)


def _inside(one: Any, two: Any, path: str) -> set[tuple[str, str]]:
    if isinstance(one, dict):
        if len(one) > 50 or any(ODD.search(key) for key in one):
            return fields(list(one.values()), list(two.values()), path)
        found = {(f"{path}.{key}", "missing" if key in one else "extra") for key in one.keys() ^ two.keys()}
        return found.union(*(fields(one[key], two[key], f"{path}.{key}") for key in one.keys() & two.keys()))
    if len(one) != len(two):
        return {(path, "size")}
    if one != two and sorted(map(repr, one)) == sorted(map(repr, two)):
        return {(path, "ordering")}
    return set().union(*(fields(a, b, f"{path}[]") for a, b in zip(one, two, strict=True)))


class Diffy:
    """Counts, by field, how often candidate and a second control differ from the first."""

    def __init__(self, controls: list[Any]) -> None:
        self.noise: Counter[tuple[str, str]] = Counter()
        self.calls = 0
        for one in controls:
            for two in controls:
                if one is not two:
                    self.calls += 1
                    self.noise.update(fields(one, two))

    def paths(self, control: Any, rehearsal: Any) -> list[str]:
        """Return the fields that are shown: raw above noise by both thresholds; a pair counts like all of control's."""
        found = []
        for key in fields(control, rehearsal):
            raw, noise = self.calls, self.noise[key]
            if raw > noise and (raw - noise) / (raw + noise) > RELATIVE and (raw - noise) / self.calls > ABSOLUTE:
                found.append(key[0])
        return found


def scrub(value: Any) -> Any:
    """Leave out what is named like noise and replace what looks like it, as scrubbers do."""
    if isinstance(value, dict):
        return {key: scrub(one) for key, one in value.items() if not NAMES.search(key)}
    if isinstance(value, list):
        return [scrub(one) for one in value]
    if isinstance(value, str):
        for pattern, token in TOKENS:
            value = pattern.sub(token, value)
    return value


def scrubbed(control: Any, rehearsal: Any) -> list[str]:
    """Return what DeepDiff says of two scrubbed answers, as index-free paths."""
    found = DeepDiff(scrub(control), scrub(rehearsal), ignore_order=False, zip_ordered_iterables=True, view="tree")
    paths = []
    for group in found.values():
        for level in group:
            steps = level.path(output_format="list")
            paths.append("$" + "".join("[]" if isinstance(one, int) else f".{one}" for one in steps))
    return paths
