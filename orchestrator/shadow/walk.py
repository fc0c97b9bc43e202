"""Two values beside each other, down to every difference that is more than known noise.

Above: `compare`, `profile`.  Below: `columns`, `align`, `leaves`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.align import Alignment, align
from orchestrator.shadow.columns import Columns
from orchestrator.shadow.digests import encode, project
from orchestrator.shadow.identity import Batch
from orchestrator.shadow.leaves import ABSENT, Call, fits, fits_new, misfit
from orchestrator.shadow.node import Node, name_of
from orchestrator.shadow.numbers import Misfit
from orchestrator.shadow.values import made_as

MOST: Final = 1000
"""Differences of one pair that are kept; more say no more."""
NEVER_ABSENT: Final = "control always has it"
NEVER_THERE: Final = "control never has it"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, with the values as they are.

    Attributes:
        kind, path, place, rule: as in a finding.
        control, rehearsal: the values; `ABSENT` where there is none.
    """

    kind: Kind
    path: str
    place: str
    rule: str
    control: Any
    rehearsal: Any


class Lists(NamedTuple):
    """Two lists of one path."""

    mine: list[Any]
    theirs: list[Any]
    path: str
    place: str


@dataclass(slots=True)
class Walk:
    """One walk over a pair.

    Attributes:
        columns: compares many rows at once.
        call: when both sides were called.
        found: differences so far.
        ids: ids that vary, to be held against each other in the end.
        more: whether differences were left out.
    """

    columns: Columns
    call: Call
    found: list[Difference] = field(default_factory=list)
    ids: list[Batch] = field(default_factory=list)
    more: bool = False

    def note(self, wrong: Misfit | None, path: str, place: str, control: Any, rehearsal: Any) -> None:
        """Take down a difference, if it is one."""
        if wrong is None:
            return
        if len(self.found) >= MOST:
            self.more = True
            return
        kind = Kind.ERROR if path == "$.isError" else wrong[0]
        self.found.append(Difference(kind, path, place, wrong[1], control, rehearsal))

    def walk(self, node: Node | None, control: Any, rehearsal: Any, path: str = "$", place: str = "$") -> None:
        """Compare two values of one path."""
        if type(control) is not type(rehearsal):
            self._other_type(node, control, rehearsal, path, place)
        elif isinstance(control, dict):
            self._map(node, control, rehearsal, path, place)
        elif isinstance(control, list):
            self._list(node, control, rehearsal, path, place)
        else:
            self._single(node, control, rehearsal, path, place)

    def _single(self, node: Node | None, control: Any, rehearsal: Any, path: str, place: str) -> None:
        moving = node is not None and node.moving > 0
        is_text = isinstance(control, str)  # a column of one text is asked no sooner than each rule about it
        if is_text or not moving or self.columns.bad(node, [control], [rehearsal], self.call):
            wrong = misfit(node, control, rehearsal, self.call, self.columns.kept(node))
            self.note(wrong, path, place, control, rehearsal)
            if wrong is not None:
                return
        if moving:
            self.ids += [
                Batch(one.path, place, one.control, one.rehearsal)
                for one in self.columns.ids(node, path, [control], [rehearsal])
            ]

    def _other_type(self, node: Node | None, control: Any, rehearsal: Any, path: str, place: str) -> None:
        mine, theirs = name_of(control), name_of(rehearsal)
        numeric = {mine, theirs} == {"int", "float"}
        if node is not None and (f"{mine}>{theirs}" in node.switches or (numeric and node.moving)):
            if not isinstance(rehearsal, dict | list):
                self.note(
                    fits(node, control if numeric else ABSENT, rehearsal, self.call[1]), path, place, control, rehearsal
                )
            return
        one, two = made_as(control), made_as(rehearsal)
        if one is not None and two is not None:
            self.note((Kind.FORMAT, f"control has {one} here, this is {two}"), path, place, control, rehearsal)
            return
        self.note((Kind.TYPE, f"control has a {mine} here, this is a {theirs}"), path, place, control, rehearsal)

    def _map(self, node: Node | None, mine: dict[str, Any], theirs: dict[str, Any], path: str, place: str) -> None:
        dynamic = node is not None and node.dynamic
        for key, value in mine.items():
            if dynamic and node is not None and key not in node.children:
                continue
            child = None if node is None else node.child(key)
            below, there = f"{path}.{key}", f"{place}.{key}"
            if key in theirs:
                self.walk(child, value, theirs[key], below, there)
            elif child is None or not child.optional:
                self.note((Kind.MISSING, NEVER_ABSENT), below, there, value, ABSENT)
        for key, value in theirs.items():
            known = None if node is None else node.children.get(key)
            if key not in mine and not (dynamic and known is None):
                self._new(known, value, f"{path}.{key}", f"{place}.{key}")
        if dynamic and node is not None:
            self._entries(node, mine, theirs, path, place)

    def _new(self, child: Node | None, value: Any, path: str, place: str) -> None:
        """Judge a member that the control's answer has not."""
        if child is None or not child.seen:
            self.note((Kind.EXTRA, NEVER_THERE), path, place, ABSENT, value)
        elif not isinstance(value, dict | list):  # it is control's answer that lacks what control has at other times
            self.note(fits_new(child, value, self.call[1]), path, place, ABSENT, value)

    def _entries(self, node: Node, mine: dict[str, Any], theirs: dict[str, Any], path: str, place: str) -> None:
        """Compare members that are named by ids: by what they hold."""
        keys, others = ([key for key in side if key not in node.children] for side in (mine, theirs))
        alignment = align([mine[key] for key in keys], [theirs[key] for key in others], node.entry)
        for i, j in alignment.pairs:
            one, two = keys[i], others[j]
            if one != two and node.keys is not None:
                self.note(node.keys.misfit(one, two, self.call[1]), f"{path}{{}}", f"{place}.{one}", one, two)
            self.ids.append(Batch(f"{path}{{}}", f"{place}.{one}", [one], [two]))
            self.walk(node.entry, mine[one], theirs[two], f"{path}{{}}", f"{place}.{one}")
        low, high = node.lengths()
        if node.swing and low <= len(others) <= high:
            return
        for i in alignment.lost:
            self.note((Kind.MISSING, NEVER_ABSENT), f"{path}{{}}", f"{place}.{keys[i]}", mine[keys[i]], ABSENT)
        for j in alignment.gained:
            self.note((Kind.EXTRA, NEVER_THERE), f"{path}{{}}", f"{place}.{others[j]}", ABSENT, theirs[others[j]])

    def _list(self, node: Node | None, mine: list[Any], theirs: list[Any], path: str, place: str) -> None:
        item = None if node is None else node.item
        free = node is not None and node.reordered
        start: list[int] = list(range(len(mine)))
        if len(mine) == len(theirs) and not free:
            bad = self.columns.bad(item, mine, theirs, self.call)
            self._collect(item, path, [(i, i) for i in start if i not in bad], mine, theirs)
            if not bad:
                return
            rows = sorted(bad)
            inner = align([mine[i] for i in rows], [theirs[i] for i in rows], item)
            alignment = Alignment([(rows[i], rows[j]) for i, j in inner.pairs], [], [], inner.moved)
        else:
            alignment = align(mine, theirs, item)
        self._aligned(node, alignment, Lists(mine, theirs, path, place))

    def _collect(
        self, item: Node | None, path: str, pairs: list[tuple[int, int]], mine: list[Any], theirs: list[Any]
    ) -> None:
        if item is not None and item.noisy:
            self.ids += self.columns.ids(item, f"{path}[]", [mine[i] for i, _ in pairs], [theirs[j] for _, j in pairs])

    def _aligned(self, node: Node | None, found: Alignment, both: Lists) -> None:
        item, mine, theirs = None if node is None else node.item, both.mine, both.theirs
        if found.moved and not (node is not None and node.reordered):
            self.note((Kind.ORDER, "control always keeps this order"), both.path, both.place, mine, theirs)
        bad = self.columns.bad(item, [mine[i] for i, _ in found.pairs], [theirs[j] for _, j in found.pairs], self.call)
        self._collect(item, both.path, [pair for at, pair in enumerate(found.pairs) if at not in bad], mine, theirs)
        for at in sorted(bad):
            i, j = found.pairs[at]
            self.walk(item, mine[i], theirs[j], f"{both.path}[]", f"{both.place}[{i}]")
        if found.lost or found.gained:
            self._lengths(node, found, both)

    def _lengths(self, node: Node | None, found: Alignment, both: Lists) -> None:
        """Judge elements that one side has alone: where the length is noise, those that control never lost."""
        mine, theirs, path, place = both
        lost, gained = found.lost, found.gained
        if node is not None and node.swing:
            low, high = node.lengths()
            if not low <= len(theirs) <= high:
                rule = f"control's lists had {node.low} to {node.high} elements, this one has {len(theirs)}"
                self.note((Kind.LENGTH, rule), path, place, mine, theirs)
            core = set(node.core)
            lost = [i for i in lost if core and encode(project(node.item, mine[i])).decode() in core]
            gained = []
        for i in lost:
            self.note((Kind.MISSING, NEVER_ABSENT), f"{path}[]", f"{place}[{i}]", mine[i], ABSENT)
        for j in gained:
            self.note((Kind.EXTRA, NEVER_THERE), f"{path}[]", f"{place}[{j}]", ABSENT, theirs[j])
