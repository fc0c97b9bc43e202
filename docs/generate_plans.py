"""Writes the page of the plan's format from the model that reads it, so that the two cannot differ.

Above: `generate`, and a test that compares the page with what this would write.  Below: `orchestrator.plans.form`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from orchestrator.domain.plans.plan import Plan
from orchestrator.plans.form import Member, members, tables

INTRODUCTION: Final = """\
# The format of a plan

<!-- Written by `make docs` from orchestrator/domain/plans/plan.py and its parts; change those. -->

A plan is a file in [TOML](https://toml.io). [plans.md](plans.md) says what it is for. A member that does not exist, a
value of another type or one out of its bounds is refused; the message lists every problem with its line and what is
allowed. `switchover lint PLAN` reads a plan and says what is wrong with it.

Times are seconds, or texts such as `"90s"`, `"10m"`, `"1h30m"`, `"2d"` and `"1w"`. Lists of tables are written as
`[[steps]]` or `steps = [{ ... }]`; their order counts.
"""


def page() -> str:
    """Return the page."""
    return "".join((INTRODUCTION, *_table("The plan itself", Plan), *_tables()))


def _tables() -> Iterator[str]:
    for name, table, is_many in tables():
        yield from _table(f"`[[{name}]]`" if is_many else f"`[{name}]`", table)


def _table(title: str, table: type) -> Iterator[str]:
    yield f"\n## {title}\n\n{(inspect.getdoc(table) or '').splitlines()[0]}\n\n"
    yield "| member | value | default | meaning |\n|---|---|---|---|\n"
    for member in members(table).values():
        cells = (f"`{member.name}`", member.allowed.replace("|", "\\|"), _default(member), member.meaning)
        yield f"| {' | '.join(cells)} |\n"


def _default(member: Member) -> str:
    default: Any = member.default
    if member is members()["name"]:
        return "the file's"
    if member.needed:
        return "*needed*"
    if default in (None, "", ()) or member.table is not None:
        return ""
    if isinstance(default, tuple):
        return "all"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f'`"{default}"`' if isinstance(default, str | StrEnum) else f"`{default:g}`"
