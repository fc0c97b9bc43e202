"""Elements of two lists that nothing identifies, paired by where they stand between those that are known.

Lines of a text, for instance: where one line in each of three paragraphs was rewritten and an empty one added, the
paragraphs still belong together.  Above: `align`.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

LONGEST: Final = 200
"""Elements of one gap for which it is asked whether its beginning or its end belongs together."""
LOOKED_AT: Final = 200
"""Characters of a text by which it is judged how alike two are."""

Pair = tuple[int, int]


def between(first: list[Any], other: list[Any], known: list[Pair], left: list[int], right: list[int]) -> list[Pair]:
    """Pair what stands in the same gap between known pairs.

    Args:
        first: a list.
        other: another one.
        known: indexes of elements that belong together, in the order of both lists.
        left: indexes of the first list's other elements, in order.
        right: of the other list's.
    """
    found: list[Pair] = []
    i = j = 0
    for stop, until in [*known, (len(first), len(other))]:
        mine, theirs = i, j
        while i < len(left) and left[i] < stop:
            i += 1
        while j < len(right) and right[j] < until:
            j += 1
        if i > mine and j > theirs:
            found += _gap(first, other, left[mine:i], right[theirs:j])
    return found


def _gap(first: list[Any], other: list[Any], left: list[int], right: list[int]) -> Iterator[Pair]:
    """Pair the elements of one gap: from its beginning, or from its end if more is alike then."""
    forward = list(zip(left, right, strict=False))
    if len(left) == len(right) or max(len(left), len(right)) > LONGEST:
        return iter(forward)
    shorter = len(forward)
    backward = list(zip(left[-shorter:], right[-shorter:], strict=True))
    split = _best_split(first, other, forward, backward)
    return iter([*forward[:split], *backward[split:]])


def _best_split(first: list[Any], other: list[Any], forward: list[Pair], backward: list[Pair]) -> int:
    """Return how many pairs from the beginning, the rest being taken from the end, make the most alike."""
    score = best = sum(likeness(first[i], other[j]) for i, j in backward)
    split = 0
    for at, (ahead, behind) in enumerate(zip(forward, backward, strict=True), 1):
        score += likeness(first[ahead[0]], other[ahead[1]]) - likeness(first[behind[0]], other[behind[1]])
        if score >= best:
            best, split = score, at
    return split


def likeness(one: Any, two: Any) -> float:
    """Return how alike two elements are, 0 to 1: texts by how they begin and end, maps by their common members."""
    if type(one) is not type(two):
        return 0.0
    if one == two:
        return 1.0
    if isinstance(one, str):
        one, two = one[:LOOKED_AT], two[:LOOKED_AT]
        begin = _common(one, two)
        return (begin + _common(one[begin:][::-1], two[begin:][::-1])) / max(len(one), len(two))
    if isinstance(one, dict):
        same = sum(key in two and bool(two[key] == value) for key, value in one.items())
        return same / max(len(one), len(two), 1)
    return 0.0


def _common(one: str, two: str) -> int:
    """Return how many characters two texts begin with alike."""
    return next(
        (at for at, (mine, theirs) in enumerate(zip(one, two, strict=False)) if mine != theirs), min(len(one), len(two))
    )
