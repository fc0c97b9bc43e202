"""Compares two states: schemas, then rows by primary key, then files.  Pure.

Above: `orchestrator.paritying`.  Below: `values`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, takewhile

from orchestrator.domain.words import counted
from orchestrator.parity.values import Difference, Row, Table, Tree

Hide = Callable[[str, str], str]
"""Takes a column and a cell of it, and returns the cell as it may be read."""
MOST = 50
"""Differences told."""
LONGEST = 200
"""Characters shown of a value."""
SHARED = 30
"""Characters that two schemas may begin alike with and still be shown from their beginning."""
BEFORE = 15
"""Characters shown of what they share, where that is more."""


def as_it_is(_column: str, text: str) -> str:
    """Hide nothing."""
    return text


def compare(old: Tree, new: Tree, hide: Hide = as_it_is) -> list[Difference]:
    """Return how two states differ, the first `MOST` differences; none when they are the same.

    Args:
        old: the state in service.
        new: the other one.
        hide: takes out of a cell what nobody should read; asked before anything is cut, as half of a secret may not
            look like one.
    """
    return list(islice(_all(old, new, hide), MOST))


def _all(old: Tree, new: Tree, hide: Hide) -> Iterator[Difference]:
    for name in sorted(old.tables.keys() | new.tables.keys()):
        mine, theirs = old.tables.get(name), new.tables.get(name)
        if mine is None or theirs is None:
            yield Difference(name, "missing" if theirs is None else "extra", _size(mine), _size(theirs))
        elif mine.schema != theirs.schema:
            yield Difference(name, "schema", *_parted(mine.schema, theirs.schema))
        else:
            yield from _rows(name, mine, theirs, hide)
    for name in sorted(old.files.keys() | new.files.keys()):
        content, other = old.files.get(name), new.files.get(name)
        if content != other:
            kind = "missing" if other is None else "extra" if content is None else "content"
            yield Difference(name, kind, content or "", other or "")


def _rows(name: str, old: Table, new: Table, hide: Hide) -> Iterator[Difference]:
    for key in sorted(old.rows.keys() | new.rows.keys()):
        mine, theirs = old.rows.get(key, []), new.rows.get(key, [])
        if mine == theirs:
            continue
        less, more = Counter(mine), Counter(theirs)
        gone, come = list((less - more).elements()), list((more - less).elements())
        which = _key(key, old, hide)
        if len(gone) == len(come) == 1:
            for column, one, other in zip(old.columns, gone[0], come[0], strict=False):
                if one != other:
                    yield Difference(
                        f"{name}.{column}{which}", "value", _cut(hide(column, one)), _cut(hide(column, other))
                    )
            continue
        yield from (Difference(f"{name}{which}", "missing", _row(old, row, hide)) for row in gone)
        yield from (Difference(f"{name}{which}", "extra", "", _row(new, row, hide)) for row in come)


def _key(key: str, table: Table, hide: Hide) -> str:
    """Return which row it is; without a primary key the row itself says so."""
    for column in table.keys:
        key = hide(column, key)
    return f" [{_cut(key)}]" if table.keys else ""


def _row(table: Table, row: Row, hide: Hide) -> str:
    return _cut(", ".join(hide(column, cell) for column, cell in zip(table.columns, row, strict=False)))


def _size(table: Table | None) -> str:
    return "" if table is None else counted(sum(map(len, table.rows.values())), "row")


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
