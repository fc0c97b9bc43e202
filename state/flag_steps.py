"""What a write of flags comes to: its version, its changes, its audit row and its notices, as values.

A pure function of what is stored and what is asked, so that both twins store the same.  Above stand `flags` and
`memory_flags`; below are the values of `flag_entries`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from state.entries import check_key
from state.flag_entries import FlagRow, FlagWrite

EVENT: Final = "flag.changed"
"""What a notice calls itself."""

NewId = Callable[[], str]
"""Makes a name that nothing else has."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One flag before and after; not both None, and never alike."""

    key: str
    before: FlagRow | None
    after: FlagRow | None


@dataclass(frozen=True, slots=True)
class NewNotice:
    """One row for the outbox.

    Attributes:
        id: name of the delivery.
        destination: name of the destination.
        flag: the flag.
        payload: JSON text.
    """

    id: str
    destination: str
    flag: str
    payload: str


@dataclass(frozen=True, slots=True)
class FlagStep:
    """All that one write stores.

    Attributes:
        version: the new flags version.
        changes: what is different, in key order.
        detail: the audit row's detail.
        notices: what is to be told, in order.
    """

    version: int
    changes: tuple[Changed, ...]
    detail: Mapping[str, Any]
    notices: tuple[NewNotice, ...]


def step_of(write: FlagWrite, version: int, found: Mapping[str, FlagRow], new_id: NewId) -> FlagStep | None:
    """Say what a write comes to.

    Args:
        write: what is asked.
        version: the present flags version.
        found: the stored rows, at least those of `write.keys`.
        new_id: names each notice.

    Returns:
        The step, None when the write expects another version.
    """
    if write.expect_version is not None and write.expect_version != version:
        return None
    new_version = max(version, write.above) + 1
    wanted = {row.key: row for row in write.rows}
    changes = tuple(_changes(write, found, wanted))
    detail = {
        "flags_version": new_version,
        "cause": write.cause,
        "changes": [{"flag": change.key, **_from_to(change), "fields": sorted(_diff(change))} for change in changes],
    }
    return FlagStep(new_version, changes, detail, tuple(_notices(write, new_version, changes, new_id)))


def _changes(write: FlagWrite, found: Mapping[str, FlagRow], wanted: Mapping[str, FlagRow]) -> Iterator[Changed]:
    """Yield what is different, in key order; what a flag answered goes before what was stored of it."""
    written = frozenset(write.keys)
    for key in sorted(written.union(write.told)):
        if key not in written:
            yield Changed(key, *write.told[key])
        elif (stored := found.get(key)) != wanted.get(key):
            yield Changed(key, write.told[key][0] if key in write.told else stored, wanted.get(key))


def notice_of(flag: str, told: Mapping[str, Any], destination: str, name: str) -> NewNotice:
    """Return a notice that comes with no change.

    Raises:
        ValueError: a part of it cannot be stored.
    """
    check_key(flag)
    check_key(destination)
    return NewNotice(name, destination, flag, json.dumps({"id": name, **told}, separators=(",", ":"), allow_nan=False))


def iso(at: float) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds, such as 2027-01-15T08:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row_text(row: FlagRow | None) -> str | None:
    """Return a row as the history keeps it."""
    return None if row is None else compact(asdict(row))


def row_from(text: str | None) -> FlagRow | None:
    """Return a row as the history kept it.

    Raises:
        ValueError: somebody edited it, and it is none any more; likewise TypeError.
    """
    return None if text is None else FlagRow(**json.loads(text))


def compact(value: Mapping[str, Any]) -> str:
    """Return JSON text without needless spaces."""
    return json.dumps(value, separators=(",", ":"))


def _notices(write: FlagWrite, version: int, changes: tuple[Changed, ...], new_id: NewId) -> Iterator[NewNotice]:
    for change in changes:
        for destination in write.destinations:
            name = new_id()
            told = {
                "id": name,
                "event": EVENT,
                "flag": change.key,
                **_from_to(change),
                "version": version,
                "at": iso(write.at),
                "actor": write.actor,
                "reason": write.reason_of(change.key),
                "cause": write.cause,
                "diff": _diff(change),
            }
            yield NewNotice(name, destination, change.key, compact(told))


def _from_to(change: Changed) -> dict[str, Any]:
    return {"from": _part(change.before, "value"), "to": _part(change.after, "value")}


_PARTS: Final = {"value": "value", "is_set": "set", "targeting": "targeting", "salt": "salt", "hash_version": "hash"}
"""A row's parts, and what a diff calls them."""


def _diff(change: Changed) -> dict[str, Any]:
    """Return each part that is different, with its sides."""
    sides = {name: (_part(change.before, part), _part(change.after, part)) for part, name in _PARTS.items()}
    return {name: {"from": old, "to": new} for name, (old, new) in sides.items() if old != new}


def _part(row: FlagRow | None, part: str) -> Any:
    """Return one part of a row as JSON has it, None where there is no row."""
    found = None if row is None else getattr(row, part)
    if part not in {"value", "targeting"} or found is None:
        return found
    try:
        return json.loads(found)
    except ValueError:  # somebody edited the file; the text says what was there
        return found
