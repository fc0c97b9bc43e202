"""All values of one path at once: which rows of two columns differ by more than the noise that is known.

A list of a thousand records is a few columns.  What control keeps of all records is compared as one run of bytes, what
it varies column by column, so that records which are equal up to noise cost next to nothing; those that are not are
walked one by one (`walk`).  A row that is not named is equal; one that is named is only suspected.

Above: `walk`.  Below: `quick`, `digests`.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import Any, Final

from orchestrator.shadow.digests import encode
from orchestrator.shadow.identity import SHORTEST, STRONG, Batch
from orchestrator.shadow.leaves import Call
from orchestrator.shadow.node import Node, like_id
from orchestrator.shadow.quick import TextColumn, bad_numbers

Column = list[Any]
_PLAIN: Final = frozenset({type(None), bool})


class Columns:
    """Compares columns by one profile; keeps what it made of the profile's nodes."""

    def __init__(self, linked: frozenset[str]) -> None:
        self._texts: dict[int, TextColumn | None] = {}
        self._kept: dict[int, frozenset[Any]] = {}
        self._bearing: dict[int, bool] = {}
        self._linked = linked

    def kept(self, node: Node | None) -> frozenset[Any]:
        """Return `node.keeps()`, made once."""
        if node is None:
            return frozenset()
        if id(node) not in self._kept:
            self._kept[id(node)] = node.keeps()
        return self._kept[id(node)]

    def bad(self, node: Node | None, mine: Column, theirs: Column, call: Call) -> set[int]:
        """Return the rows of two columns that are not surely equal up to noise."""
        if node is None or not node.noisy:
            return _unlike(mine, theirs)
        kinds = set(map(type, mine))
        if len(kinds) > 1 or kinds != set(map(type, theirs)):
            return self._by_kind(node, mine, theirs, call)
        kind = next(iter(kinds), dict)
        if kind is dict:
            return set(range(len(mine))) if node.dynamic else self._maps(node, mine, theirs, call)
        return self._lists(node, mine, theirs, call) if kind is list else self._leaves(node, kind, mine, theirs, call)

    def _leaves(self, node: Node, kind: type, mine: Column, theirs: Column, call: Call) -> set[int]:
        if not node.moving or kind in _PLAIN:
            return _unlike(mine, theirs) if not (kind is bool and node.free) else set()
        if kind is str:
            return self._strings(node, mine, theirs, call)
        return set(bad_numbers(node, mine, theirs, call, self.kept(node)))

    def _by_kind(self, node: Node, mine: Column, theirs: Column, call: Call) -> set[int]:
        rows: dict[type, list[int]] = defaultdict(list)
        found: set[int] = set()
        for row, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if type(a) is type(b):
                rows[type(a)].append(row)
            else:
                found.add(row)
        for same in rows.values():
            found.update(same[at] for at in self.bad(node, [mine[r] for r in same], [theirs[r] for r in same], call))
        return found

    def _maps(self, node: Node, mine: Column, theirs: Column, call: Call) -> set[int]:
        shapes = {*map(tuple, mine), *map(tuple, theirs)}
        if len(shapes) == 1:
            return self._members(node, shapes.pop(), mine, theirs, call)
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        found: set[int] = set()
        for row, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if a.keys() == b.keys():
                groups[tuple(a)].append(row)
            else:
                found.add(row)
        for keys, rows in groups.items():
            one, two = [mine[row] for row in rows], [theirs[row] for row in rows]
            found.update(rows[at] for at in self._members(node, keys, one, two, call))
        return found

    def _members(self, node: Node, keys: tuple[str, ...], mine: Column, theirs: Column, call: Call) -> set[int]:
        children = {key: node.child(key) for key in keys}
        noisy = [key for key, child in children.items() if child is not None and child.noisy]
        stable = [key for key in keys if key not in noisy]
        found: set[int] = set()
        if stable:
            pick = itemgetter(*stable)
            found = _unlike(list(map(pick, mine)), list(map(pick, theirs)))
        for key in noisy:
            found |= self.bad(children[key], [one[key] for one in mine], [one[key] for one in theirs], call)
        return found

    def _lists(self, node: Node, mine: Column, theirs: Column, call: Call) -> set[int]:
        if node.reordered or node.swing:
            return set(range(len(mine)))
        found = {row for row, (a, b) in enumerate(zip(mine, theirs, strict=True)) if len(a) != len(b)}
        rows = [row for row in range(len(mine)) if row not in found]
        owner = [row for row in rows for _ in mine[row]]
        one, two = [v for row in rows for v in mine[row]], [v for row in rows for v in theirs[row]]
        return found | {owner[at] for at in self.bad(node.item, one, two, call)}

    def _text(self, node: Node) -> TextColumn | None:
        if id(node) not in self._texts:
            chosen = node.texts.steady() if node.texts is not None else None
            fine = chosen is not None and chosen[0] == "fine" and not chosen[1].switches
            self._texts[id(node)] = TextColumn(node, chosen[1]) if chosen is not None and fine else None
        return self._texts[id(node)]

    def _strings(self, node: Node, mine: Column, theirs: Column, call: Call) -> set[int]:
        column = self._text(node)
        if column is None:
            return set(range(len(mine)))
        return set(column.bad(mine, theirs, call, self.kept(node)))

    def ids(self, node: Node | None, path: str, mine: Column, theirs: Column) -> list[Batch]:
        """Return the ids that vary of two columns whose rows are equal up to noise."""
        if node is None or not mine or not self._bears(node):
            return []
        found: list[Batch] = []
        kinds = set(map(type, mine))
        if len(kinds) == 1 and kinds == set(map(type, theirs)):
            return self._ids_of(node, path, kinds.pop(), mine, theirs)
        for kind in kinds:
            rows = [(a, b) for a, b in zip(mine, theirs, strict=True) if type(a) is kind and type(b) is kind]
            if rows:
                one, two = map(list, zip(*rows, strict=True))
                found += self._ids_of(node, path, kind, one, two)
        return found

    def _ids_of(self, node: Node, path: str, kind: type, mine: Column, theirs: Column) -> list[Batch]:
        if kind is dict:
            members = [(key, child) for key, child in node.children.items() if self._bears(child)]
            if node.entry is not None and not node.dynamic and self._bears(node.entry):
                others = dict.fromkeys(key for one in mine for key in one if key not in node.children and like_id(key))
                members += [(key, node.entry) for key in others]
            return [
                batch
                for key, child in members
                for batch in self.ids(child, f"{path}.{key}", *_column(mine, theirs, key))
            ]
        if kind is list:
            pairs = [pair for a, b in zip(mine, theirs, strict=True) for pair in zip(a, b, strict=False)]
            return self.ids(node.item, f"{path}[]", [a for a, _ in pairs], [b for _, b in pairs])
        if kind is str and node.moving:
            return self._text_ids(node, path, mine, theirs)
        if kind is int and node.numbers is not None and not node.numbers.clock and self._worth(path, node.numbers.high):
            return [Batch(path, path, list(map(str, mine)), list(map(str, theirs)))]
        return []

    def _bears(self, node: Node) -> bool:
        """Return whether there may be ids here or below."""
        if not node.noisy:
            return False
        if id(node) not in self._bearing:
            text = self._text(node)
            below = [*node.children.values(), node.item, node.entry]
            self._bearing[id(node)] = (
                (node.texts is not None and (text is None or text.bears))
                or (node.numbers is not None and node.numbers.ints and not node.numbers.clock)
                or any(one is not None and self._bears(one) for one in below)
            )
        return self._bearing[id(node)]

    def _worth(self, path: str, high: float) -> bool:
        return high >= 10.0 ** (STRONG - 1) or (path in self._linked and high >= 10.0 ** (SHORTEST - 1))

    def _text_ids(self, node: Node, path: str, mine: Column, theirs: Column) -> list[Batch]:
        column = self._text(node)
        one = column.groups(mine) if column is not None else None
        two = column.groups(theirs) if column is not None and one is not None else None
        if one is not None and two is not None:
            return [
                Batch(f"{path}#{index}", path, a, b)
                for (index, a), (_, b) in zip(one, two, strict=True)
                if self._strong(path, index, a)
            ]
        texts = node.texts
        parts = [part for a, b in zip(mine, theirs, strict=True) for part in (texts.varying(a, b) if texts else [])]
        return [Batch(f"{path}#{index}", path, [a], [b]) for index, a, b in parts if self._strong(path, index, [a])]

    def _strong(self, path: str, index: int, ids: list[str]) -> bool:
        if len(ids[0]) >= STRONG:
            return any(one.isdigit() for one in ids[0])
        return f"{path}#{index}" in self._linked and len(ids[0]) >= SHORTEST


def _column(mine: Column, theirs: Column, key: str) -> tuple[Column, Column]:
    try:
        return [one[key] for one in mine], [one[key] for one in theirs]
    except KeyError:
        rows = [(a[key], b[key]) for a, b in zip(mine, theirs, strict=True) if key in a and key in b]
        return [a for a, _ in rows], [b for _, b in rows]


def _unlike(mine: Column, theirs: Column) -> set[int]:
    """Return the rows whose bytes differ."""
    if encode(mine) == encode(theirs):
        return set()
    return {row for row, (a, b) in enumerate(zip(mine, theirs, strict=True)) if encode(a) != encode(b)}
