"""Bytes to lines: the framing both the client's socket and the worker's stdout speak.

Short lines are read into one buffer that all connections share (the loop fills and empties it within one callback); a
line that is not complete moves to a buffer of its connection, where the kernel adds to it in place.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from orchestrator.proxy.naming import HEAD, TAIL

SHARED = bytearray(1 << 18)
"""What every connection without an unfinished line reads into."""

LONG = 1 << 12
"""Bytes from which on it pays to ask first whether there is anything to split."""

ROOM = 1 << 16
"""Free bytes a buffer offers the kernel at least."""

_SHARED_VIEW = memoryview(SHARED)
_NOTHING = bytearray()


class LineReader(asyncio.BufferedProtocol, ABC):
    """Base of both ends of the tool plane: collects bytes, gives whole lines; each byte is searched once."""

    def __init__(self, limit: int) -> None:
        """Build a reader that skips lines of more than `limit` bytes."""
        self._limit = limit
        self._own = _NOTHING
        self._filled = 0
        self._skipping: bytes | None = None
        self._passed = b""

    @abstractmethod
    def lines_received(self, lines: list[bytes]) -> None:
        """Take whole lines, in order, without their newlines."""

    @abstractmethod
    def overlong_received(self, head: bytes, tail: bytes) -> None:
        """Take the beginning and the end of a line that was longer than the limit, once it has ended."""

    @abstractmethod
    def undecodable_received(self, line: bytes) -> None:
        """Take a line that is not UTF-8, and therefore no JSON (RFC 8259, section 8.1)."""

    # --- asyncio's side -----------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Say where the next bytes go."""
        if not self._filled:
            return _SHARED_VIEW
        if len(self._own) - self._filled < ROOM:
            self._grow(self._filled * 2 + ROOM)
        return memoryview(self._own)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Find what the new bytes complete."""
        if self._skipping is not None:
            self._skip(nbytes)
            return
        filled = self._filled
        buffer = self._own if filled else SHARED
        end = filled + nbytes
        last = buffer.rfind(b"\n", filled, end)
        if last < 0:
            self._keep(buffer, 0, end)
            return
        whole = bytes(memoryview(buffer)[:last])
        self._keep(buffer, last + 1, end)
        one = last > LONG and whole.find(b"\n") < 0  # split looks at each byte of a long line, find does not
        lines = [whole] if one else whole.split(b"\n")
        if last > self._limit:
            lines = self._within_limit(lines)
        if not whole.isascii():
            lines = self._utf8(lines)
        self.lines_received(lines)

    # --- the unfinished line ------------------------------------------------------------------

    def _keep(self, buffer: bytearray, start: int, end: int) -> None:
        """Keep what is not a whole line yet: `buffer[start:end]`."""
        size = end - start
        if size > self._limit:
            self._skipping = bytes(memoryview(buffer)[start : start + HEAD])
            self._passed = bytes(memoryview(buffer)[max(start, end - TAIL) : end])
            self._own, self._filled = _NOTHING, 0
        elif not size:
            if not self._filled:
                self._own = _NOTHING  # the connection sends short lines (again): its large buffer is given back
            self._filled = 0
        elif buffer is SHARED:
            if len(self._own) < size + ROOM:
                self._own, self._filled = bytearray(2 * size + ROOM), 0
            self._own[:size] = memoryview(buffer)[start:end]
            self._filled = size
        else:
            if start:
                buffer[:size] = bytes(memoryview(buffer)[start:end])
            self._filled = size

    def _grow(self, size: int) -> None:
        grown = bytearray(size)
        grown[: self._filled] = memoryview(self._own)[: self._filled]
        self._own = grown

    def _skip(self, nbytes: int) -> None:
        """Drop the rest of a line over the limit; what follows its end is read as usual."""
        end = SHARED.find(b"\n", 0, nbytes)
        passed = nbytes if end < 0 else end
        self._passed = (self._passed + SHARED[max(0, passed - TAIL) : passed])[-TAIL:]
        if end < 0:
            return
        head, self._skipping = self._skipping or b"", None
        self.overlong_received(head, self._passed)
        rest = nbytes - end - 1
        if rest:
            SHARED[:rest] = SHARED[end + 1 : nbytes]
            self.buffer_updated(rest)

    def _utf8(self, lines: list[bytes]) -> list[bytes]:
        """Sort out the lines that are not UTF-8: decoders skip over what they do not read, their peers may not."""
        good = []
        for line in lines:
            try:
                line.decode()
            except UnicodeDecodeError:
                self.undecodable_received(line)
            else:
                good.append(line)
        return good

    def _within_limit(self, lines: list[bytes]) -> list[bytes]:
        for line in lines:
            if len(line) > self._limit:
                self.overlong_received(line[:HEAD], line[-TAIL:])
        return [line for line in lines if len(line) <= self._limit]
