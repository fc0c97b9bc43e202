"""The reading side of a flags page: cheap to ask whether anything changed, never torn when read.

Above it stands `flags`, below it `page_format` and the file system.  A reader keeps its page mapped even after another
file has taken the page's path; `is_current` tells, and whoever holds the reader opens the path again.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from switchover_kit.page_format import (
    CHANGE,
    COUNTED,
    HEARTBEAT,
    SEQUENCE_MASK,
    SLOT,
    SLOTS_AT,
    STATE_SHIFT,
    WORDS_AT,
    WORDS_BYTES,
    Head,
    PageBusyError,
    PageDamagedError,
    PageError,
    PageMissingError,
    State,
    unpack_head,
)

ATTEMPTS: Final = 64
"""How often one read begins again because the page was written meanwhile.  Two publications have to fall into each
attempt, so that even a writer that does nothing else is read after a few."""


class Content(NamedTuple):
    """What a page held when it was read.

    Attributes:
        version: the snapshot's flags version.
        payload: the snapshot's bytes.
        sequence: the page's own number of it.
    """

    version: int
    payload: bytes
    sequence: int


class PageReader:
    """Reads one page's file.  Any number of threads may use it, and processes forked later, too.

    Attributes:
        path: where the page was found.
        head: what never changes in it.
        words: the live words; `words[CHANGE]` differs after everything a reader has to know of, `words[HEARTBEAT]` is
            CLOCK_MONOTONIC in nanoseconds.
    """

    def __init__(self, path: Path, mapped: mmap.mmap, head: Head, identity: tuple[int, int]) -> None:
        """Take over a file that is mapped; `open` is what finds a page."""
        self.path = path
        self.head = head
        self._mapped_file = mapped
        self.words = memoryview(mapped)[WORDS_AT : WORDS_AT + WORDS_BYTES].cast("Q")
        self._slots = (head.slot_at(0), head.slot_at(1))
        self._identity = identity

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> PageReader:
        """Map the page at a path.  The mapping lasts as long as the reader does.

        Raises:
            PageMissingError: there is no file.
            PageDamagedError: it is no page, or not a whole one.
            PageError: it cannot be opened.
        """
        place = Path(path)
        try:
            # Not blocking: a pipe somebody left there would otherwise be waited for.
            fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise PageMissingError(f"there is no flags page at {place}") from None
        except (OSError, ValueError) as error:
            raise PageError(f"the flags page {place} cannot be opened: {error}") from error
        try:
            return cls._mapped(place, fd)
        except PageDamagedError as error:
            raise PageDamagedError(f"the flags page {place} is damaged: {error}") from None
        except (OSError, ValueError) as error:
            raise PageError(f"the flags page {place} cannot be read: {error}") from error
        finally:
            os.close(fd)

    @classmethod
    def _mapped(cls, path: Path, fd: int) -> PageReader:
        """Check an open file and map it."""
        head = unpack_head(os.pread(fd, SLOTS_AT, 0))
        status = os.fstat(fd)
        if status.st_size < head.file_bytes:
            raise PageDamagedError(f"it has {status.st_size} bytes of {head.file_bytes}")
        mapped = mmap.mmap(fd, head.file_bytes, prot=mmap.PROT_READ)
        return cls(path, mapped, head, (status.st_dev, status.st_ino))

    @property
    def sequence(self) -> int:
        """The newest snapshot's number in this file."""
        return self.words[CHANGE] & SEQUENCE_MASK

    @property
    def state(self) -> State:
        """What the page says of itself; damage reads as superseded, for then its path is looked at again."""
        return State(min(self.words[CHANGE] >> STATE_SHIFT, State.SUPERSEDED))

    @property
    def heartbeat(self) -> int:
        """When the writer was last known to be alive: CLOCK_MONOTONIC in nanoseconds, of the boot in `head`."""
        return self.words[HEARTBEAT]

    def is_current(self) -> bool:
        """Return whether the page's path still leads to this file, whole."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - half the time of Path.stat, and asked in a read
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity and status.st_size >= self.head.file_bytes

    def read(self) -> Content:
        """Return the newest snapshot, whole.

        A slot is used only if its own number is the page's, its checksum holds over the copy that was made, and the
        page's number is still the same after that: the writer touches a slot again only once the number has moved on.

        Raises:
            PageDamagedError: the page does not change, and what it holds is not whole.
            PageBusyError: the page was written anew during each of `ATTEMPTS` attempts.
        """
        words, capacity, damaged = self.words, self.head.capacity, 0
        for _ in range(ATTEMPTS):
            sequence = words[CHANGE] & SEQUENCE_MASK
            at = self._slots[sequence & 1]
            begin = at + SLOT.size
            # Copied, the numbers too: only of what nobody can write into any more can be said that it is whole.
            numbers = self._mapped_file[at:begin]
            own, version, length, proof = SLOT.unpack(numbers)
            payload = self._mapped_file[begin : begin + min(length, capacity)]
            if words[CHANGE] & SEQUENCE_MASK != sequence:
                continue
            if own == sequence and length == len(payload) and crc32(payload, crc32(numbers[:COUNTED])) == proof:
                return Content(version, payload, sequence)
            # Once more: a processor may show another's stores in another order for a moment.
            damaged += 1
            if damaged > 2:  # noqa: PLR2004
                raise PageDamagedError(f"the flags page {self.path} is damaged: snapshot {sequence} is not whole")
        raise PageBusyError(f"the flags page {self.path} is written faster than it can be read; read again")
