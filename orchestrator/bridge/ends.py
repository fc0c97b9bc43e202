"""The ends of the bridge: standard input and output, and both directions of the connection to the daemon.

Above: `relay` decides what becomes of lines.  Below: `proxy.lines` makes lines of bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from orchestrator.proxy.lines import LineReader

LINE_BYTES: Final = 1 << 30
"""Longest line: what `limits.line_bytes` may be at most.  What the daemon's own limit is, the daemon says."""

HIGH_WATER: Final = 1 << 20
"""Bytes an end may leave unread before the other is not read any more."""

Lines = Callable[[list[bytes]], None]


NOT_UTF8 = b"a line that is not UTF-8"
"""Takes the place of such a line."""


class _Reader(LineReader):
    """What both reading ends have in common."""

    def __init__(self, on_lines: Lines) -> None:
        super().__init__(LINE_BYTES)
        self._on_lines = on_lines
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.ReadTransport", transport)

    def lines_received(self, lines: list[bytes]) -> None:
        """Hand lines on, empty ones left out."""
        self._on_lines([line for line in lines if line])

    def overlong_received(self, head: bytes, tail: bytes) -> None:  # noqa: ARG002 - it will not be read
        """Hand on the beginning of a line that no daemon takes: it is no JSON, and that will be said."""
        self._on_lines([head])

    def undecodable_received(self, line: bytes) -> None:  # noqa: ARG002 - nobody takes it as it is
        """Hand on that there was a line no daemon takes: this is no JSON either, and that will be said."""
        self._on_lines([NOT_UTF8])

    def read(self, *, on: bool) -> None:
        """Go on reading, or stop for a while."""
        if self._transport is not None and not self._transport.is_closing():
            if on:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def abort(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()


class Input(_Reader):
    """Standard input; asyncio's pipes know no buffered protocol, so bytes are handed over here."""

    def __init__(self, on_lines: Lines, on_end: Callable[[], None]) -> None:
        """Build an input; `on_end` is called when it has ended, maybe twice."""
        super().__init__(on_lines)
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        """Take bytes, any number."""
        rest = memoryview(data)
        while rest:
            room = self.get_buffer(-1)
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            self.buffer_updated(size)
            rest = rest[size:]

    def eof_received(self) -> None:
        """Take the last line, which may lack its newline."""
        self.data_received(b"\n")
        self._on_end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Say likewise that there will be no more."""
        self._on_end()


class Output(asyncio.BaseProtocol):
    """Standard output.

    Attributes:
        gone: done once everything is written, or nobody reads any more.
    """

    def __init__(self, on_clogged: Callable[[bool], None], on_gone: Callable[[], None]) -> None:
        """Build an output; `on_clogged` is told when it is not read, and when it is again."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_clogged = on_clogged
        self._on_gone = on_gone

    def pause_writing(self) -> None:
        """Say that the client does not read."""
        self._on_clogged(True)  # noqa: FBT003 - the one thing it says

    def resume_writing(self) -> None:
        """Say that it does again."""
        self._on_clogged(False)  # noqa: FBT003 - likewise

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Say that nothing more can be written."""
        self.gone.set_result(None)
        self._on_gone()


class Inlet(_Reader):
    """What the daemon says.

    Attributes:
        lost: done once everything is read and the connection is over: with the error, None for an orderly end.
    """

    def __init__(self, on_lines: Lines) -> None:
        """Build an inlet."""
        super().__init__(on_lines)
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        if not self.lost.done():
            self.lost.set_result(exc)


class Outlet(asyncio.Protocol):
    """What the daemon is told: the same socket as the inlet's, under a descriptor of its own.

    A write to a daemon that is gone fails at once, but what it said before is still to be read: with one transport for
    both, asyncio would drop it.
    """

    def __init__(self, on_clogged: Callable[[bool], None]) -> None:
        """Build an outlet; see `Output`."""
        self._on_clogged = on_clogged

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Leave the reading to the inlet."""
        stream = cast("asyncio.Transport", transport)
        stream.pause_reading()
        stream.set_write_buffer_limits(high=HIGH_WATER)

    def pause_writing(self) -> None:
        """Say that the daemon does not keep up."""
        self._on_clogged(True)  # noqa: FBT003 - the one thing it says

    def resume_writing(self) -> None:
        """Say that it does again."""
        self._on_clogged(False)  # noqa: FBT003 - likewise
