"""Whether ids that vary still refer to what they referred to.

Where control has one id in two places, the rehearsal has to have one id there, too, and the other way round: between
the ids of two answers there is a one-to-one relation.  Which paths refer to each other is learned: control against
control shows for each pair of paths how often equal ids stayed equal, and how often they did not (then it was chance).

Above: `walk`, `profile`.  Below: nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

Links = dict[str, list[int]]
"""For two paths, joined by a tab: how often equal ids stayed equal in another sample, and how often not."""
STRONG: Final = 8
"""Characters from which on an id is not met twice by chance; of integers, digits."""
WEAK_LINKS: Final = 3
"""How often short ids have to have stayed equal before that counts as a reference."""
SHORTEST: Final = 3
"""Characters below which nothing is an id."""


@dataclass(frozen=True, slots=True)
class Id:
    """An id in a place of both answers.

    Attributes:
        path, place: without and with indexes.
        control, rehearsal: the id on each side, as text.
    """

    path: str
    place: str
    control: str
    rehearsal: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids of one path, in many places at once: the k-th of control belongs to the k-th of the rehearsal."""

    path: str
    place: str
    control: list[str]
    rehearsal: list[str]


def rows_of(batches: Iterable[Batch]) -> list[Id]:
    """Return the ids one by one; those of a batch have places of their own."""
    rows = (
        Id(batch.path, batch.place if len(batch.control) == 1 else f"{batch.place} ({at})", one, two)
        for batch in batches
        for at, (one, two) in enumerate(zip(batch.control, batch.rehearsal, strict=True))
    )
    return list(dict.fromkeys(rows))


@dataclass(frozen=True, slots=True)
class Broken:
    """An id that does not stand for what it has to stand for."""

    found: Id
    rule: str


def is_id(text: str) -> bool:
    """Return whether a part that varies may be an id: not a short one, and not a plain word."""
    return len(text) >= SHORTEST and any(one.isdigit() for one in text)


def is_strong(text: str) -> bool:
    """Return whether an id is so random that it is not met twice by chance: letters and digits, and not few."""
    return len(text) >= STRONG and any(one.isdigit() for one in text) and any(one.isalpha() for one in text)


def number_id(value: Any) -> str | None:
    """Return an integer as an id, None where it is too small to be one."""
    return str(value) if isinstance(value, int) and abs(value) >= 10 ** (SHORTEST - 1) else None


def learn_links(links: Links, ids: Iterable[Id]) -> None:
    """Take in how two samples of the control refer."""
    rows = list(dict.fromkeys((one.path, one.place, one.control, one.rehearsal) for one in ids))
    for side, other in ((2, 3), (3, 2)):
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in rows:
            groups[row[side]].append((row[0], row[other]))
        for group in groups.values():
            if len(group) > 1:
                _learn_group(links, group)


def _learn_group(links: Links, group: list[tuple[str, str]]) -> None:
    by_path: dict[str, Counter[str]] = defaultdict(Counter)
    for path, other in group:
        by_path[path][other] += 1
    paths = sorted(by_path)
    for index, one in enumerate(paths):
        for two in paths[index:]:
            if one == two and sum(by_path[one].values()) == 1:
                continue
            count = links.setdefault(f"{one}\t{two}", [0, 0])
            count[len({*by_path[one], *by_path[two]}) > 1] += 1


def link(links: Links, one: str, two: str) -> tuple[int, int]:
    """Return how often equal ids of two paths stayed equal, and how often not."""
    kept, broken = links.get("\t".join(sorted((one, two))), (0, 0))
    return kept, broken


def broken(links: Links, batches: list[Batch]) -> list[Broken]:
    """Return the ids of a pair that break the relation, each once."""
    pairs = {pair for batch in batches for pair in zip(batch.control, batch.rehearsal, strict=True)}
    if len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs}):
        return []
    rows = rows_of(batches)
    found: dict[Id, Broken] = {}
    for one in _split(links, rows, "control", "rehearsal", "it is another id than where control has the same one"):
        found.setdefault(one.found, one)
    for one in _split(links, rows, "rehearsal", "control", "it is the id of something else"):
        found.setdefault(one.found, one)
    return list(found.values())


def _split(links: Links, rows: list[Id], side: str, other: str, rule: str) -> list[Broken]:
    """Return the members of groups with one id on `side` that have not all one id on the `other`."""
    groups: dict[str, list[Id]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, side)].append(row)
    found: list[Broken] = []
    for name, group in groups.items():
        counts = Counter(getattr(row, other) for row in group)
        if len(counts) > 1:
            most = max(counts.values())
            leaders = {one for one, count in counts.items() if count == most}
            whole = len(leaders) == 1
            suspects = [row for row in group if not whole or getattr(row, other) not in leaders]
            found += [
                Broken(row, rule)
                for row in suspects
                if _refers(links, row, group, other, new=side == "rehearsal", name=name)
            ]
    return found


def _refers(links: Links, row: Id, group: list[Id], other: str, *, new: bool, name: str) -> bool:
    """Return whether it is no chance that `row` and a member of its group with another id had one id."""
    strong = is_strong(name)
    for one in group:
        if getattr(one, other) == getattr(row, other):
            continue
        kept, parted = link(links, row.path, one.path)
        if parted:
            continue
        if strong and (new or kept):
            return True
        if not new and kept >= WEAK_LINKS:
            return True
    return False
