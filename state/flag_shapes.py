"""What callers of the flags' store hand over, as interfaces: their values are their own and fit by structure.

Above stands `flag_entries`, which copies and checks them; nothing is below.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class Row(Protocol):
    """A flag; `flag_entries.FlagRow` is our own."""

    @property
    def key(self) -> str:
        """The flag."""

    @property
    def value(self) -> str:
        """Its value, JSON text."""

    @property
    def is_set(self) -> bool:
        """Whether somebody set it."""

    @property
    def targeting(self) -> str | None:
        """JSON text, or None."""

    @property
    def salt(self) -> str:
        """What its buckets are salted with."""

    @property
    def hash_version(self) -> int:
        """Version of its buckets' hash."""


class Write(Protocol):
    """A write; `flag_entries.FlagWrite` is our own."""

    @property
    def rows(self) -> Sequence[Row]:
        """The flags as they shall be."""

    @property
    def actor(self) -> str:
        """Who asks."""

    @property
    def at(self) -> float:
        """Seconds since the Unix epoch."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def cause(self) -> str:
        """What made it happen."""

    @property
    def action(self) -> str:
        """What the audit calls it."""

    @property
    def delete(self) -> Collection[str]:
        """Flags to forget."""

    @property
    def expect_version(self) -> int | None:
        """The version it was decided on, None for any."""

    @property
    def above(self) -> int:
        """A version that the new one is above, too."""

    @property
    def revision(self) -> int:
        """Revision of the routing table."""

    @property
    def destinations(self) -> Sequence[str]:
        """Who is sent a notice of each change."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why single flags change, where that is not `reason`."""

    @property
    def told(self) -> Mapping[str, tuple[Row, Row]]:
        """What the history says of flags that answer something else than is stored: before and after."""
