"""Lines on their way to one peer, written once per turn of the loop."""

from __future__ import annotations

import asyncio

LONG = 1 << 15
"""Bytes from which on writing a line in parts is cheaper than joining it first."""


EARLY = 32
"""Lines of one batch after which the first are on their way, so that their reader need not wait for the last."""

AT_ONCE = 1 << 10
"""Bytes from which on uvloop writes at once instead of at the end of the loop's turn: its high-water mark."""


class Turn:
    """Knows which outboxes have something to write; flushed at the end of each batch of input.

    Attributes:
        inside: whether a batch is being worked on.
        flushes: how often it was flushed: who finds another number than before knows that somebody was served.
    """

    __slots__ = ("_dirty", "_loop", "_scheduled", "flushes", "inside")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Outbox] = []
        self._scheduled = False
        self.inside = False
        self.flushes = 0

    def add(self, outbox: Outbox) -> None:
        """Remember an outbox that has lines; outside of a batch it is flushed by the loop's next turn."""
        self._dirty.append(outbox)
        if not self.inside and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        self._scheduled = False
        self.inside = False
        self.flushes += 1
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.flush()


class Outbox:
    """The lines for one transport; long ones are handed over in parts and never copied."""

    __slots__ = ("_in_parts", "_lines", "_turn", "transport")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._lines: list[bytes | memoryview] = []
        self._in_parts = False
        self.transport: asyncio.WriteTransport | None = None

    def open(self, transport: asyncio.WriteTransport) -> None:
        """Write to a transport from now on; it reports as soon as its peer does not take everything."""
        transport.set_write_buffer_limits(high=AT_ONCE)
        self.transport = transport

    def put(self, line: bytes) -> None:
        """Add a line (its newline included)."""
        if not self._lines:
            self._turn.add(self)
        self._lines.append(line)
        if len(self._lines) >= EARLY:
            self.flush()

    def put_spliced(self, head: bytes, rest: bytes | memoryview) -> None:
        """Add a line of two parts, without its newline; a long rest is not copied."""
        if len(rest) < LONG:
            self.put(b"".join((head, rest, b"\n")))
            return
        if not self._lines:
            self._turn.add(self)
        self._lines += (head, rest, b"\n")
        self._in_parts = True

    def flush(self) -> None:
        """Hand the lines to the transport; drop them when it is gone."""
        lines, in_parts = self._lines, self._in_parts
        if not lines:
            return
        self._lines, self._in_parts = [], False
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if in_parts:
            transport.writelines(lines)
        else:
            transport.write(lines[0] if len(lines) == 1 else b"".join(lines))

    @property
    def backlog(self) -> int:
        """Bytes the peer has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()
