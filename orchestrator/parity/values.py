"""A state as it was read, and how two of them differ.

Above: `reading` makes trees, `compare` differences.  Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

Row = tuple[str, ...]


@dataclass(slots=True)
class Table:
    """One table.

    Attributes:
        schema: the statement that makes it, its spaces made one.
        columns: names, in order.
        keys: names of the columns of the primary key, none where there is none.
        rows: rows by the text of their primary key, or of the whole row where there is none; scrubbed.
    """

    schema: str = ""
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    rows: dict[str, list[Row]] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """One state.

    Attributes:
        tables: by `file:table`; indexes, views and triggers are tables without rows.
        files: what stands for the content of each other file, by its path.
        bound: why it was not read to the end, "" when it was.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    bound: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One difference.

    Attributes:
        place: `file`, `file:table`, or `file:table.column` with the row's key behind it.
        kind: `schema`, `missing`, `extra`, `value` or `content`.
        old: in the state in service.
        new: in the other one.
    """

    place: str
    kind: str
    old: str = ""
    new: str = ""
