"""Lines on their way to one peer, written once per turn of the loop."""

from __future__ import annotations

import asyncio


class Turn:
    """Knows which outboxes have something to write; flushed at the end of each batch of input."""

    __slots__ = ("_dirty", "_loop", "_scheduled", "inside")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Outbox] = []
        self._scheduled = False
        self.inside = False

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
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.flush()


class Outbox:
    """The lines for one transport."""

    __slots__ = ("_lines", "_turn", "transport")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._lines: list[bytes] = []
        self.transport: asyncio.WriteTransport | None = None

    def put(self, line: bytes) -> None:
        """Add a line (its newline included)."""
        if not self._lines:
            self._turn.add(self)
        self._lines.append(line)

    def flush(self) -> None:
        """Hand the lines to the transport; drop them when it is gone."""
        lines = self._lines
        if lines:
            self._lines = []
            transport = self.transport
            if transport is not None and not transport.is_closing():
                transport.write(lines[0] if len(lines) == 1 else b"".join(lines))

    @property
    def backlog(self) -> int:
        """Bytes the peer has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()
