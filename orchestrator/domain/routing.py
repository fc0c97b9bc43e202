"""The routing table and the one function that reads it.

A table is replaced whole and never edited, so whoever holds one sees one consistent answer; its revision strictly
increases and every routing decision can name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

BUCKETS = 10_000
"""Resolution of a weight: a hundredth of a percent, so a later finer weight moves nobody it need not."""
ALL = 100
"""The weight, in percent, that takes every key."""


class Lane(StrEnum):
    """Where a generation stands in routing."""

    ACTIVE = "active"
    CANARY = "canary"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Who serves what, as one immutable value.

    Attributes:
        revision: strictly increasing number of this table.
        active: generation that serves by default; None only before the first generation is founded.
        canary: generation under trial, if any.
        previous: generation that was active before the last switch and stays warm, if any.
        weight: percent (0-100) of assignment keys that go to the canary.
        kill_switch: while True everything goes to `previous` if it is warm, else to `active`.
        previous_warm: whether `previous` has a ready process.
        salt: mixed into every assignment key; changed with each new canary so that nobody is always first.
        always: assignment keys that are the canary's at any weight; `*` at the end stands for any rest.
        new_by: attribute with the instant a key began at: the weight takes only keys that began after `new_since`; ""
            for all keys.
        new_since: Unix seconds.
    """

    revision: int = 0
    active: int | None = None
    canary: int | None = None
    previous: int | None = None
    weight: int = 0
    kill_switch: bool = False
    previous_warm: bool = False
    salt: str = ""
    always: tuple[str, ...] = ()
    new_by: str = ""
    new_since: float = 0.0

    @property
    def is_split(self) -> bool:
        """Whether it depends on the call who serves it."""
        return bool(self.weight or self.kill_switch or self.always)

    def lanes(self) -> dict[Lane, int]:
        """Return the lanes that are held and by which generation."""
        held = {Lane.ACTIVE: self.active, Lane.CANARY: self.canary, Lane.PREVIOUS: self.previous}
        return {lane: generation for lane, generation in held.items() if generation is not None}

    def lane_of(self, generation: int) -> Lane | None:
        """Return the lane that `generation` holds, None if it holds none."""
        return next((lane for lane, number in self.lanes().items() if number == generation), None)


class Choice(NamedTuple):
    """One routing decision: the generation, and the lane it was chosen for."""

    generation: int | None
    lane: Lane


def bucket(key: str, salt: str) -> int:
    """Place an assignment key in one of `BUCKETS` buckets, evenly and for ever (for one salt)."""
    digest = blake2b(key.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def choose(table: RoutingTable, key: str, attributes: Mapping[str, Any] | None = None) -> Choice:
    """Decide which generation serves an assignment key.

    Monotone: raising the weight only ever moves keys from active to canary, lowering it only back.

    Args:
        table: the table to read.
        key: the assignment key.
        attributes: what the call says of its subject; only a table with `new_by` looks at them.
    """
    if table.kill_switch:
        if table.previous is not None and table.previous_warm:
            return Choice(table.previous, Lane.PREVIOUS)
        return Choice(table.active, Lane.ACTIVE)
    if table.canary is not None and (_is_always(table, key) or _is_drawn(table, key, attributes)):
        return Choice(table.canary, Lane.CANARY)
    return Choice(table.active, Lane.ACTIVE)


def chance(table: RoutingTable, key: str, attributes: Mapping[str, Any] | None = None) -> float | None:
    """Return the probability with which a key is the canary's, None while keys are not told apart.

    It is 1 for a key that always is, and 0 for one that the weight does not take: neither is drawn, so neither tells
    what the canary does by itself.

    Args:
        table: the table to read.
        key: the assignment key.
        attributes: what the call says of its subject; only a table with `new_by` looks at them.
    """
    partial = 0 < table.weight < ALL or (table.weight and table.new_by) or (table.always and table.weight < ALL)
    if not partial or table.canary is None or table.kill_switch:
        return None
    if table.always and _is_always(table, key):
        return 1.0
    return 0.0 if table.new_by and not is_new(table, attributes) else table.weight / ALL


def _is_always(table: RoutingTable, key: str) -> bool:
    return any(key.startswith(one[:-1]) if one.endswith("*") else key == one for one in table.always)


def _is_drawn(table: RoutingTable, key: str, attributes: Mapping[str, Any] | None) -> bool:
    if not table.weight or (table.new_by and not is_new(table, attributes)):
        return False
    return bucket(key, table.salt) < table.weight * (BUCKETS // 100)


def is_new(table: RoutingTable, attributes: Mapping[str, Any] | None) -> bool:
    """Tell whether a subject began after the table's instant; one that does not say when is an old one."""
    began = attributes.get(table.new_by) if attributes is not None else None
    if isinstance(began, int | float) and not isinstance(began, bool):
        return began > table.new_since
    try:
        instant = datetime.fromisoformat(began) if isinstance(began, str) else None
    except ValueError:
        return False
    return instant is not None and instant.tzinfo is not None and instant.timestamp() > table.new_since
