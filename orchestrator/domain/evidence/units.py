"""What one bet is about: the first calls of one key, or one call.

Keys are what is assigned at random, calls are not: a key that is slow today stays slow, and its hundredth call says
nothing new about the version that serves it.  So each key counts once, by its first calls, and only then.  Where nearly
every call brings a key of its own, and for calls without a key, which are assigned one by one, each call is a unit.

When a block closes depends on how many calls there are and when, never on what they gave or who served them.  Above:
the guard, which puts into a block what its limits need.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zlib import crc32

import msgspec

CALLS_IN_A_BLOCK: Final = 5
"""Calls of a key after which its block closes: enough to calm a single one, few enough to hear of many keys soon."""

BLOCK_SECONDS: Final = 60.0
"""Seconds after a key's first call at which its block closes with what it has; keys that call rarely count, too."""

KEYS_KNOWN: Final = 20
"""Keys that must have called before it is said that they hardly ever call twice."""
CALLS_OF_A_PASSER: Final = 1.5
"""Calls a key makes on average below which nobody waits for its next one."""

MOST_OPEN: Final = 128
"""Blocks that are open at a time; the oldest one closes early for the next: with so many keys each needs few calls."""

MOST_KEYS: Final = 8192
"""Keys that are remembered as counted.  Then all are forgotten and may count again, in new purses (`betting`)."""


class Block(msgspec.Struct, omit_defaults=True):
    """The calls of one key that count.

    Attributes:
        trial: whether the key has what is on trial.
        share: probability with which it was to have it.
        opened: when its first call came, seconds.
        sums: what limits add up over its calls, each at places of its own.
        calls: how many there were.
        alone: whether it was complete with its first call, so that nothing has to be added up.
    """

    trial: bool
    share: float
    opened: float
    sums: list[float]
    calls: int = 0
    alone: bool = False


class Blocks(msgspec.Struct):
    """The keys of an epoch, and which of their calls count.

    Attributes:
        width: how many sums a block has.
        seconds: after which a block closes with the calls it has.
        open: blocks under way by key (its checksum; two keys with the same one count as one), oldest first.
        done: keys that have counted.
        keys: how many there were, those forgotten included.
        calls: how many calls they made.
    """

    width: int
    seconds: float = BLOCK_SECONDS
    open: dict[int, Block] = {}
    done: set[int] = set()
    keys: int = 0
    calls: int = 0

    def block(self, key: str, share: float, now: float, *, trial: bool) -> Block | None:
        """Take in a call; return the block it belongs to, None when it does not count.

        A key that has changed arms, or was drawn anew, is left out from then on: its block would mix both.

        Args:
            key: the assignment key, "" of a call that was assigned by itself.
            share: probability with which the key was to have what is on trial.
            now: when the call came, seconds of any clock that all calls share.
            trial: whether it has it.
        """
        if not key:
            return Block(trial, share, now, [], 1, alone=True)
        known = crc32(key.encode())
        self.calls += 1
        if known in self.done:
            return None
        block = self.open.get(known)
        if block is None:
            self.keys += 1
            if self._enough() == 1:
                self.done.add(known)
                return Block(trial, share, now, [], 1, alone=True)
            block = self.open[known] = Block(trial, share, now, [0.0] * self.width)
        elif block.trial is not trial or block.share != share:
            del self.open[known]
            self.done.add(known)
            return None
        block.calls += 1
        return block

    def closed(self, key: str, block: Block) -> bool:
        """Tell whether a call completed its block, and if so close it."""
        if block.alone:
            return True
        if block.calls < self._enough():
            return False
        known = crc32(key.encode())
        del self.open[known]
        self.done.add(known)
        return True

    def expired(self, now: float) -> Iterator[Block]:
        """Close the blocks whose time is over, or that are too many, and give them, oldest first."""
        while self.open:
            known, block = next(iter(self.open.items()))
            if now - block.opened < self.seconds and len(self.open) <= MOST_OPEN and block.calls < self._enough():
                return
            del self.open[known]
            self.done.add(known)
            yield block

    def is_full(self) -> bool:
        """Tell whether more keys have counted than are remembered."""
        return len(self.done) >= MOST_KEYS

    def forget(self) -> None:
        """Forget who has counted; those under way count in the new purses alone."""
        self.done.clear()

    def _enough(self) -> int:
        """Return after how many calls a block is complete."""
        is_passing = self.keys >= KEYS_KNOWN and self.calls < CALLS_OF_A_PASSER * self.keys
        return 1 if is_passing else CALLS_IN_A_BLOCK
