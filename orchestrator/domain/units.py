"""What one bet is about: the first calls of one key, or one call.

Keys are what is assigned at random, calls are not: a key that is slow today stays slow, and its hundredth call says
nothing new about the version that serves it.  So each key counts once an epoch, by its first calls, and only then.
Calls of a tool that is assigned call by call are units themselves.

Above: the guard, which feeds samples in.  Below: `evidence` for the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.domain.evidence import Unit

CALLS_IN_A_BLOCK: Final = 5
"""Calls of a key after which its block closes: enough to calm a single one, few enough to hear of many keys soon."""

BLOCK_SECONDS: Final = 60.0
"""Seconds after a key's first call at which its block closes with what it has; keys that call rarely count, too."""


@dataclass(slots=True)
class Block:
    """The calls of one key that count.

    Attributes:
        canary: who serves the key.
        share: probability with which the canary was to serve it.
        opened: when its first call was accepted, seconds.
        values: what was measured, oldest first.
    """

    canary: bool
    share: float
    opened: float
    values: list[float] = field(default_factory=list)

    def unit(self) -> Unit:
        """Return the whole block as one unit: its mean."""
        return Unit(self.canary, sum(self.values) / len(self.values), self.share)


class Blocks:
    """Gathers one metric's samples of an epoch, in which the share stays the same, into one unit for each key."""

    def __init__(self, share: float, *, calls: int = CALLS_IN_A_BLOCK, seconds: float = BLOCK_SECONDS) -> None:
        """Begin an epoch.

        Args:
            share: probability with which a key is the canary's: the weight / 100.
            calls: calls after which a block closes.
            seconds: seconds after which it closes with fewer.
        """
        self._share = share
        self._calls = calls
        self._seconds = seconds
        self._open: dict[str, Block] = {}
        self._done: set[str] = set()
        self._counted = [0, 0]

    def counted(self, *, canary: bool) -> int:
        """Return how many keys of an arm have become units."""
        return self._counted[canary]

    def sample(self, key: str, value: float, now: float, *, canary: bool) -> Unit | None:
        """Take in a call of a key; return the unit that is complete with it.

        A key that was moved to the other arm meanwhile is left out from then on: its block would mix both.

        Args:
            key: the assignment key.
            value: what was measured.
            now: when the call was accepted, seconds of any clock that all calls share.
            canary: who served the call.
        """
        if key in self._done:
            return None
        block = self._open.setdefault(key, Block(canary, self._share, now))
        if block.canary is not canary:
            del self._open[key]
            self._done.add(key)
            return None
        block.values.append(value)
        return self._close(key) if len(block.values) >= self._calls else None

    def expire(self, now: float) -> Iterator[Unit]:
        """Close the blocks whose time is over and give their units, oldest first."""
        late = [key for key, block in self._open.items() if now - block.opened >= self._seconds]
        return (self._close(key) for key in late)

    def _close(self, key: str) -> Unit:
        block = self._open.pop(key)
        self._done.add(key)
        self._counted[block.canary] += 1
        return block.unit()
