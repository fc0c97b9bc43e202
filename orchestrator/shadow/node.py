"""One index-free path of a profile: what control did there, and what lies below it.

Above: `profile`, `learn`, `walk`, `columns`.  Below: `texts`, `numbers`.
"""

from __future__ import annotations

import copy
import re
from typing import Any, Final

import msgspec

from orchestrator.shadow.numbers import Numbers
from orchestrator.shadow.reach import reach
from orchestrator.shadow.texts import Texts

KEPT: Final = 4000
"""Values that stood still, of a path where others did not; beyond them none is kept."""
KEPT_LENGTH: Final = 300
"""Characters of such a value."""
BY_CHANCE: Final = 1e-3
"""Probability with which a value that varies may have stood still in all samples."""
_HAS_DIGIT: Final = re.compile(r"\d")
SHORT_ID: Final = 6
"""Characters of a key from which on it may be an id."""
MANY: Final = 3
"""Members named by ids from which on they are taken together for those never seen."""
NAMES: Final[dict[type, str]] = {dict: "map", list: "list", str: "text", int: "int", float: "float", bool: "bool"}


class Node(msgspec.Struct, omit_defaults=True):
    """What is known about one path.

    Attributes:
        seen: values of control's answers.
        pairs, differing: pairs of values of one place, and how many of them differed.
        fixed, moving: places whose value stood still, or did not, over the samples.
        switches: pairs of types that one place changed between, such as `null>text`.
        kept, loose: single values that stood still in their place; those that were seen in one that did not.
        optional: whether one place had it in some samples only.
        low, high, swing: a list's or map's length: least, greatest, most that one place varied by.
        reordered: whether the order of a list's elements is noise.
        core: digests of elements that every sample of a list had whose length is noise.
        dynamic: whether a map's keys are ids that change from sample to sample.
        children, item, entry: what lies below: members by name, a list's elements, members named by ids.
        noisy: whether anything here or below is noise; set when learning is over.
    """

    seen: int = 0
    pairs: int = 0
    differing: int = 0
    fixed: int = 0
    moving: int = 0
    samples: int = 0
    switches: list[str] = []
    numbers: Numbers | None = None
    texts: Texts | None = None
    free: bool = False
    kept: list[Any] = []
    loose: list[Any] = []
    optional: bool = False
    low: int = 1 << 40
    high: int = 0
    swing: int = 0
    reordered: bool = False
    core: list[str] = []
    dynamic: bool = False
    keys: Texts | None = None
    children: dict[str, Node] = {}
    item: Node | None = None
    entry: Node | None = None
    noisy: bool = False

    @property
    def here(self) -> bool:
        """Whether this very path is noise, whatever is below."""
        return bool(self.moving or self.switches or self.optional or self.swing or self.reordered or self.dynamic)

    def child(self, key: str) -> Node | None:
        """Return what is known about a member."""
        found = self.children.get(key)
        if found is None and self.entry is not None and (self.dynamic or like_id(key)):
            return self.entry
        return found

    def keeps(self) -> frozenset[Any]:
        """Return the values that have to stay, of a path where others vary.

        Only where control varies what it varies so often that no such value can have stood still by chance.
        """
        if not self.kept or not self.differing:
            return frozenset()
        rate = (self.differing + 1) / (self.pairs_moving + 2)
        if (1.0 - min(1.0, rate)) ** max(1, self.samples - 1) > BY_CHANCE:
            return frozenset()
        return frozenset(self.kept) - frozenset(self.loose)

    @property
    def pairs_moving(self) -> int:
        """Pairs of values of those places that vary."""
        return self.moving * max(1, self.samples - 1)

    def lengths(self) -> tuple[int, int]:
        """Return the least and the greatest plausible length where the length is noise."""
        width = int(reach(self.samples) * self.swing) + 1
        return max(0, self.low - width), self.high + width

    def finish(self) -> bool:
        """Settle what follows from what was learned; return whether anything here or below is noise."""
        named = [one for key, one in self.children.items() if like_id(key)]
        if self.entry is None and len(named) >= MANY:
            self.entry = copy.deepcopy(named[0])
            for one in named[1:]:
                self.entry.merge(copy.deepcopy(one))
        below = [*self.children.values(), self.item, self.entry]
        self.noisy = bool(sum([one.finish() for one in below if one is not None])) or self.here
        return self.noisy

    def merge(self, other: Node) -> None:
        """Take in what another node knows about the same path."""
        for count in ("seen", "pairs", "differing", "fixed", "moving"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        for most in ("samples", "high", "swing"):
            setattr(self, most, max(getattr(self, most), getattr(other, most)))
        for either in ("free", "optional", "reordered", "dynamic", "noisy"):
            setattr(self, either, getattr(self, either) or getattr(other, either))
        for several in ("switches", "kept", "loose", "core"):
            mine = getattr(self, several)
            setattr(self, several, [*mine, *(one for one in getattr(other, several) if one not in mine)][:KEPT])
        self.low = min(self.low, other.low)
        for part in ("numbers", "texts", "keys", "item", "entry"):
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine is None:
                setattr(self, part, theirs)
            elif theirs is not None:
                mine.merge(theirs)
        for key, child in other.children.items():
            if key in self.children:
                self.children[key].merge(child)
            else:
                self.children[key] = child


def like_id(key: str) -> bool:
    """Return whether a key may be an id rather than a member's name: long with digits, or digits only."""
    return key.isdigit() or (len(key) >= SHORT_ID and _HAS_DIGIT.search(key) is not None)


def name_of(value: Any) -> str:
    """Return a JSON type's name."""
    return "null" if value is None else NAMES[type(value)]
