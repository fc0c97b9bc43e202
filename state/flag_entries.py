"""The values of the flags' store and what may be asked of it, checked alike for both twins.

Above stand `flags`, `memory_flags` and `flag_steps`; below are `flag_shapes`, what callers hand over, and `entries`,
for what text any store can hold.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from state.entries import check_key, check_text
from state.flag_shapes import Row, Write

NOTICES_KEPT: Final = 10_000
"""Rows of the outbox looked back on; older ones are pruned once they are delivered or failed."""

YEAR_10000: Final = 253_402_300_800
"""Seconds since the Unix epoch from which on ISO 8601 has no four-digit year."""

STATES: Final = ("pending", "delivered", "failed")
"""What may become of a notice."""


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One flag as it is stored.

    Attributes:
        key: the flag.
        value: its value as JSON text; the default's while nobody set one.
        is_set: whether somebody set the value.
        targeting: its targeting as JSON text, None without one.
        salt: what its buckets are salted with.
        hash_version: version of the hash its buckets are made with.
    """

    key: str
    value: str
    is_set: bool
    targeting: str | None
    salt: str
    hash_version: int

    @classmethod
    def checked(cls, row: Row) -> Self:
        """Copy and check what a caller hands over.

        Raises:
            ValueError: a part of it cannot be stored.
        """
        check_key(row.key)
        check_json(f"the value of {row.key!r}", row.value)
        if row.targeting is not None:
            check_json(f"the targeting of {row.key!r}", row.targeting)
        check_text(f"the salt of {row.key!r}", row.salt)
        return cls(row.key, row.value, bool(row.is_set), row.targeting, row.salt, int(row.hash_version))

    def plain(self) -> str:
        """Return the value as `settings` has it: text as it is, anything else as JSON."""
        try:
            value = json.loads(self.value)
        except ValueError:  # somebody edited the file; whoever reads the flag says so
            return self.value
        return value if isinstance(value, str) else self.value


@dataclass(frozen=True, slots=True)
class FlagWrite:
    """One change of flags; a copy of its own, which no caller can edit afterwards.

    Attributes:
        rows: the flags as they shall be.
        delete: flags to forget.
        actor: who asks.
        at: seconds since the Unix epoch.
        reason: why, in the actor's words.
        cause: what made it happen, such as `person`, `timer` or `rollback`.
        action: what the audit calls it.
        expect_version: the flags version it was decided on, None for any.
        above: the new version is above this one, too.
        revision: revision of the routing table, for the audit.
        destinations: names of those who are sent a notice of each change.
        told: what the history says of flags that answer something else than is stored, before and after; of one whose
            row is written only the first counts.
        reasons: why single flags change, where that is not `reason`.
    """

    rows: tuple[FlagRow, ...]
    delete: frozenset[str]
    actor: str
    at: float
    reason: str
    cause: str
    action: str
    expect_version: int | None
    above: int
    revision: int
    destinations: tuple[str, ...]
    told: Mapping[str, tuple[FlagRow, FlagRow]]
    reasons: Mapping[str, str]

    @classmethod
    def checked(cls, write: Write) -> Self:
        """Copy and check what a caller hands over.

        Raises:
            ValueError: a part of it cannot be stored, or a flag is named twice.
        """
        rows = tuple(FlagRow.checked(row) for row in write.rows)
        named = [*(row.key for row in rows), *frozenset(write.delete)]
        if twice := next((key for key, times in Counter(named).items() if times > 1), None):
            raise ValueError(f"{twice!r} is named twice in one write; decide for one")
        if not 0 <= write.at < YEAR_10000:
            raise ValueError(f"a write at {write.at} has no date; give seconds since the Unix epoch")
        for name in ("actor", "reason", "cause", "action"):
            check_text(f"the {name}", getattr(write, name))
        for key in (*write.delete, *write.destinations):
            check_key(key)
        for key, reason in write.reasons.items():
            check_text(f"the reason of {key!r}", reason)
        return cls(
            rows,
            frozenset(write.delete),
            write.actor,
            float(write.at),
            write.reason,
            write.cause,
            write.action,
            write.expect_version,
            write.above,
            write.revision,
            tuple(dict.fromkeys(write.destinations)),
            {key: (FlagRow.checked(before), FlagRow.checked(after)) for key, (before, after) in write.told.items()},
            dict(write.reasons),
        )

    def reason_of(self, key: str) -> str:
        """Return why a flag changes."""
        return self.reasons.get(key, self.reason)

    @property
    def keys(self) -> tuple[str, ...]:
        """The flags it is about, in key order."""
        return tuple(sorted((*(row.key for row in self.rows), *self.delete)))


@dataclass(frozen=True, slots=True)
class StoredFlags:
    """All flags at one version.

    Attributes:
        version: the flags version; 0 before the first write.
        at: when it was written, seconds since the Unix epoch; 0.0 for version 0.
        rows: the flags in key order.
        strays: rows of `settings` that no write of ours left so: key to text.
        missing: flags whose row of `settings` somebody took away.
    """

    version: int
    at: float
    rows: tuple[FlagRow, ...]
    strays: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FlagChange:
    """One flag's part in one write.

    Attributes:
        seq: number of the change, increasing.
        version: the flags version that it made.
        key: the flag.
        before: the flag as it was, None when it was not stored.
        after: the flag as it is from then on, None when it was forgotten.
        actor: who asked.
        reason: why.
        cause: what made it happen.
        at: seconds since the Unix epoch.
    """

    seq: int
    version: int
    key: str
    before: FlagRow | None
    after: FlagRow | None
    actor: str
    reason: str
    cause: str
    at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """What one destination is to be told about one change.

    Attributes:
        seq: number of the row, increasing.
        id: name of the delivery, the same at every try.
        destination: name of the destination.
        flag: the flag.
        payload: what is told, JSON text.
        created: when the change was made, seconds since the Unix epoch.
        state: one of `STATES`.
        attempts: tries so far.
        due: while pending when to try (again), else when it ended.
        error: what the last try met.
    """

    seq: int
    id: str
    destination: str
    flag: str
    payload: str
    created: float
    state: str = "pending"
    attempts: int = 0
    due: float = 0.0
    error: str = ""


def check_json(name: str, text: str) -> None:
    """Refuse text that is no JSON, or none that every reader understands (NaN, lone surrogates).

    Raises:
        ValueError: it is not.
    """
    check_text(name, text)
    try:
        json.dumps(json.loads(text, parse_constant=_no_constant), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        raise ValueError(f"{name} is no JSON text ({error}); encode it first") from error


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not allowed")


def check_state(state: str) -> None:
    """Refuse what no notice can become.

    Raises:
        ValueError: it is none of `STATES`.
    """
    if state not in STATES:
        raise ValueError(f"a notice is never {state!r}; allowed: {', '.join(STATES)}")


def check_moment(version: int | None, seconds: float | None) -> None:
    """Refuse a moment that is named not at all, twice, or impossibly.

    Raises:
        ValueError: it is.
    """
    if (version is None) == (seconds is None):
        raise ValueError("name one moment: either a flags version or a time")
    if version is not None and version < 0:
        raise ValueError(f"there is no flags version {version}; they begin at 0, before the first write")
    if seconds is not None and math.isnan(seconds):
        raise ValueError("nan is no time; give seconds since the Unix epoch")


def check_page(limit: int) -> None:
    """Refuse a page that shows nothing.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"a page of {limit} rows shows nothing; ask for at least 1")
