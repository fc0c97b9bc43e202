"""Where a process's flags come from: its page, followed through damage, absence, moves and the daemon's end.

Above it stands `following`, below it the page and the document.  It answers one question, "what document, and what
trouble?", and holds what it needs to answer it cheaply.  Time is a parameter; the file
system is looked at only while something is wrong, and then at most every `RETRY_NS`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from switchover_kit.decoder import Decoder
from switchover_kit.document import Document, DocumentError
from switchover_kit.page_format import (
    CHANGE,
    GONE_NS,
    HEARTBEAT,
    SEQUENCE_MASK,
    STATE_SHIFT,
    PageBusyError,
    PageError,
    State,
    boot_id,
)
from switchover_kit.page_reader import PageReader
from switchover_kit.snapshot import NOTHING

RETRY_NS: Final = 100_000_000
"""Nanoseconds between two looks at the page's path while it is missing, damaged or without a writer."""
_NO_WORDS: Final = memoryview(bytes(16)).cast("Q")
"""Stands for the words of a page that there is not: they never change."""
_NEVER: Final = -1
"""A change word that no page has: the next comparison fails, and the page is looked at again."""


class Standing(NamedTuple):
    """How things stand.

    Attributes:
        document: the newest document that could be read.
        trouble: why its flags should answer safe values, None for no reason.
        words: the live words to compare.
        change: the change word that this was found under; while `words[CHANGE]` is that, only time can change it.
    """

    document: Document
    trouble: str | None
    words: memoryview
    change: int


class Feed:
    """Follows the page at one path.  For one thread at a time."""

    def __init__(self, path: str | None, why_none: str = "", document: Document = NOTHING) -> None:
        """Look at nothing yet.

        Args:
            path: the page's, None for none.
            why_none: why there is none.
            document: what to go by until a page is read; a forked child has that of its parent.
        """
        self._path = path
        self._boot_id = boot_id()
        self._document = document
        self._decoder = Decoder()
        self._reader: PageReader | None = None
        self._absence = why_none
        self._damage: str | None = None
        self._taken: int | None = None
        self._is_of_this_boot = False
        self._retry_at = 0

    def holds(self, standing: Standing, now: int) -> bool:
        """Return whether all is well and as it was: nothing changed, and the writer gave a sign of life.

        Args:
            standing: what was found out last.
            now: nanoseconds of CLOCK_MONOTONIC.
        """
        words = standing.words
        if standing.trouble is not None or words[CHANGE] != standing.change:
            return False
        return -GONE_NS < now - words[HEARTBEAT] < GONE_NS

    def look(self, now: int) -> Standing:
        """Find out how things stand.  No error leaves it: what cannot be used is trouble.

        Args:
            now: nanoseconds of CLOCK_MONOTONIC.
        """
        standing = self._judged(now)
        if standing.trouble is None:
            return standing
        moved = standing.change >> STATE_SHIFT == State.SUPERSEDED
        if not moved and now < self._retry_at:
            return standing
        self._retry_at = now + RETRY_NS
        return self._judged(now) if self._opened_again() else standing

    def _judged(self, now: int) -> Standing:
        """Judge by the page that is open."""
        reader = self._reader
        if reader is None:
            return Standing(self._document, self._absence, _NO_WORDS, 0)
        # Read once and judged by: what is written meanwhile differs from it and is noticed by the next comparison.
        words = reader.words
        change = words[CHANGE]
        if (change & SEQUENCE_MASK != self._taken or self._damage is not None) and not self._took_in(reader):
            change = _NEVER
        trouble = self._damage
        if trouble is None and not (
            change <= SEQUENCE_MASK and self._is_of_this_boot and -GONE_NS < now - words[HEARTBEAT] < GONE_NS
        ):
            trouble = self._end_of(change)
        return Standing(self._document, trouble, words, change)

    def _took_in(self, reader: PageReader) -> bool:
        """Read the page, which holds something else than was read; return whether that is settled."""
        try:
            content = reader.read()
            self._document = self._decoder.read(content.payload)
        except PageBusyError:
            return False
        except PageError as error:
            self._damage = str(error)
        except DocumentError as error:
            self._damage = f"the flags page {self._path} holds a document that cannot be read: {error}"
        else:
            self._taken, self._damage = content.sequence, None
        return True

    def _end_of(self, change: int) -> str:
        """Return why a page that is whole is not kept any more."""
        if change > SEQUENCE_MASK:
            is_closed = change >> STATE_SHIFT == State.CLOSED
            return "the daemon has stopped" if is_closed else f"the flags page {self._path} was taken away"
        if not self._is_of_this_boot:
            return "the daemon has not been started since the machine was"
        return f"the daemon has given no sign of life for {GONE_NS // 1_000_000_000} s"

    def _opened_again(self) -> bool:
        """Open what the path leads to now; return whether that is another file than before."""
        if self._path is None or (self._reader is not None and self._reader.is_current()):
            return False
        try:
            reader = PageReader.open(self._path)
        except PageError as error:
            self._absence = str(error)
            return self._reader is None
        self._reader, self._taken, self._damage = reader, None, None
        self._is_of_this_boot = not bytes(16) != reader.head.boot_id != self._boot_id != bytes(16)
        return True
