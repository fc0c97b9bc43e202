"""A client's connection to `tools.sock`: a plain value, and the socket it is spoken over.

The value outlives any worker and can be written down; the socket is this process's affair.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
from msgspec import UNSET

from orchestrator.domain.errors import INVALID_REQUEST, PARSE_ERROR, Code
from orchestrator.proxy import codec
from orchestrator.proxy.lines import LineReader
from orchestrator.proxy.outbox import Outbox, Turn
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    from orchestrator.proxy.ledger import Call

log = get_logger("proxy")

NUMBER_OR_STRING = frozenset(b'"-0123456789')
"""First bytes of the ids JSON-RPC allows."""
HIGH_WATER = 1 << 20
"""Bytes a client may leave unread before we stop reading its requests."""


class SessionValue(msgspec.Struct):
    """What a session is, apart from its socket.

    Attributes:
        id: unique name; also the default assignment key.
        opened: wall time, Unix seconds.
        pid: peer's process id, 0 where the peer cannot be known.
        uid: peer's user id, -1 likewise.
        gid: peer's group id, -1 likewise.
        version: protocol version this session was answered with, "" before `initialize`.
        client: the client's name and version as it gave them.
        capabilities: what the client offered.
    """

    id: str
    opened: float
    pid: int = 0
    uid: int = -1
    gid: int = -1
    version: str = ""
    client: dict[str, Any] = {}
    capabilities: dict[str, Any] = {}


class SessionOwner(Protocol):
    """Who takes a session's messages (the dispatcher)."""

    def opened(self, session: ClientSession) -> str | None:
        """A client connected; the answer is the reason to refuse it, None to welcome it."""
        ...

    def requested(
        self, session: ClientSession, written_id: bytes, method: str, params: codec.Params, tail: bytes | memoryview
    ) -> None:
        """A client sent a request.

        Args:
            session: who.
            written_id: the id exactly as the client wrote it.
            method: the JSON-RPC method.
            params: what routing reads of the parameters.
            tail: the request from after its id on (see `codec.tail_of`).
        """
        ...

    def notified_by(self, session: ClientSession, message: codec.Message) -> None:
        """A client sent a notification."""
        ...

    def closed(self, session: ClientSession) -> None:
        """A client is gone."""
        ...


class ClientSession(LineReader):
    """Speaks newline-delimited JSON-RPC with one client."""

    def __init__(self, value: SessionValue, owner: SessionOwner, turn: Turn, line_bytes: int, backlog: int) -> None:
        """Build a session.

        Args:
            value: its serialisable part; the peer is filled in on connection.
            owner: takes its messages.
            turn: groups writes.
            line_bytes: longest line accepted.
            backlog: bytes the client may leave unread before it is disconnected.
        """
        super().__init__(line_bytes)
        self.value = value
        self.calls: dict[bytes, Call] = {}
        self.outbox = Outbox(turn)
        self._owner = owner
        self._turn = turn
        self._line_bytes = line_bytes
        self._backlog = backlog
        self._transport: asyncio.Transport | None = None
        self._holds = 0
        self._clogged = False
        self._refused = False

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Welcome the client, or say why not and hang up."""
        stream = cast("asyncio.Transport", transport)  # uvloop's transports do not inherit asyncio's
        self._transport = self.outbox.transport = stream
        stream.set_write_buffer_limits(high=HIGH_WATER)
        self.value.pid, self.value.uid, self.value.gid = _peer(stream)
        refusal = self._owner.opened(self)
        if refusal:
            self._refused = True
            stream.write(codec.refusal_line(b"null", Code.OVERLOADED, refusal, retryable=True, generation=None))
            stream.close()

    def lines_received(self, lines: list[bytes]) -> None:
        """Hand each line on; what the workers are to get is written once at the end."""
        if self._refused:
            return
        self._turn.inside = True
        for line in lines:
            if line:
                self._line(line)
        self._turn.flush()

    def overlong_received(self, head: bytes) -> None:  # noqa: ARG002 - whose request it was does not matter here
        """Say that a line was too long."""
        reason = f"the line is longer than {self._line_bytes} bytes (limits.line_bytes)"
        self.outbox.put(codec.error_line(b"null", INVALID_REQUEST, reason))

    def eof_received(self) -> bool:
        """Hang up when the client does, calls in flight included."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the owner that the client is gone."""
        self.outbox.transport = None
        if not self._refused:
            self._owner.closed(self)

    def pause_writing(self) -> None:
        """Stop reading requests of a client that does not read its answers."""
        self._clogged = True
        self._hold()

    def resume_writing(self) -> None:
        """Go on reading."""
        self._clogged = False
        self._release()

    # --- the proxy's side ---------------------------------------------------------------------

    def put(self, line: bytes) -> None:
        """Send a line; a client that leaves too much unread is disconnected."""
        self.outbox.put(line)
        if self._clogged:
            self._check_backlog()

    def _check_backlog(self) -> None:
        if self.outbox.backlog > self._backlog:
            log.warning("client disconnected: it does not read", session=self.value.id, unread=self.outbox.backlog)
            self.abort()

    def answer(self, line: bytes, client_id: bytes) -> None:
        """Send a worker's answer under the client's own id."""
        self.outbox.put_spliced(*codec.answer_parts(line, client_id))
        if self._clogged:
            self._check_backlog()

    def block(self) -> None:
        """Stop reading this client because the worker it calls does not keep up."""
        self._hold()

    def unblock(self) -> None:
        """Go on reading."""
        self._release()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Hang up after what has been written is sent."""
        self.outbox.flush()
        if self._transport is not None:
            self._transport.close()

    def _hold(self) -> None:
        self._holds += 1
        if self._holds == 1 and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _release(self) -> None:
        self._holds -= 1
        if not self._holds and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _line(self, line: bytes) -> None:
        try:
            request = codec.decode_request(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._odd_line(line)
            return
        if request.id is UNSET or request.method is UNSET:
            self._odd_line(line)
            return
        written = bytes(request.id)
        if written[0] in NUMBER_OR_STRING:
            params = request.params
            self._owner.requested(
                self,
                written,
                request.method,
                codec.NO_PARAMS if params is UNSET else params,
                codec.tail_of(line, written),
            )
        else:
            self._bad_id()

    def _odd_line(self, line: bytes) -> None:
        """Handle what is no plain request: a notification, an answer, unusual parameters, or nonsense."""
        try:
            message = codec.decode_message(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._bad_line(line, error)
            return
        if message.method is UNSET:
            self._no_method(message)
        elif message.id is UNSET:
            self._owner.notified_by(self, message)
        elif bytes(message.id)[0] in NUMBER_OR_STRING:
            tail = codec.request_tail(message.method, message.params)
            self._owner.requested(self, bytes(message.id), message.method, codec.NO_PARAMS, tail)
        else:
            self._bad_id()

    def _bad_id(self) -> None:
        self.outbox.put(codec.error_line(b"null", INVALID_REQUEST, "a request's id is a string or a number"))

    def _bad_line(self, line: bytes, error: Exception) -> None:
        if line.lstrip().startswith(b"["):
            reason = "batches are not supported: send one JSON-RPC message a line"
            self.outbox.put(codec.error_line(b"null", INVALID_REQUEST, reason))
        elif isinstance(error, msgspec.ValidationError):
            self.outbox.put(codec.error_line(b"null", INVALID_REQUEST, f"not a JSON-RPC message: {error}"))
        else:
            self.outbox.put(codec.error_line(b"null", PARSE_ERROR, f"the line is not JSON: {error}"))

    def _no_method(self, message: codec.Message) -> None:
        """Handle a message that is no request: an answer to nothing we asked, or no message at all."""
        if message.result is not UNSET or message.error is not UNSET:
            log.debug("client answered a request it was never sent", session=self.value.id)
            return
        named = b"null" if message.id is UNSET else bytes(message.id)
        answerable = named[0] in NUMBER_OR_STRING and named not in self.calls
        client_id = named if answerable else b"null"
        self.outbox.put(codec.error_line(client_id, INVALID_REQUEST, "the message has no method"))


def _peer(transport: asyncio.Transport) -> tuple[int, int, int]:
    """Return the peer's (pid, uid, gid) as the kernel vouches for them (SO_PEERCRED)."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return 0, -1, -1
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid
