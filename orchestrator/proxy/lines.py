"""Bytes to lines: the framing both the client's socket and the worker's stdout speak."""

from __future__ import annotations

HEAD = 512
"""Bytes kept of a line that is too long: enough to find out which request it belonged to."""


class LineSplitter:
    """Collects chunks and gives whole lines; each byte is looked at once, however long the line grows.

    Attributes:
        overlong: the beginnings of lines over the limit; the caller takes them out and reports them.
    """

    __slots__ = ("_limit", "_parts", "_size", "overlong")

    def __init__(self, limit: int) -> None:
        """Build a splitter that skips lines of more than `limit` bytes."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self.overlong: list[bytes] = []

    @property
    def pending(self) -> int:
        """Number of bytes of the line that is not complete yet."""
        return self._size

    def feed(self, data: bytes) -> list[bytes]:
        """Add a chunk and return the lines it completes, without their newline."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._size:
            self._keep(lines[0])
            lines[0] = self._take()
        if rest:
            self._keep(rest)
        if len(data) > self._limit:
            self.overlong += [line[:HEAD] for line in lines if len(line) > self._limit]
            lines = [line for line in lines if len(line) <= self._limit]
        return lines

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._limit:
            self._parts = [b"".join(self._parts)[:HEAD]] if len(self._parts[0]) < HEAD else [self._parts[0][:HEAD]]

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        if self._size > self._limit:
            self.overlong.append(line[:HEAD])
            line = b""
        self._parts = []
        self._size = 0
        return line
