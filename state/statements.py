"""Reading the SQL that stands under `sql/`: the schema's numbered files and the named statements.

Above stand `database`, `desired`, `audit`, `flags` and `journal`; below are only the files of this package.
"""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


def named(folder: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the statements of `sql/<folder>/<file>` by name."""
    text = (files("state") / "sql" / folder / file).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def migrations(folder: str) -> list[str]:
    """Return the numbered scripts of `sql/<folder>/`; the first brings an empty database to schema 1.

    Raises:
        ValueError: the numbers are not 1, 2, 3, ...: a mistake in this package.
    """
    found = {
        int(match[1]): entry.read_text(encoding="utf-8")
        for entry in (files("state") / "sql" / folder).iterdir()
        if (match := _NUMBERED.match(entry.name))
    }
    if sorted(found) != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations of {folder} are numbered {sorted(found)}, not 1, 2, 3, ...")
    return [found[number] for number in sorted(found)]
