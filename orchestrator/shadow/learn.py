"""Control's answers to one case, laid beside each other: what varies, and how.

All samples are aligned to the first, so that every *place* (one member of one element) has a value from each.  What
differs within a place is noise; what differs between places is not.  Learning runs twice: lists of which some members
are noise can be aligned well only once it is known which.  The first time nothing but that is learned, no envelopes.

Above: `profile`.  Below: `node`, `align`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.shadow.align import align
from orchestrator.shadow.digests import encode, project
from orchestrator.shadow.node import KEPT, KEPT_LENGTH, Node, like_id, name_of
from orchestrator.shadow.numbers import Numbers
from orchestrator.shadow.texts import Texts

LEARNED: Final = 200
"""Places of a path whose texts are all learned; of more, every `THINNED`-th: they tell the same, and take long."""
THINNED: Final = 16
SAMPLES_OF_A_PAIR: Final = 2
"""Samples that cannot tell whether a key comes back."""
SAMPLES_OF_CORE: Final = 4
"""Samples that have to have an element, once each, before it counts as one that a list always has."""
_MISSING: Final = object()
"""Stands for the value of a sample that has none at a place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place: a value of each sample, and when each was called."""

    values: tuple[Any, ...]
    times: tuple[float | None, ...]

    def of(self, kinds: tuple[type, ...]) -> Place:
        """Return the values of some types only."""
        kept = [(one, at) for one, at in zip(self.values, self.times, strict=True) if type(one) in kinds]
        return Place(tuple(one for one, _ in kept), tuple(at for _, at in kept))

    def map(self, values: list[Any]) -> Place:
        """Return another place of the same samples."""
        return Place(tuple(values), self.times)


def learn_case(samples: list[tuple[Any, float | None]]) -> Node:
    """Return what samples of one case tell; at least two are needed for any noise to show."""
    place = Place(tuple(value for value, _ in samples), tuple(at for _, at in samples))
    first = Node()
    _learn(first, [place], None, whole=False)
    if not first.finish():
        return first
    second = Node()
    _learn(second, [place], first, whole=True)
    second.finish()
    return second


def _learn(node: Node, places: list[Place], known: Node | None, *, whole: bool) -> None:
    """Learn a path from its places.

    Args:
        node: takes what is learned.
        places: what stands there in the samples.
        known: what was learned of it the first time.
        whole: whether envelopes are learned, too.
    """
    maps, lists = [], []
    for place in places:
        present = [one for one in place.values if one is not _MISSING]
        node.seen += len(present)
        node.samples = max(node.samples, len(present))
        node.pairs += max(0, len(place.values) - 1)
        if len(present) < len(place.values):
            node.optional = True
            node.differing += len(place.values) - len(present)
        kinds = {type(one) for one in present}
        if len(kinds) > 1 and kinds != {int, float}:
            _learn_switch(node, present)
        alike = len(kinds) == 1 and len(present) == len(place.values)
        maps += [place if alike else place.of((dict,))] if dict in kinds else []
        lists += [place if alike else place.of((list,))] if list in kinds else []
        if kinds - {dict, list}:
            _learn_leaf(node, place if alike else place.of((str, int, float, bool, type(None))), whole=whole)
    if maps:
        _learn_maps(node, maps, known, whole=whole)
    if lists:
        _learn_lists(node, lists, known, whole=whole)


def _learn_switch(node: Node, present: list[Any]) -> None:
    names = sorted({name_of(one) for one in present})
    switches = {f"{one}>{two}" for one in names for two in names if one != two}
    node.switches = sorted({*node.switches, *switches})
    node.differing += 1


def _learn_leaf(node: Node, place: Place, *, whole: bool) -> None:
    different = {(type(one), one) for one in place.values}
    if len(different) == 1:
        node.fixed += 1
        if len(place.values) == 1:
            return
        value = place.values[0]
        if len(node.kept) < KEPT and not (isinstance(value, str) and len(value) > KEPT_LENGTH):
            node.kept.append(value)
        return
    node.moving += 1
    first = place.values[0]
    node.differing += sum((type(one), one) != (type(first), first) for one in place.values[1:])
    if not whole:
        return
    node.loose += [one for one in place.values if len(node.loose) < KEPT and not isinstance(one, str | float)]
    values = list(zip(place.values, place.times, strict=True))
    texts = [(one, at) for one, at in values if isinstance(one, str)]
    numbers = [(one, at) for one, at in values if type(one) in {int, float}]
    if texts and (node.moving <= LEARNED or node.moving % THINNED == 0):
        node.texts = node.texts or Texts()
        node.texts.learn(texts)
    if texts:
        node.loose += [one for one, _ in texts if len(one) <= KEPT_LENGTH and len(node.loose) < KEPT]
    if numbers:
        node.numbers = node.numbers or Numbers()
        node.numbers.learn(numbers)
    node.free = node.free or any(type(one) is bool for one in place.values)


def _learn_maps(node: Node, places: list[Place], known: Node | None, *, whole: bool) -> None:
    columns: dict[str, list[Place]] = {}
    changing: list[Place] = []
    dynamic = known is not None and known.dynamic
    for place in places:
        keys = dict.fromkeys(key for one in place.values for key in one)
        varying = [key for key in keys if any(key not in one for one in place.values)]
        ids = varying if _are_ids(varying, place.values) or (dynamic and varying) else []
        if ids or dynamic:
            node.dynamic = True
            changing.append(place.map([{key: one[key] for key in ids if key in one} for one in place.values]))
        for key in keys:
            if not (node.dynamic and key in ids):
                columns.setdefault(key, []).append(place.map([one.get(key, _MISSING) for one in place.values]))
    for key, column in columns.items():
        below = None if known is None else known.child(key)
        _learn(node.children.setdefault(key, Node()), column, below, whole=whole)
    if changing:
        _learn_entries(node, changing, known, whole=whole)


def _are_ids(varying: list[str], maps: tuple[dict[str, Any], ...]) -> bool:
    """Return whether keys that not every sample has are ids, not optional members: those come back, ids do not."""
    if not varying:
        return False
    if len(maps) <= SAMPLES_OF_A_PAIR:
        return all(like_id(key) for key in varying)
    once = all(sum(key in one for one in maps) == 1 for key in varying)
    return once and 2 * sum(any(key in one for key in varying) for one in maps) > len(maps)


def _learn_entries(node: Node, places: list[Place], known: Node | None, *, whole: bool) -> None:
    """Learn members whose names change: they are aligned by what they hold, like the elements of a list."""
    entry = None if known is None else known.entry
    node.keys = node.keys or Texts()
    found: list[Place] = []
    for place in places:
        keys = [list(one) for one in place.values]
        rows = _aligned([[one[key] for key in names] for one, names in zip(place.values, keys, strict=True)], entry)
        _learn_length(node, [len(names) for names in keys])
        found += [place.map([one[1] if one is not None else _MISSING for one in row]) for row in rows]
        for row in rows:
            names = [(keys[index][one[0]], place.times[index]) for index, one in enumerate(row) if one is not None]
            if len({name for name, _ in names}) > 1:
                node.keys.learn(names)
    node.entry = Node()
    _learn(node.entry, found, entry, whole=whole)
    node.entry.optional = False


def _learn_lists(node: Node, places: list[Place], known: Node | None, *, whole: bool) -> None:
    item = None if known is None else known.item
    columns: list[Place] = []
    for place in places:
        lists = list(place.values)
        if not any(lists):
            _learn_length(node, [0])
            continue
        _learn_length(node, [len(one) for one in lists])
        if len({len(one) for one in lists}) > 1:
            _learn_core(node, lists, item)
        node.reordered = node.reordered or any(align(lists[0], one, item).moved for one in lists[1:])
        for row in _aligned(lists, item):
            present = [(one[1], at) for one, at in zip(row, place.times, strict=True) if one is not None]
            columns.append(Place(tuple(one for one, _ in present), tuple(at for _, at in present)))
    if columns:
        node.item = Node()
        _learn(node.item, columns, item, whole=whole)


def _aligned(lists: list[list[Any]], item: Node | None) -> list[list[tuple[int, Any] | None]]:
    """Return rows of elements that belong together: index and value in each list, None where a list has none."""
    first = next((at for at, one in enumerate(lists) if one), 0)
    rows: list[list[tuple[int, Any] | None]] = [[None] * len(lists) for _ in lists[first]]
    for at, one in enumerate(lists):
        alignment = align(lists[first], one, item)
        for i, j in alignment.pairs:
            rows[i][at] = (j, one[j])
        alone = [[(j, one[j]) if index == at else None for index in range(len(lists))] for j in alignment.gained]
        rows.extend(alone)
    return rows


def _learn_length(node: Node, lengths: list[int]) -> None:
    node.low, node.high = min(node.low, *lengths), max(node.high, *lengths)
    node.swing = max(node.swing, max(lengths) - min(lengths))


def _learn_core(node: Node, lists: list[list[Any]], item: Node | None) -> None:
    """Remember the elements that every sample has of a list whose length is noise."""
    if len(lists) < SAMPLES_OF_CORE:
        return
    had = [Counter(encode(project(item, one)).decode() for one in elements) for elements in lists]
    common = [one for one in had[0] if all(counts[one] == 1 for counts in had) and one not in node.core]
    node.core = [*node.core, *sorted(common)][:KEPT]
