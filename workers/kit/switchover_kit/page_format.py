"""The layout of a shared-memory page: where each number stands, what a page may say of itself, what can be wrong.

Below `page_writer` and `page_reader`, which are the only ones to touch a page's bytes; above nothing.

    0    magic                8 bytes   "SWFLAGS" and a line feed
    8    format               u64       1
    16   capacity             u64       bytes a slot's payload may have
    24   writer's pid         u64
    32   writer's start time  u64       clock ticks after boot, so that a pid used again is told apart; 0: not known
    40   boot id              16 bytes  heartbeats of another boot mean nothing; zeros: not known
    56   checksum             u64       CRC-32 of all before it
    64   change               u64       the sequence in the low 62 bits, the state in the high 2
    72   heartbeat            u64       CLOCK_MONOTONIC in nanoseconds
    128  slot of even sequences: sequence, version, length, checksum (u64 each), payload
    ...  slot of odd sequences: likewise

Numbers are in the machine's own byte order: a page never leaves its machine.  A slot's checksum is the CRC-32 of its
first three numbers and its payload.  State and sequence share one word, because a reader looks at one word: it notices
a page that was closed or superseded by the same comparison that tells it of new flags.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

MAGIC: Final = b"SWFLAGS\n"
FORMAT: Final = 1
HEAD: Final = struct.Struct("=8sQQQQ16s")
CHECKSUM: Final = struct.Struct("=Q")
SLOT: Final = struct.Struct("=QQQQ")
COUNTED: Final = SLOT.size - CHECKSUM.size
"""Bytes of a slot's numbers that its checksum counts: all but itself, which is the last."""

WORDS_AT: Final = 64
WORDS_BYTES: Final = 16
CHANGE: Final = 0
"""Index of the change word among the words at `WORDS_AT`; aligned to 8 bytes, so that it is written and read whole."""
HEARTBEAT: Final = 1
"""Index of the heartbeat among them."""
SLOTS_AT: Final = 128

STATE_SHIFT: Final = 62
SEQUENCE_MASK: Final = (1 << STATE_SHIFT) - 1
MOST_VERSION: Final = (1 << 63) - 1
MOST_CAPACITY: Final = 1 << 30
"""Bytes; a head that claims more is taken for damage before anybody reserves memory for it."""

BEAT_NS: Final = 1_000_000_000
"""Nanoseconds between two heartbeats that a writer should keep."""
GONE_NS: Final = 3_000_000_000
"""Nanoseconds without a heartbeat after which a writer counts as gone: three missed beats."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_OWN_STAT: Final = Path("/proc/self/stat")
_START_FIELD: Final = 19  # "starttime" is field 22 of proc_pid_stat(5), counted here from the state, field 3


class State(IntEnum):
    """What a page says of itself."""

    OPEN = 0
    """Its writer keeps it."""
    CLOSED = 1
    """Its writer has stopped in good order."""
    SUPERSEDED = 2
    """Another file has taken its path."""


class PageError(Exception):
    """A page cannot be used; the message says which and why."""


class PageMissingError(PageError):
    """There is no page at this path."""


class PageDamagedError(PageError):
    """The file is no page, or not a whole one."""


class PageBusyError(PageError):
    """The page was written faster than it could be read; read again."""


class Head(NamedTuple):
    """What never changes in a page.

    Attributes:
        capacity: bytes a slot's payload may have, a multiple of 8.
        pid: the writer's process.
        started: when that process started, in clock ticks after boot; 0 where that is not known.
        boot_id: the boot it ran in; zeros where that is not known.
    """

    capacity: int
    pid: int
    started: int
    boot_id: bytes

    def pack(self) -> bytes:
        """Return the head's bytes, checksum included."""
        head = HEAD.pack(MAGIC, FORMAT, self.capacity, self.pid, self.started, self.boot_id)
        return head + CHECKSUM.pack(zlib.crc32(head))

    @property
    def file_bytes(self) -> int:
        """The size of the whole file."""
        return self.slot_at(2)

    def slot_at(self, index: int) -> int:
        """Return where a slot begins: 0 or 1, the parity of its sequence; 2 is the end of the file."""
        return SLOTS_AT + index * (SLOT.size + self.capacity)


def unpack_head(data: bytes) -> Head:
    """Read a page's head.

    Args:
        data: the file's first bytes.

    Raises:
        PageDamagedError: they are no head of this format.
    """
    if len(data) < SLOTS_AT or not data.startswith(MAGIC):
        raise PageDamagedError("it does not begin like a flags page")
    _, layout, capacity, pid, started, boot_id = HEAD.unpack_from(data)
    if layout != FORMAT:
        raise PageDamagedError(
            f"its format is {layout}, this kit reads {FORMAT}; install the kit of the daemon's version"
        )
    if CHECKSUM.unpack_from(data, HEAD.size) != (zlib.crc32(data[: HEAD.size]),):
        raise PageDamagedError("its head does not match its checksum")
    if capacity % 8 or capacity > MOST_CAPACITY:
        raise PageDamagedError(f"its head claims slots of {capacity} bytes")
    return Head(capacity, pid, started, boot_id)


def boot_id() -> bytes:
    """Return this boot's id, zeros where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", "")).ljust(16, b"\0")[:16]
    return bytes(16)


def own_head(capacity: int) -> Head:
    """Return the head of a page that this process writes."""
    started = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The command's name, field 2, may hold spaces and brackets of its own; it ends at the last bracket.
        started = int(_OWN_STAT.read_text().rpartition(")")[2].split()[_START_FIELD])
    return Head(capacity, os.getpid(), started, boot_id())
