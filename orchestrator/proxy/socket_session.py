"""A session on `tools.sock`: newline-delimited JSON-RPC over a Unix socket.

Above: the daemon's listener makes one per connection.  Below: `session` reads the messages, `lines` the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import cast

from orchestrator.domain.errors import INVALID_REQUEST, PARSE_ERROR, Code
from orchestrator.proxy import codec
from orchestrator.proxy.batch import Batch
from orchestrator.proxy.lines import LineReader
from orchestrator.proxy.mcp import CANCELLED
from orchestrator.proxy.outbox import LONG, Outbox, Turn
from orchestrator.proxy.session import Session, SessionOwner
from orchestrator.proxy.session_value import SessionValue
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")

HIGH_WATER = 1 << 20
"""Bytes a client may leave unread before we stop reading its requests; also what the kernel may hold for it."""


class SocketSession(LineReader, Session):
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
        LineReader.__init__(self, line_bytes)
        Session.__init__(self, value, owner)
        self.outbox = Outbox(turn)
        self._turn = turn
        self._line_bytes = line_bytes
        self._backlog = backlog
        self._transport: asyncio.Transport | None = None
        self._holds = 0
        self._clogged = False
        self._held_back = False
        self._refused = False
        self._batches: dict[bytes, Batch] = {}
        self._collecting: Batch | None = None

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Welcome the client, or say why not and hang up."""
        stream = cast("asyncio.Transport", transport)  # uvloop's transports do not inherit asyncio's
        self._transport = stream
        self.outbox.open(stream)
        with contextlib.suppress(OSError):
            stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH_WATER)
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
        try:
            for line in lines:
                if line:
                    self.take(line)
        finally:
            self._turn.flush()

    def overlong_received(self, head: bytes, tail: bytes) -> None:
        """Say that a line was too long."""
        reason = f"the line is longer than {self._line_bytes} bytes (limits.line_bytes)"
        self.complain(INVALID_REQUEST, reason, self.nameable(head, tail))

    def undecodable_received(self, line: bytes) -> None:
        """Say that a line was not UTF-8."""
        self.complain(PARSE_ERROR, "the line is not UTF-8, and so not JSON", self.nameable(line, line))

    def eof_received(self) -> bool:
        """Hang up when the client does, calls in flight included."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the owner that the client is gone."""
        self.outbox.transport = None
        if not self._refused:
            self._owner.closed(self)

    def pause_writing(self) -> None:
        """Note that the client does not take its answers as they come; `put` sees to how many wait."""
        self._clogged = True

    def resume_writing(self) -> None:
        """Go on reading."""
        self._clogged = False
        if self._held_back:
            self._held_back = False
            self._release()

    # --- the proxy's side ---------------------------------------------------------------------

    def put(self, line: bytes, of: bytes | None = None) -> None:
        """Send a line; a client that leaves too much unread is disconnected."""
        if (self._batches or self._collecting is not None) and self._collected(line, of):
            return
        self.outbox.put(line)
        if self._clogged:
            self._check_backlog()

    def _check_backlog(self) -> None:
        unread = self.outbox.backlog
        if unread > HIGH_WATER and not self._held_back:
            self._held_back = True
            self._hold()
        if self.outbox.transport is not None and unread > self._backlog:
            log.warning("client disconnected: it does not read", session=self.value.id, unread=unread)
            self.abort()

    def answer(self, line: bytes, client_id: bytes) -> None:
        """Send a worker's answer under the client's own id."""
        if self._batches and (batch := self._batches.pop(client_id, None)) is not None:
            batch.answered(codec.answer_parts(line, client_id), client_id)
            return
        comma = line.find(b",", codec.ID_AT, codec.ID_AT + codec.LONGEST_ID)
        if comma > 0 and len(line) < LONG and line.startswith(codec.PREFIX):
            self.outbox.put(b"".join((codec.PREFIX, client_id, line[comma:], b"\n")))
        else:
            self.outbox.put_spliced(*codec.answer_parts(line, client_id))
        if self._clogged:
            self._check_backlog()

    # --- batches ------------------------------------------------------------------------------

    def take_members(self, members: list[bytes]) -> None:
        """Take the messages of a batch; each one's answer is kept until all are there."""
        batch = self._collecting = Batch(lambda answers: self.put(answers + b"\n"))
        for member in members:
            open_before = len(self.calls)
            self.take_member(member)
            if len(self.calls) > open_before:
                batch.expect()
                self._batches[next(reversed(self.calls))] = batch
        self._collecting = None
        batch.seal()

    def complain(self, code: int, reason: str, written: bytes = b"null") -> None:
        """Answer a message that cannot be taken, within its batch if it is part of one."""
        if self._collecting is None:
            super().complain(code, reason, written)
        else:
            self._collecting.add([codec.error_line(written, code, reason)[:-1]], written)

    def noticed(self, message: codec.Message) -> None:
        """Expect no answer to what was cancelled."""
        if message.method == CANCELLED:
            for client_id in [each for each in self._batches if each not in self.calls]:
                self._batches.pop(client_id).dropped()

    def _collected(self, line: bytes, of: bytes | None) -> bool:
        """Keep a line if it is an answer to a message of a batch; a message being taken may be answered at once."""
        if of is None or not codec.is_answer(line, of):
            return False
        batch = self._batches.pop(of, None)
        if batch is not None:
            batch.answered([line[:-1]], of)
        elif self._collecting is not None:
            self._collecting.add([line[:-1]], of)
        return batch is not None or self._collecting is not None

    # --- flow -----------------------------------------------------------------------------------

    def block(self) -> None:
        """Stop reading this client because the worker it calls does not keep up."""
        self._hold()

    def unblock(self) -> None:
        """Go on reading."""
        self._release()

    def abort(self) -> None:
        """Hang up at once; what is still put is dropped."""
        self.outbox.transport = None
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


def _peer(transport: asyncio.Transport) -> tuple[int, int, int]:
    """Return the peer's (pid, uid, gid) as the kernel vouches for them (SO_PEERCRED)."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return 0, -1, -1
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid
