"""Between the store's rows and the domain's values: pure.

Above: `service`.  Below: `domain.flags.flags` and `domain.flags.records`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.domain.flags.declaration import Declaration, Registry
from orchestrator.domain.flags.flags import FlagSet, FlagState, alike, stored_flaws
from orchestrator.domain.flags.records import FlagChange, FlagRow, StoredFlag, StoredFlags
from orchestrator.domain.flags.values import Value, same
from orchestrator.flags.told import AsOf, Difference, Remembered


def row_of(declaration: Declaration, state: FlagState) -> FlagRow:
    """Return a flag as it is to be stored."""
    value = declaration.default if state.value is None else state.value
    return FlagRow(
        key=declaration.key,
        value=_text(value),
        is_set=state.value is not None,
        targeting=None if state.targeting is None else _text(state.targeting),
        salt=state.salt,
        hash_version=state.hash_version,
    )


def state_of(row: StoredFlag) -> FlagState:
    """Return what a stored row says; text that somebody broke becomes NaN, which no flag may be: it is then invalid."""
    value = _read(row.value) if row.is_set else None
    return FlagState(value, targeting_of(row), row.salt, row.hash_version)


def flags_of(stored: StoredFlags) -> FlagSet:
    """Return the stored flags."""
    return FlagSet(stored.version, {row.key: state_of(row) for row in stored.rows})


def targeting_of(row: StoredFlag | None) -> Mapping[str, Any] | None:
    """Return a stored flag's targeting; broken text becomes one that cannot be used, so that the flag is invalid."""
    if row is None or row.targeting is None:
        return None
    read = _read(row.targeting)
    return read if isinstance(read, dict) else {"unreadable": row.targeting}


def rows_for(registry: Registry, flags: FlagSet, keys: Iterable[str]) -> list[FlagRow]:
    """Return the rows of declared flags."""
    return [row_of(registry.declarations[key], flags.state(key)) for key in keys if key in registry.declarations]


def differences(registry: Registry, before: FlagSet, after: FlagSet) -> Iterator[Difference]:
    """Yield what differs between two sets of flags under one registry, in its order."""
    for key, declaration in registry.declarations.items():
        old, new = before.state(key), after.state(key)
        if not alike(old, new):
            one, targeting = _answer(declaration, old, flawed=_is_flawed(registry, key, old))
            other, targeting_now = _answer(declaration, new, flawed=_is_flawed(registry, key, new))
            yield Difference(key, one, other, targeting, targeting_now)


def redeclared(old: Registry, new: Registry, flags: FlagSet) -> Iterator[Difference]:
    """Yield the flags whose value or targeting another registry changes: new ones, other defaults, those that go."""
    flaws, flaws_now = stored_flaws(old, flags), stored_flaws(new, flags)
    for key in dict.fromkeys((*new.declarations, *old.declarations)):
        state = flags.state(key)
        before, targeting = _answer(old.declarations.get(key), state, flawed=key in flaws)
        after, targeting_now = _answer(new.declarations.get(key), state, flawed=key in flaws_now)
        if not same(before, after) or targeting != targeting_now:
            yield Difference(key, before, after, targeting, targeting_now)


def copied(row: StoredFlag) -> FlagRow:
    """Return a row as a value that can be compared."""
    return FlagRow(row.key, row.value, row.is_set, row.targeting, row.salt, row.hash_version)


def difference_of_rows(key: str, before: StoredFlag | None, after: StoredFlag | None) -> Difference:
    """Return what differs between two rows of one flag."""
    old, new = (None if row is None else _read(row.value) for row in (before, after))
    return Difference(key, old, new, targeting_of(before), targeting_of(after))


def remembered(change: FlagChange) -> Remembered:
    """Return one change of the history."""
    what = difference_of_rows(change.key, change.before, change.after)
    return Remembered(
        seq=change.seq,
        version=change.version,
        key=change.key,
        before=what.before,
        after=what.after,
        targeting_before=what.targeting_before,
        targeting_after=what.targeting_after,
        actor=change.actor,
        reason=change.reason,
        cause=change.cause,
        at=change.at,
    )


def as_of(stored: StoredFlags) -> AsOf:
    """Return the flags as they stood once."""
    values = {row.key: _read(row.value) for row in stored.rows}
    targeting = {row.key: read for row in stored.rows if (read := targeting_of(row)) is not None}
    return AsOf(stored.version, stored.at, values, targeting)


def _is_flawed(registry: Registry, key: str, state: FlagState) -> bool:
    return bool(stored_flaws(registry, FlagSet(0, {key: state})))


def _answer(
    declaration: Declaration | None, state: FlagState, *, flawed: bool
) -> tuple[Value | None, Mapping[str, Any] | None]:
    """Return a flag's value and targeting under a declaration; one that does not go with it answers its safe value."""
    if declaration is None:
        return None, None
    return (declaration.safe, None) if flawed else (_value(declaration, state), state.targeting)


def _value(declaration: Declaration, state: FlagState) -> Value:
    return declaration.default if state.value is None else state.value


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return math.nan
