"""Many texts or numbers of one path at once: which rows are surely the noise that is known.

Nothing is decided here that `leaves` would not decide alike; a row that is not surely noise is left for it.  What makes
it fast is that a column is checked by one compiled pattern and by its least and greatest value.

Above: `columns`.  Below: `leaves`, `texts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from orchestrator.shadow.identity import STRONG, is_id
from orchestrator.shadow.leaves import Call, misfit
from orchestrator.shadow.moments import moment
from orchestrator.shadow.node import Node
from orchestrator.shadow.numbers import Numbers, decimals, decimals_misfit, real
from orchestrator.shadow.parts import CLOSED, Part
from orchestrator.shadow.texts import MAY_BE_IDS, Reading, Shape

_PATTERNS: Final = {
    "u": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "q": r"[+-]?\d+(?:\.\d+)? ?(?:[^\W\d_]+|%)",
    "g": r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?",
    "f": r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?",
    "c": r"\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?",
    "r": r"[^\W_]+",
    "o": "[A-Za-z0-9_+/=~.-]{12,}",
    "p": r"[0-9.a-zA-Zµ ]+",
    "s": " +",
}
_SPANS: Final = ((1, "0-9"), (2, "a-f"), (4, "g-z"), (8, "A-F"), (16, "G-Z"))
_ZEROS: Final = str.maketrans("123456789", "000000000")
_ISO: Final = re.compile(r"0000-00-00(?:[T ]00:00(?::00(?:\.0+)?)?Z?)?")
Groups = tuple[str, ...]


class TextColumn:
    """How to check texts of one path quickly; made once for a path."""

    def __init__(self, node: Node, reading: Reading) -> None:
        self._node = node
        self._shapes = [_Compiled(shape, name) for name, shape in reading.shapes.items() if "\x00T" not in name]
        self._open = reading.full or any(not shape.compared for shape in reading.shapes.values())
        self._times = [shape.parts[0].times for name, shape in reading.shapes.items() if name == "\x00T"]

    def bad(self, mine: list[str], theirs: list[str], call: Call, kept: frozenset[Any]) -> list[int]:
        """Return the rows that are not the noise that is known."""
        rows: list[int] | range = range(len(theirs))
        if not kept and self._times and len(theirs) > 1 and self._all_times(theirs, call):
            return []
        if not kept and len(self._shapes) == 1 and not self._times and not self._open:
            rows = self._shapes[0].bad(mine, theirs, call[1])
        return [row for row in rows if misfit(self._node, mine[row], theirs[row], call, kept) is not None]

    def _all_times(self, theirs: list[str], call: Call) -> bool:
        """Return whether all are times in UTC whose least and greatest are plausible: such texts sort as times do."""
        times = self._times[0]
        masks: dict[str, list[str]] = {}
        for text in theirs:
            masks.setdefault(text.translate(_ZEROS), []).append(text)
        if times is None or not all(_ISO.fullmatch(mask) for mask in masks):
            return False
        ends = [moment(text, "iso") for texts in masks.values() for text in (min(texts), max(texts))]
        return all(end is not None and times.misfit(end, call[1]) is None for end in ends)

    @property
    def bears(self) -> bool:
        """Whether the texts may hold ids."""
        return self._open or any(shape.wanted for shape in self._shapes)

    def groups(self, texts: list[str]) -> list[tuple[int, list[str]]] | None:
        """Return the parts that vary, part by part, where all texts have the one known shape."""
        if len(self._shapes) != 1 or self._times or self._open:
            return [] if self._times and not self._shapes else None
        return self._shapes[0].varying(texts)


class _Compiled:
    """One shape as a pattern, each part a group."""

    def __init__(self, shape: Shape, name: str) -> None:
        self._parts = shape.parts
        pieces = re.split("\x00.", name)
        groups = [f"({_pattern(part)})" for part in shape.parts]
        woven = [re.escape(pieces[0])]
        for group, piece in zip(groups, pieces[1:], strict=True):
            woven += [group, re.escape(piece)]
        self._match: Callable[[str], re.Match[str] | None] = re.compile("".join(woven)).fullmatch
        self._same = [index for index, part in enumerate(shape.parts) if not part.varies]
        self._slow = [index for index, part in enumerate(shape.parts) if part.varies and not _plain(part)]
        self.wanted = [
            i for i, part in enumerate(self._parts) if part.varies and part.kind in MAY_BE_IDS and may_be_id(part)
        ]
        """Parts that vary and may be ids."""
        self._single = len(shape.parts) == 1 and not any(pieces) and not self._same and not self._slow

    def bad(self, mine: list[str], theirs: list[str], at: float | None) -> list[int]:
        """Return the rows that do not surely have the shape."""
        match = self._match
        if self._single:
            return [row for row, text in enumerate(theirs) if match(text) is None]
        rows: set[int] = set()
        found = [match(text) for text in theirs]
        control = [match(text) for text in mine]
        sound = [row for row in range(len(theirs)) if found[row] is not None and control[row] is not None]
        rows.update(set(range(len(theirs))).difference(sound))
        one = [groups.groups() for row in sound if (groups := control[row]) is not None]
        two = [groups.groups() for row in sound if (groups := found[row]) is not None]
        if not sound:
            return sorted(rows)
        for index in self._same:
            rows.update(row for row, a, b in zip(sound, one, two, strict=True) if a[index] != b[index])
        for index in self._slow:
            rows.update(self._misfits(index, sound, [a[index] for a in one], [b[index] for b in two], at))
        return sorted(rows)

    def _misfits(self, index: int, rows: list[int], mine: list[str], theirs: list[str], at: float | None) -> list[int]:
        part = self._parts[index]
        if part.plausible(mine, theirs, at):
            return []
        checked = zip(rows, mine, theirs, strict=True)
        return [row for row, a, b in checked if a != b and part.misfit(a, (part.kind, b), at) is not None]

    def varying(self, texts: list[str]) -> list[tuple[int, list[str]]] | None:
        """Return the texts of each part that varies and may be an id."""
        if not self.wanted:
            return []
        if self._single:
            return [(0, texts)]
        found = [self._match(text) for text in texts]
        rows = [one.groups() for one in found if one is not None]
        return [(index, [row[index] for row in rows]) for index in self.wanted] if len(rows) == len(texts) else None


def may_be_id(part: Part) -> bool:
    """Return whether a part's values are long enough to be ids, or digits that are."""
    return part.longest >= STRONG or is_id("0" * part.longest)


def _plain(part: Part) -> bool:
    """Return whether a part's pattern says all that is known about it."""
    closed = part.samples >= CLOSED[0] and not part.many
    return part.kind in "uor" and not closed and not (part.kind == "r" and part.digits)


def _pattern(part: Part) -> str:
    if part.varies and part.kind in "uor" and not part.digits:
        allowed = part.allowed()
        if not allowed & 32 and part.kind != "u":
            low, high = part.lengths()
            return f"[{''.join(span for bit, span in _SPANS if allowed & bit)}]{{{low},{high}}}"
        if part.kind == "u" and not allowed & 8:
            return _PATTERNS["u"].replace("A-F", "")
    return _PATTERNS[part.kind]


def bad_numbers(node: Node, mine: list[Any], theirs: list[Any], call: Call, kept: frozenset[Any]) -> list[int]:
    """Return the rows that are not the noise that is known, of a column of numbers."""
    numbers = node.numbers
    if numbers is not None and not kept and _all_plausible(numbers, mine, theirs, call[1]):
        return []
    return [
        row for row, (a, b) in enumerate(zip(mine, theirs, strict=True)) if misfit(node, a, b, call, kept) is not None
    ]


def _all_plausible(numbers: Numbers, mine: list[Any], theirs: list[Any], at: float | None) -> bool:
    kinds = set(map(type, theirs))
    if (int in kinds and not numbers.ints) or (float in kinds and not numbers.floats):
        return False
    low, high = numbers.bounds(at)
    if not (low <= min(theirs) and max(theirs) <= high):
        return False
    if float in kinds:
        counts = set(map(decimals, (one for one in set(theirs) if type(one) is float)))
        if any(decimals_misfit(one, numbers.fewest, numbers.most, numbers.n) is not None for one in counts):
            return False
    if numbers.together(real(min(*mine, *theirs)), real(max(*mine, *theirs))):
        return True
    return not any(numbers.too_far(real(a), real(b)) for a, b in zip(mine, theirs, strict=True))
