"""The keys of an epoch as they are written: in an order in which they pack well.

Of keys that have counted, all first bytes come first, then all second ones, and so on: of sorted numbers the first are
nearly alike.  Of open blocks the first sums come first, then the second ones: what a limit adds up is of one kind.

Above: `state`.  Below: the domain's units.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec
from msgspec import structs

from orchestrator.domain.evidence.units import Blocks

BYTES: Final = 4
"""Of a key's checksum."""


class Book(msgspec.Struct, array_like=True):
    """Blocks, written.

    Attributes:
        rest: what there are few of; its open blocks lack their sums.
        done: keys that have counted, in planes.
        sums: of the open blocks, the first of each, then the second of each, and so on.
    """

    rest: Blocks
    done: bytes
    sums: bytes

    @classmethod
    def of(cls, blocks: Blocks) -> Book:
        """Write."""
        under_way = {key: structs.replace(block, sums=[]) for key, block in blocks.open.items()}
        sums = [one for column in zip(*(block.sums for block in blocks.open.values()), strict=True) for one in column]
        rest = structs.replace(blocks, open=under_way, done=set())
        return cls(rest, planes(blocks.done), struct.pack(f">{len(sums)}d", *sums))

    def blocks(self) -> Blocks:
        """Read.

        Raises:
            ValueError: nobody wrote this.
        """
        rest = self.rest
        if len(self.sums) != struct.calcsize("d") * rest.width * len(rest.open):
            raise ValueError(f"{len(self.sums)} bytes of sums do not belong to {len(rest.open)} blocks")
        sums = struct.unpack(f">{rest.width * len(rest.open)}d", self.sums)
        for at, block in enumerate(rest.open.values()):
            block.sums = list(sums[at :: len(rest.open)])
        rest.done = from_planes(self.done)
        return rest


def planes(keys: set[int]) -> bytes:
    """Return keys of 32 bits, in planes."""
    written = struct.pack(f">{len(keys)}I", *sorted(keys))
    return b"".join([written[plane::BYTES] for plane in range(BYTES)])


def from_planes(written: bytes) -> set[int]:
    """Return the keys that `planes` wrote.

    Raises:
        ValueError: it never wrote this.
    """
    count, left = divmod(len(written), BYTES)
    if left:
        raise ValueError(f"{len(written)} bytes are no keys of {BYTES}")
    rows = bytearray(len(written))
    for plane in range(BYTES):
        rows[plane::BYTES] = written[plane * count : (plane + 1) * count]
    return set(struct.unpack(f">{count}I", rows))
