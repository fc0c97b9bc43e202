"""Which element of one list is which of the other.

By digest first (equal but for noise), then by what only one element on each side has (an id, a name, whatever is
there), then by where it stands between those that are known.  No schema, no declared key: what identifies an element is
what it shares with one other.

Above: `learn`, `walk`.  Below: `wording`, `between`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from orchestrator.shadow.between import between
from orchestrator.shadow.node import Node
from orchestrator.shadow.wording import wording, words_of

FEATURES: Final = 100
"""Of one element that are looked at."""
LEVELS: Final = 4
"""Below an element at which features are looked for."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How two lists belong together.

    Attributes:
        pairs: indexes of elements that belong together, in the first list's order.
        lost: indexes of the first list's elements that the other has not.
        gained: indexes of the other list's elements that the first has not.
        moved: whether elements that surely belong together stand in another order.
    """

    pairs: list[tuple[int, int]]
    lost: list[int]
    gained: list[int]
    moved: bool


def align(first: list[Any], other: list[Any], item: Node | None) -> Alignment:
    """Align two lists of one path; `item` is what is known about their elements."""
    mine, theirs = wording(item, first, other)
    if mine == theirs:
        return Alignment([(index, index) for index in range(len(first))], [], [], moved=False)
    sure, left, right = _by_digest(mine, theirs)
    uneven = _uneven(mine, theirs)
    loose = [pair for pair in sure if mine[pair[0]] in uneven] if uneven else []
    sure = [pair for pair in sure if mine[pair[0]] not in uneven] if uneven else sure
    stayed = left == right and all(_alike(item, first[at], other[at]) for at in left)
    voted = [(at, at) for at in left] if stayed else _by_vote(first, other, left, right, item)
    sure += voted
    taken, given = {i for i, _ in voted}, {j for _, j in voted}
    left, right = [i for i in left if i not in taken], [j for j in right if j not in given]
    sure.sort()
    moved = any(one > two for (_, one), (_, two) in pairwise(sure))
    if moved:
        sure += loose
    else:
        left, right = sorted([*left, *(i for i, _ in loose)]), sorted([*right, *(j for _, j in loose)])
        sure += between(first, other, sure, left, right) if left and right else []
        taken, given = {i for i, _ in sure}, {j for _, j in sure}
        left, right = [i for i in left if i not in taken], [j for j in right if j not in given]
    rest = list(zip(left, right, strict=False))
    return Alignment(sorted(sure + rest), left[len(rest) :], right[len(rest) :], moved)


def _uneven(mine: list[bytes], theirs: list[bytes]) -> frozenset[bytes]:
    """Return what both lists have, one of them more often: of such elements it is not known which is which."""
    if len(set(mine)) == len(mine) and len(set(theirs)) == len(theirs):
        return frozenset()
    counts, others = Counter(mine), Counter(theirs)
    return frozenset(one for one, count in counts.items() if others[one] not in {0, count})


def _by_digest(mine: list[bytes], theirs: list[bytes]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair equal digests: the common beginning and end, then the k-th of one list with the k-th of the other."""
    shorter = min(len(mine), len(theirs))
    start = next((at for at in range(shorter) if mine[at] != theirs[at]), shorter)
    end = next((at for at in range(shorter - start) if mine[-1 - at] != theirs[-1 - at]), shorter - start)
    stop, until = len(mine) - end, len(theirs) - end
    pairs = [(at, at) for at in range(start)]
    places = {theirs[j]: j for j in reversed(range(start, until))}  # of several, the first
    again: dict[bytes, deque[int]] = defaultdict(deque)
    if len(places) < until - start:
        for j in range(start, until):
            if places[theirs[j]] != j:
                again[theirs[j]].append(j)
    left = []
    for i in range(start, stop):
        digest = mine[i]
        j = places.pop(digest, -1)
        if j < 0:
            left.append(i)
            continue
        pairs.append((i, j))
        if again and again.get(digest):
            places[digest] = again[digest].popleft()
    pairs += [(stop + at, until + at) for at in range(end)]
    return pairs, left, sorted([*places.values(), *(j for rest in again.values() for j in rest)])


def _alike(item: Node | None, one: Any, two: Any) -> bool:
    """Return whether two maps have most of what control keeps in common, so that they need no better partner."""
    if not isinstance(one, dict) or not isinstance(two, dict):
        return False
    kept = [key for key in one if item is None or (child := item.child(key)) is None or not child.noisy]
    return bool(kept) and sum(key in two and two[key] == one[key] for key in kept) * 2 > len(kept)


def _by_vote(
    first: list[Any], other: list[Any], left: list[int], right: list[int], item: Node | None
) -> list[tuple[int, int]]:
    """Pair elements that share more of what only they have than with any other, or as much and more besides."""
    if not left or not right or (len(left) == 1 and len(right) == 1):
        return []
    mine = {i: set(features(item, first[i])) for i in left}
    theirs = {j: set(features(item, other[j])) for j in right}
    owners: dict[Any, list[int]] = defaultdict(list)
    for j, found in theirs.items():
        for one in found:
            owners[one].append(j)
    counts = Counter(one for found in mine.values() for one in found)
    partners = {
        i: [(owners[one][0], one[0]) for one in found if counts[one] == 1 and len(owners.get(one, ())) == 1]
        for i, found in mine.items()
    }
    telling = Counter(path for found in partners.values() for _, path in found)
    votes = []
    for i, found in mine.items():
        tally: Counter[int] = Counter()
        for j, path in partners[i]:  # a name that finds every element tells more than a number two have by chance
            tally[j] += telling[path]
        votes += [
            (-count, -len(found & theirs[j]), abs(i - j), i, j)
            for j, count in tally.items()
            if not isinstance(first[i], str) or 2 * len(found & theirs[j]) > max(len(found), len(theirs[j]))
        ]
    pairs, taken, given = [], set(), set()
    for _, _, _, i, j in sorted(votes):
        if i not in taken and j not in given:
            pairs.append((i, j))
            taken.add(i)
            given.add(j)
    return pairs


def features(node: Node | None, value: Any) -> list[tuple[str, type, Any]]:
    """Return what identifies an element: its single values that control keeps, each with its path; a text's words."""
    if isinstance(value, str):
        return [("", str, word) for word in words_of(value)[:FEATURES]]
    return [feature for feature, _ in zip(_features(node, value, "", LEVELS), range(FEATURES), strict=False)]


def _features(node: Node | None, value: Any, path: str, levels: int) -> Iterator[tuple[str, type, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            child = None if node is None else node.child(key)
            if levels and not (child is not None and child.here):
                yield from _features(child, one, f"{path}.{key}", levels - 1)
    elif isinstance(value, list):
        item = None if node is None else node.item
        for one in value:
            if levels:
                yield from _features(item, one, f"{path}[]", levels - 1)
    else:
        yield path, type(value), value
