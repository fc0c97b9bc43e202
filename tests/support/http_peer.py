"""The other side of an HTTP door without a socket: what it writes is kept, what it is sent is handed over at once.

Above: the unit tests of `proxy.http`.  Below: httptools, as a second opinion on what was written.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httptools

from orchestrator.proxy import codec
from orchestrator.proxy.http.access import Access
from orchestrator.proxy.http.connection import HttpConnection
from orchestrator.proxy.http.door import HttpDoor
from orchestrator.proxy.http.mirrored import Mirror
from orchestrator.proxy.http.ports import Bounds
from orchestrator.proxy.session import Session

JSON = {
    "host": "localhost",
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
STATELESS_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Response:
    """One response, whole or not."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def events_expected(self) -> bool:
        """Whether it is a stream."""
        return self.headers.get("content-type") == "text/event-stream"

    @property
    def events(self) -> list[dict[str, str]]:
        """The body's server-sent events; comments are left out."""
        blocks = self.body.decode().split("\n\n")[:-1]
        return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if block[0] != ":"]

    @property
    def messages(self) -> list[Any]:
        """The JSON-RPC messages of the events."""
        return [json.loads(event["data"]) for event in self.events if event["data"]]


class _Responses:
    def __init__(self, data: bytes) -> None:
        self.all: list[Response] = []
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.all.append(Response())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.all[-1].headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.all[-1].status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.all[-1].body += body

    def on_message_complete(self) -> None:
        self.all[-1].whole = True


def parsed(data: bytes) -> list[Response]:
    """Return the responses in what a door has written; the last one need not be whole."""
    return _Responses(data).all


class FakeTransport(asyncio.Transport):
    """Keeps what is written; a slow peer is made by `clog`."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.unread = 0
        self.closed = False
        self.aborted = False
        self.eof = False
        self.paused = False
        self.clogged = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return ("127.0.0.1", 5)
        return self if name == "socket" else default

    def setsockopt(self, *_: object) -> None:
        """Take socket options and forget them."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take no limits: the test says when the peer is slow."""

    def get_write_buffer_size(self) -> int:
        return self.unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data
        if self.clogged:
            self.unread += len(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Peer:
    """A client on one connection."""

    def __init__(self, connection: HttpConnection) -> None:
        self.connection = connection
        self.transport = FakeTransport()
        connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        view = self.connection.get_buffer(-1)
        for start in range(0, len(data), len(view)):
            piece = data[start : start + len(view)]
            view[: len(piece)] = piece
            self.connection.buffer_updated(len(piece))

    def request(self, method: str, body: bytes = b"", **headers: str | None) -> Response:
        """Send a request; header names take `_` for `-`, None leaves one out.  Returns the newest response so far."""
        given = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        head = "\r\n".join((f"{method} /mcp HTTP/1.1", f"Content-Length: {len(body)}", *lines))
        self.send(head.encode() + b"\r\n\r\n" + body)
        return self.last

    def post(self, message: Any, **headers: str | None) -> Response:
        """Post a message."""
        return self.request("POST", json.dumps(message, separators=(",", ":")).encode(), **headers)

    @property
    def responses(self) -> list[Response]:
        """All that has been answered, the last one perhaps not to its end."""
        return parsed(bytes(self.transport.written))

    @property
    def last(self) -> Response:
        """The newest response, an empty one when there is none."""
        return self.responses[-1] if self.transport.written else Response()

    def hang_up(self) -> None:
        """Close the connection."""
        self.transport.closed = True
        self.connection.connection_lost(None)


@dataclass
class Taken:
    """A request the owner has been handed."""

    session: Session
    id: bytes
    method: str
    tail: bytes

    def answer(self, **result: Any) -> None:
        """Answer as a worker does."""
        line = b'{"jsonrpc":"2.0","id":99,"result":%b}' % json.dumps(result).encode()
        self.session.answer(line, self.id)
        self.session.calls.pop(self.id, None)

    def fail(self, code: int) -> None:
        """Answer with an error as a worker does."""
        self.session.answer(b'{"jsonrpc":"2.0","id":99,"error":{"code":%d,"message":"no"}}' % code, self.id)
        self.session.calls.pop(self.id, None)

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification that belongs to it."""
        self.session.put(codec.notification_line(method, params), self.id)


class FakeOwner:
    """Takes what sessions are sent; `initialize` is answered at once; fits `session.SessionOwner`."""

    def __init__(self, version: str = "2025-11-25") -> None:
        self.version = version
        self.refusal: str | None = None
        self.sessions: list[Session] = []
        self.taken: list[Taken] = []
        self.notices: list[str] = []
        self.replies: list[bytes] = []
        self.ended: list[Session] = []

    def opened(self, session: Session) -> str | None:
        if self.refusal is None:
            self.sessions.append(session)
        return self.refusal

    def requested(
        self, session: Session, written_id: bytes, method: str, params: codec.Params, tail: bytes | memoryview
    ) -> None:
        assert params is not None
        session.calls[written_id] = None  # type: ignore[assignment]  # only its keys are looked at
        self.taken.append(Taken(session, written_id, method, bytes(tail)))
        if method == "initialize" and self.version:
            session.value.version = self.version
            session.put(codec.result_line(written_id, {"protocolVersion": self.version}), written_id)
            del session.calls[written_id]

    def notified_by(self, session: Session, message: codec.Message) -> None:
        self.notices.append(str(message.method))
        if message.method == "notifications/cancelled":
            session.calls.clear()

    def replied(self, session: Session, message: codec.Message) -> None:
        assert session in self.sessions
        self.replies.append(bytes(message.id))  # type: ignore[arg-type]  # answers have ids

    def closed(self, session: Session) -> None:
        self.ended.append(session)


class World:
    """A door with its owner; new clients come by `peer`."""

    def __init__(self, version: str = "2025-11-25", mirrored: tuple[Mirror, ...] = (), **bounds: Any) -> None:
        self.owner = FakeOwner(version)
        self.door = HttpDoor(self.owner, Bounds(**bounds), Access(), lambda _key, _tool: mirrored)

    def peer(self) -> Peer:
        """Connect a client."""
        return Peer(self.door.connect())

    def session(self, peer: Peer | None = None) -> str:
        """Begin a session; return its id."""
        answer = (peer or self.peer()).post(INITIALIZE)
        return answer.headers["mcp-session-id"]

    @property
    def latest(self) -> Taken:
        """The request that was taken last."""
        return self.owner.taken[-1]

    def pass_time(self, peer: Peer, seconds: float) -> None:
        """Let a connection see that time has passed since it was last looked at."""
        now = asyncio.get_running_loop().time()
        peer.connection.tick(now)
        peer.connection.tick(now + seconds)


INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def call(number: Any = 1, **params: Any) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "echo", **params}}
