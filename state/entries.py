"""The values of the desired state and what may be asked of it, checked alike for both twins.

Above stand `desired`, `memory` and `watching`; nothing is below.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

CHANGES_KEPT = 10_000
"""Store revisions whose changes stay readable for a watch; a daemon on one machine makes a few a minute."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One key as it was stored.

    Attributes:
        key: the key.
        value: JSON text; None in a watch when the key was deleted.
        created: store revision at which the key was created.
        modified: store revision of this change.
    """

    key: str
    value: str | None
    created: int
    modified: int


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction expects and writes; a copy of its own, which no caller can edit afterwards.

    Attributes:
        put: keys to set.
        delete: keys to remove.
        expect: key -> `modified` revision it must have, 0 for absent.
        expect_created: key -> `created` revision it must have, 0 for absent.
    """

    put: Mapping[str, str]
    delete: frozenset[str]
    expect: Mapping[str, int]
    expect_created: Mapping[str, int]

    @classmethod
    def checked(
        cls,
        put: Mapping[str, str],
        delete: Collection[str],
        expect: Mapping[str, int] | None,
        expect_created: Mapping[str, int] | None,
    ) -> Self:
        """Copy and check what a caller asks for.

        Raises:
            ValueError: a key or value cannot be stored, or a key is both put and deleted.
        """
        change = cls(dict(put), frozenset(delete), dict(expect or {}), dict(expect_created or {}))
        for key in (*change.put, *change.delete):
            check_key(key)
        for key, value in change.put.items():
            check_text(f"the value of {key!r}", value)
        if both := sorted(change.delete & change.put.keys()):
            raise ValueError(f"{both[0]!r} is both put and deleted in one transaction; decide for one")
        return change

    def holds(self, found: Mapping[str, StoredEntry | None]) -> bool:
        """Say whether every expectation holds; `found` has an answer for each of `expected`."""
        return all(_number(found[key], "modified") == revision for key, revision in self.expect.items()) and all(
            _number(found[key], "created") == revision for key, revision in self.expect_created.items()
        )

    @property
    def expected(self) -> frozenset[str]:
        """The keys that `holds` must be told about."""
        return frozenset((*self.expect, *self.expect_created))


def _number(entry: StoredEntry | None, which: str) -> int:
    return 0 if entry is None else int(getattr(entry, which))


def check_key(key: str) -> None:
    """Refuse a key that not every store can hold.

    Raises:
        ValueError: it is empty, has a NUL character or is not valid Unicode.
    """
    if not key or "\0" in key:
        raise ValueError(f"{key!r} cannot be a key; it must be non-empty and without NUL characters")
    check_text("a key", key)


def check_text(name: str, text: str) -> None:
    """Refuse text that cannot be written as UTF-8.

    Raises:
        ValueError: it has lone surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not valid Unicode ({error.reason}); decode it properly first") from error


def check_ttl(ttl: float) -> None:
    """Refuse a lease that would lapse before it is held.

    Raises:
        ValueError: `ttl` is not a positive number of seconds.
    """
    if not ttl > 0:
        raise ValueError(f"a lease of {ttl} s is never held; give a positive number of seconds")
