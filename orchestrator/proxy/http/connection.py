"""One client's TCP connection: one request after the other, each answered with a document or a stream of events.

Above: `door` serves the requests; what answers one is its connection's `holder` until it is done.  Below: `reader`
parses, `wire` spells.  What a client may leave undone is bounded here: requests half sent, answers unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable
from typing import cast

from orchestrator.proxy.http import wire
from orchestrator.proxy.http.ports import QUIET, Holder, Server
from orchestrator.proxy.http.reader import Arrival, Fate, RequestReader, Stage
from orchestrator.proxy.http.refusal import Refusal
from orchestrator.telemetry.logging import get_logger

log = get_logger("http")

_READ = memoryview(bytearray(1 << 18))
"""What every connection reads into; the loop fills and empties it within one callback."""

HIGH_WATER = 1 << 16
"""Bytes unread from which on a client counts as slow, and what it leaves unread is counted."""
LINGER = 2.0
"""Seconds a client has to read why it is refused before a connection with an unread body is cut."""


class HttpConnection(asyncio.BufferedProtocol):
    """Reads requests and writes their answers; fits `ports.Connection`.

    Attributes:
        peer: the client's address.
        holder: who answers the current request, None while nobody has to be told of its end.
        gone: whether nothing can be answered any more.
    """

    def __init__(self, server: Server) -> None:
        """Build a connection's end."""
        self.peer = ""
        self.holder: Holder | None = None
        self.gone = False
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(server.screen, self._go_on)
        self._since: float | None = None
        self._extra = b""
        self._fate = Fate.KEEP
        self._chunked = True
        self._busy = False
        self._streaming = False
        self._stepping = False
        self._paused = False
        self._clogged = False
        self._ending = False

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Welcome a client, or say why not."""
        stream = cast("asyncio.Transport", transport)  # uvloop's transports do not inherit asyncio's
        self._transport = stream
        stream.set_write_buffer_limits(high=HIGH_WATER)
        with contextlib.suppress(OSError):
            stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peername = stream.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) else ""
        refusal = self._server.connected(self)
        if refusal is not None:
            self._reader.give_up(refusal)
            self._step()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Say where the next bytes go."""
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came, and serve what is whole."""
        if self._ending:
            return
        if not self._busy and self._reader.stage is Stage.IDLE:
            self._since = None
        self._reader.feed(_READ[:nbytes])
        self._step()

    def eof_received(self) -> bool:
        """Hang up when the client does."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell whoever is answering, and the door."""
        self.gone = self._ending = True
        self._transport = None
        self._reader.arrived.clear()
        holder, self.holder = self.holder, None
        if holder is not None:
            holder.lost(self)
        self._server.disconnected(self)

    def pause_writing(self) -> None:
        """Note that the client is slow."""
        self._clogged = True

    def resume_writing(self) -> None:
        """Go on serving: it has caught up."""
        self._clogged = False
        self._step()

    # --- one request after the other ----------------------------------------------------------

    def _step(self) -> None:
        """Serve what has arrived while answers are given and taken at once; else read one request ahead at most."""
        if self._stepping:
            return
        self._stepping = True
        arrived = self._reader.arrived
        try:
            while arrived and not (self._busy or self._clogged or self._ending):
                self._begin(arrived.popleft())
        finally:
            self._stepping = False
        paused = bool(arrived) and not self._ending
        if paused is not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = paused
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    def _begin(self, arrival: Arrival) -> None:
        request, refusal, self._fate = arrival
        self._busy = True
        self._since = None
        self._chunked = not request.http10
        self._extra = request.extra if self._fate is Fate.KEEP else request.extra + wire.CLOSE
        if refusal is not None:
            self.refuse(refusal)
        else:
            self._server.serve(self, request)

    def _finish(self) -> None:
        """Go on to the next request, or hang up."""
        self.holder = None
        self._busy = self._streaming = False
        self._since = None
        if self._fate is Fate.KEEP:
            if not self._stepping:
                self._step()
            return
        self._ending = True
        transport = self._transport
        if transport is None:
            return
        if self._fate is Fate.CLOSE:
            transport.close()
        elif transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()  # to close now would reset the connection, and the reason might never be read

    def _go_on(self) -> None:
        if self._transport is not None and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # --- answers ------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error."""
        self.answer(refusal.status, wire.JSON + refusal.fields, refusal.body)

    def done(self, status: int, fields: bytes = b"") -> None:
        """Answer with nothing but a status."""
        self.answer(status, fields, b"")

    def answer(self, status: int, fields: bytes, *body: bytes | memoryview) -> None:
        """Answer with a document, in parts where copying it would cost; then go on to the next request."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            size = sum(map(len, body))
            head = wire.head(status, self._extra, fields, wire.length(size))
            if size < HIGH_WATER:
                transport.write(b"".join((head, *body)))
            else:
                transport.writelines((head, *body))
        self._finish()

    def begin(self, fields: bytes, first: bytes = b"") -> None:
        """Answer with a stream of events; it goes on until `end`."""
        self._streaming = True
        framing = wire.CHUNKED if self._chunked else b""
        head = wire.head(200, self._extra, wire.EVENTS, framing, fields)
        self._write(head + self._framed(first) if first else head)

    def more(self, data: bytes) -> None:
        """Send events on the stream."""
        self._write(self._framed(data))

    def end(self, data: bytes = b"") -> None:
        """Send the last events, if any, and end the stream."""
        last = wire.LAST_CHUNK if self._chunked else b""
        self._write(self._framed(data) + last if data else last)
        self._finish()

    def _framed(self, data: bytes) -> bytes:
        return wire.chunk(data) if self._chunked else data

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._since = None
        transport.write(data)
        if self._clogged:
            unread = self._unread
            if unread > self._server.bounds.backlog_bytes:
                log.warning("client disconnected: it does not read", peer=self.peer, unread=unread)
                transport.abort()

    @property
    def _unread(self) -> int:
        """Bytes the client has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at how long the current state has lasted.

        Args:
            now: monotonic seconds.
        """
        if self._since is None:
            self._since = now
            return
        limit, too_long = self._limit()
        if now - self._since > limit:
            too_long()

    def _limit(self) -> tuple[float, Callable[[], None]]:
        """Return how many seconds the current state may last, and what ends it."""
        bounds = self._server.bounds
        if self._ending:
            return (bounds.body_timeout if self._unread else LINGER), self.abort
        if self._busy:
            return QUIET, self._quiet
        if self._reader.stage is Stage.HEAD:
            return bounds.header_timeout, functools.partial(self._too_slow, "head", bounds.header_timeout)
        if self._reader.stage is Stage.BODY:
            return bounds.body_timeout, functools.partial(self._too_slow, "body", bounds.body_timeout)
        return bounds.keepalive_timeout, self.close

    def _quiet(self) -> None:
        self._since = None
        if self._streaming:
            self.more(wire.KEEP_ALIVE)
        elif self.holder is not None:
            self.holder.quiet(self)

    def _too_slow(self, part: str, seconds: float) -> None:
        log.info("client disconnected: too slow", peer=self.peer, part=part, seconds=seconds)
        self._reader.give_up(Refusal(408, f"the request's {part} did not come within {seconds:g} s"))
        self._step()

    def close(self) -> None:
        """Hang up after what has been written is sent."""
        self._ending = True
        self._since = None
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()
