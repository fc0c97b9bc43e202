"""What passes between the flags and their store: rows, writes, changes, notices.

Values that a caller makes are dataclasses; those that it only reads are interfaces, which `state` fits by structure.
Above: `ports.FlagStore`.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class StoredFlag(Protocol):
    """One flag as it is stored; `FlagRow` is what a caller makes."""

    @property
    def key(self) -> str:
        """The flag."""

    @property
    def value(self) -> str:
        """Its value as JSON text; the default's while nobody set one."""

    @property
    def is_set(self) -> bool:
        """Whether somebody set the value; False: it follows the declared default."""

    @property
    def targeting(self) -> str | None:
        """Its targeting as JSON text, None without one."""

    @property
    def salt(self) -> str:
        """What its buckets are salted with."""

    @property
    def hash_version(self) -> int:
        """Version of the hash its buckets are made with."""


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One flag as it is to be stored; see `StoredFlag`.

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


@dataclass(frozen=True, slots=True)
class FlagWrite:
    """One change of flags, stored whole or not at all, under the next flags version.

    Attributes:
        rows: the flags as they shall be; those that are the same already make no change.
        actor: who asks.
        at: seconds since the Unix epoch.
        reason: why, in the actor's words.
        cause: what made it happen: `person`, `timer`, `rollback`, `registry`, ...
        action: what the audit calls it.
        delete: flags to forget, such as those no longer declared.
        expect_version: the flags version this was decided on; another one refuses the write.  None: whatever it is.
        above: the new version is above this one, too: what readers saw before a damaged database was begun anew.
        revision: revision of the routing table, for the audit.
        destinations: names of those who are sent a notice of each change.
        told: what the history has to say of flags that answer something else than is stored: before and after. Of one
            whose row is written only the first counts.
        reasons: why single flags change, where that is not `reason`: in the history and in notices.
    """

    rows: Sequence[StoredFlag]
    actor: str
    at: float
    reason: str = ""
    cause: str = "person"
    action: str = "flags set"
    delete: Collection[str] = ()
    expect_version: int | None = None
    above: int = 0
    revision: int = 0
    destinations: Sequence[str] = ()
    told: Mapping[str, tuple[StoredFlag, StoredFlag]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class StoredFlags(Protocol):
    """All flags at one version."""

    @property
    def version(self) -> int:
        """The flags version; 0 before the first write."""

    @property
    def at(self) -> float:
        """When it was written, seconds since the Unix epoch; 0.0 for version 0."""

    @property
    def rows(self) -> Sequence[StoredFlag]:
        """The flags in key order."""

    @property
    def strays(self) -> Mapping[str, str]:
        """Rows of `settings` that no write of ours left so (edited by hand, or of a former program): key to text."""

    @property
    def missing(self) -> Collection[str]:
        """Flags whose row of `settings` somebody took away."""


class FlagChange(Protocol):
    """One flag's part in one write."""

    @property
    def seq(self) -> int:
        """Number of the change, increasing; pages of the history end at one."""

    @property
    def version(self) -> int:
        """The flags version that it made."""

    @property
    def key(self) -> str:
        """The flag."""

    @property
    def before(self) -> StoredFlag | None:
        """The flag as it was, None when it was not stored."""

    @property
    def after(self) -> StoredFlag | None:
        """The flag as it is from then on, None when it was forgotten."""

    @property
    def actor(self) -> str:
        """Who asked."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def cause(self) -> str:
        """What made it happen, such as `person` or `timer`."""

    @property
    def at(self) -> float:
        """When, seconds since the Unix epoch."""


class Notice(Protocol):
    """What one destination is to be told about one change; a row of the outbox."""

    @property
    def seq(self) -> int:
        """Number of the row, increasing."""

    @property
    def id(self) -> str:
        """Name of the delivery, the same at every try; nothing else ever has it."""

    @property
    def destination(self) -> str:
        """Name of the destination; its address and secrets are never stored."""

    @property
    def flag(self) -> str:
        """The flag; the notices of one flag to one destination are delivered in order."""

    @property
    def payload(self) -> str:
        """What is told, JSON text."""

    @property
    def created(self) -> float:
        """When the change was made, seconds since the Unix epoch."""

    @property
    def state(self) -> str:
        """One of `pending`, `delivered`, `failed`."""

    @property
    def attempts(self) -> int:
        """Tries so far."""

    @property
    def due(self) -> float:
        """While pending: when to try (again), else when it ended; seconds since the Unix epoch."""

    @property
    def error(self) -> str:
        """What the last try met; empty when it met nothing."""
