"""Flags that another registry brings down to their safe values, and back: what the history is told of it, pure.

What was set stays stored, so that it counts again once the registry allows it.  Meanwhile the flag answers its safe
value, and the history has that as a change.  Above: `book`.  Below: `domain.flags.flags`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.flags import FlagSet, stored_flaws
from orchestrator.domain.flags.records import FlagRow

Rows = Mapping[str, FlagRow]
NAMED: Final = 5
"""Flags that a reason names."""


class Before(NamedTuple):
    """How things stand before a write.

    Attributes:
        stored: every flag as it is stored.
        fallen: what the history has of those that answer something else.
    """

    stored: Rows
    fallen: Rows


def fallen(registry: Registry, flags: FlagSet, rows: Rows) -> dict[str, FlagRow]:
    """Return what flags answer that cannot answer what is stored of them, as rows.

    Args:
        registry: what is declared.
        flags: the flags as they shall be.
        rows: the same as they are stored.
    """
    beyond_use = {*registry.invalid, *stored_flaws(registry, flags)}
    safe = {key: _safe(registry, key, rows[key]) for key in beyond_use if key in rows}
    return {key: row for key, row in safe.items() if (row.value, row.targeting) != _answer(rows[key])}


def after_write(
    registry: Registry,
    after: FlagSet,
    before: Before,
    written: Mapping[str, FlagRow | None],
    only: Collection[str] | None,
) -> dict[str, FlagRow]:
    """Return what `fallen` does once a write is done.

    Args:
        registry: what is declared.
        after: the flags as they shall be.
        before: how things stand before the write.
        written: rows that are written, None for those that are forgotten.
        only: the flags that the write is about, None for all; what it costs grows with these.
    """
    if only is None:
        rows = {key: row for key, row in {**before.stored, **written}.items() if row is not None}
        return fallen(registry, after, rows)
    fresh = {key: row for key, row in written.items() if row is not None}
    others = {key: row for key, row in before.fallen.items() if key not in only}
    few = FlagSet(after.version, {key: after.state(key) for key in fresh})
    return others | fallen(registry, few, fresh)


def told(before: Before, now: Rows, written: Collection[str]) -> dict[str, tuple[FlagRow, FlagRow]]:
    """Return what the history is to have beside what is written: each flag before and after.

    Args:
        before: how things stand before the write.
        now: what `after_write` gave.
        written: keys whose rows are written or forgotten; of these only the beginning is told.
    """
    return dict(_told(before, now, written))


def _told(before: Before, now: Rows, written: Collection[str]) -> Iterator[tuple[str, tuple[FlagRow, FlagRow]]]:
    for key in sorted({*before.fallen, *now} & set(before.stored)):
        stored = before.stored[key]
        was, is_now = before.fallen.get(key, stored), now.get(key, stored)
        if (key in before.fallen) if key in written else was != is_now:
            yield key, (was, is_now)


def whys(registry: Registry, flags: FlagSet, keys: Collection[str]) -> dict[str, str]:
    """Say of some flags why they answer their safe values."""
    found = {**stored_flaws(registry, flags), **registry.invalid}
    return {key: registry.fall_of(key, found[key]) for key in sorted(keys)}


def because(reason: str, whys: Iterable[str]) -> str:
    """Return a reason with what it does to flags, as `whys` has it."""
    said = list(whys)
    more = [f"and {len(said) - NAMED} more"] if len(said) > NAMED else []
    return "; ".join([*filter(None, [reason]), *said[:NAMED], *more])


def _safe(registry: Registry, key: str, row: FlagRow) -> FlagRow:
    text = json.dumps(registry.safe_of(key), ensure_ascii=False, separators=(",", ":"))
    return replace(row, value=text, is_set=True, targeting=None)


def _answer(row: FlagRow) -> tuple[str, str | None]:
    return row.value, row.targeting
