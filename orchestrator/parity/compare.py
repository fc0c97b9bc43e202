"""Compares two states: schemas, then rows by primary key, then files.  Pure.

Above: `orchestrator.paritying`.  Below: `values`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice, takewhile

from orchestrator.parity.values import Difference, Row, Table, Tree

MOST = 50
"""Differences told."""
LONGEST = 200
"""Characters shown of a value."""
SHARED = 30
"""Characters that two schemas may begin alike with and still be shown from their beginning."""
BEFORE = 15
"""Characters shown of what they share, where that is more."""


def compare(old: Tree, new: Tree) -> list[Difference]:
    """Return how two states differ, the first `MOST` differences; none when they are the same.

    Args:
        old: the state in service.
        new: the other one.
    """
    return list(islice(_all(old, new), MOST))


def _all(old: Tree, new: Tree) -> Iterator[Difference]:
    for name in sorted(old.tables.keys() | new.tables.keys()):
        mine, theirs = old.tables.get(name), new.tables.get(name)
        if mine is None or theirs is None:
            yield Difference(name, "missing" if theirs is None else "extra")
        elif mine.schema != theirs.schema:
            yield Difference(name, "schema", *_parted(mine.schema, theirs.schema))
        else:
            yield from _rows(name, mine, theirs)
    for name in sorted(old.files.keys() | new.files.keys()):
        content, other = old.files.get(name), new.files.get(name)
        if content is None or other is None:
            yield Difference(name, "missing" if other is None else "extra")
        elif content != other:
            yield Difference(name, "content", content, other)


def _rows(name: str, old: Table, new: Table) -> Iterator[Difference]:
    for key in sorted(old.rows.keys() | new.rows.keys()):
        mine, theirs = old.rows.get(key, []), new.rows.get(key, [])
        if mine == theirs:
            continue
        less, more = Counter(mine), Counter(theirs)
        gone, come = list((less - more).elements()), list((more - less).elements())
        if len(gone) == len(come) == 1:
            yield from _cells(f"{name}", key, old.columns, (gone[0], come[0]))
            continue
        yield from (Difference(f"{name} [{_cut(key)}]", "missing", _cut(", ".join(row))) for row in gone)
        yield from (Difference(f"{name} [{_cut(key)}]", "extra", "", _cut(", ".join(row))) for row in come)


def _cells(name: str, key: str, columns: tuple[str, ...], rows: tuple[Row, Row]) -> Iterator[Difference]:
    for column, mine, theirs in zip(columns, *rows, strict=False):
        if mine != theirs:
            yield Difference(f"{name}.{column} [{_cut(key)}]", "value", _cut(mine), _cut(theirs))


def _parted(old: str, new: str) -> tuple[str, str]:
    """Return two schemas as they are shown: from a little before where they part, so that one sees how they differ.

    Values are not shown so: part of a secret might no longer look like one.
    """
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    if same <= SHARED:
        return _cut(old), _cut(new)
    return f"...{_cut(old[same - BEFORE :])}", f"...{_cut(new[same - BEFORE :])}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
