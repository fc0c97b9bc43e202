"""The writing side of a flags page; one writer a page, and that is the daemon.

Above it stands whoever publishes snapshots, below it `page_format` and the file system.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zlib import crc32

from switchover_kit.page_format import (
    CHANGE,
    COUNTED,
    HEARTBEAT,
    MOST_CAPACITY,
    MOST_VERSION,
    SEQUENCE_MASK,
    SLOT,
    SLOTS_AT,
    STATE_SHIFT,
    WORDS_AT,
    WORDS_BYTES,
    Head,
    PageError,
    State,
    own_head,
    unpack_head,
)

CAPACITY: Final = 64 * 1024
"""Bytes of a slot unless told otherwise: some hundred flags."""
MODE: Final = 0o440
"""A page's file mode.  Nobody opens it for writing by accident: cutting a mapped file short kills who reads it."""


class PageWriter:
    """Keeps one page: publishes snapshots, beats, grows, and says goodbye.  Not for use by two threads at once."""

    def __init__(self, path: Path, sheet: _Sheet, clock: Callable[[], int]) -> None:
        """Take over a file that is mapped; `create` is what makes a page."""
        self.path = path
        self._sheet: _Sheet | None = sheet
        self._clock = clock

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        payload: bytes,
        *,
        version: int = 0,
        capacity: int = CAPACITY,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> PageWriter:
        """Make a page with a first payload; it takes the place of a page that is there, and tells its readers so.

        Args:
            path: the page's path; its directory exists.
            payload: the first snapshot's bytes.
            version: the first snapshot's flags version.
            capacity: bytes a payload may have before the page moves to a larger file.
            clock: nanoseconds of CLOCK_MONOTONIC.

        Raises:
            PageError: the payload, the version or the capacity cannot be used.
            OSError: the file cannot be made; its blocks are reserved here, so that a full disk is an error now and
                not a killed process later.
        """
        _check(version, payload)
        place = Path(path)
        with contextlib.ExitStack() as stack:
            before = _sheet_at(place)  # what a daemon left that was killed
            if before is not None:
                stack.callback(before.release)
            return cls(place, _replaced(place, before, capacity, (version, payload), clock()), clock)

    @property
    def sequence(self) -> int:
        """How many snapshots this page's file has had; another file begins at 1 again.  0 once it is closed."""
        return 0 if self._sheet is None else self._sheet.sequence

    def publish(self, version: int, payload: bytes) -> None:
        """Make a snapshot the page's content; readers see it with their next read.

        Raises:
            PageError: the page is closed, or the payload or the version cannot be used.
            OSError: the payload needs a larger file and that cannot be made; the old content stays.
        """
        _check(version, payload)
        sheet = self._sheet
        if sheet is None:
            raise PageError(f"the page {self.path} is closed; create it anew")
        if len(payload) <= sheet.head.capacity:
            sheet.words[HEARTBEAT] = self._clock()
            sheet.write(version, payload)
        else:
            self._sheet = _replaced(
                self.path, sheet, min(2 * len(payload), MOST_CAPACITY), (version, payload), self._clock()
            )
            sheet.release()

    def keep(self) -> bool:
        """Make the file anew where somebody removed it, and lead its readers there; return whether that was so.

        Who has the page open would go on reading it; processes that start later would find none, and serve safe values.

        Raises:
            PageError: the page is damaged.
            OSError: the file cannot be made.
        """
        sheet = self._sheet
        if sheet is None or self.path.exists():
            return False
        self._sheet = _replaced(self.path, sheet, sheet.head.capacity, sheet.newest(), self._clock())
        sheet.release()
        return True

    def beat(self) -> None:
        """Say that the writer is alive; to be called every `BEAT_NS`."""
        if self._sheet is not None:
            self._sheet.words[HEARTBEAT] = self._clock()

    def close(self) -> None:
        """Say that the writer stops in good order; readers serve safe values from now on.  Twice does no harm."""
        if self._sheet is not None:
            self._sheet.say(State.CLOSED)
            self._sheet.release()
            self._sheet = None


class _Sheet:
    """One mapped file of a page."""

    def __init__(self, mapped: mmap.mmap, head: Head) -> None:
        self.head = head
        self.words = memoryview(mapped)[WORDS_AT : WORDS_AT + WORDS_BYTES].cast("Q")
        self._map = mapped

    @property
    def sequence(self) -> int:
        """The newest snapshot's number."""
        return int(self.words[CHANGE]) & SEQUENCE_MASK

    def write(self, version: int, payload: bytes) -> None:
        """Fill the slot that nobody reads, then flip by one store; a writer that dies in between changes nothing."""
        sequence = self.sequence + 1
        at = self.head.slot_at(sequence & 1)
        begin = at + SLOT.size
        self._map[begin : begin + len(payload)] = payload
        numbers = SLOT.pack(sequence, version, len(payload), 0)[:COUNTED]
        SLOT.pack_into(self._map, at, sequence, version, len(payload), crc32(payload, crc32(numbers)))
        self.words[CHANGE] = sequence

    def newest(self) -> tuple[int, bytes]:
        """Return version and payload of the newest snapshot."""
        at = self.head.slot_at(self.sequence & 1)
        _, version, length, _ = SLOT.unpack_from(self._map, at)
        begin = at + SLOT.size
        return version, self._map[begin : begin + length]

    def say(self, state: State) -> None:
        """Write the page's state beside its sequence."""
        self.words[CHANGE] = self.sequence | state << STATE_SHIFT

    def release(self) -> None:
        """Unmap the file."""
        self.words.release()
        self._map.close()


def _check(version: object, payload: object) -> None:
    """Refuse what a slot cannot hold."""
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= MOST_VERSION:
        raise PageError(f"the flags version is {version!r}; it must be a whole number from 0 to {MOST_VERSION}")
    if not isinstance(payload, bytes):
        raise PageError(f"the payload is of type {type(payload).__name__}; it must be bytes")


def _replaced(path: Path, before: _Sheet | None, capacity: int, first: tuple[int, bytes], now: int) -> _Sheet:
    """Write a new file, put it in the path's place, and mark the one that was there."""
    wanted = -(-max(capacity, len(first[1])) // 8) * 8
    if capacity < 1 or wanted > MOST_CAPACITY:
        raise PageError(f"a slot of {wanted} bytes is asked for; it must have from 1 to {MOST_CAPACITY}")
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    fresh = _reserved(beside, own_head(wanted))
    try:
        fresh.words[HEARTBEAT] = now
        fresh.write(*first)
        beside.replace(path)
    except BaseException:
        fresh.release()
        beside.unlink(missing_ok=True)
        raise
    if before is not None:  # only now: a reader that is told so finds the new file
        before.say(State.SUPERSEDED)
    return fresh


def _reserved(path: Path, head: Head) -> _Sheet:
    """Make a file of a page's size, its blocks reserved, and map it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        os.posix_fallocate(fd, 0, head.file_bytes)
        os.pwrite(fd, head.pack(), 0)
        return _Sheet(mmap.mmap(fd, head.file_bytes), head)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _sheet_at(path: Path) -> _Sheet | None:
    """Map the page that somebody else wrote, None where there is none that can be written to."""
    with contextlib.ExitStack() as stack, contextlib.suppress(PageError, OSError, ValueError):
        seen = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, seen)
        head = unpack_head(os.pread(seen, SLOTS_AT, 0))
        if os.fstat(seen).st_size < head.file_bytes:
            return None
        os.fchmod(seen, 0o600)
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        return _Sheet(mmap.mmap(fd, head.file_bytes), head)
    return None
