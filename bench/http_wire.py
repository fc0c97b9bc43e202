"""MCP over HTTP as bytes, for proxies that speak nothing else.

Beside `bench.wire`.  One wire is one kept-alive HTTP/1.1 connection to 127.0.0.1 that carries one call at a time; the
connections of one client share its MCP session and its call numbers.  Answers come as JSON or as one server-sent event.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from bench.wire import IDENT, INITIALIZE, INITIALIZED, PROTOCOL, READ, AnswerError, call

HEAD = (
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
    b"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: " + PROTOCOL + b"\r\n%bContent-Length: "
)
SESSION = b"mcp-session-id:"
TIMEOUT = 20.0
"""Seconds for one answer during the handshake."""


def whole(data: bytes) -> bool:
    """Return whether `data` holds one whole HTTP response."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    head = head.lower()
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    start = head.find(b"content-length:")
    if start < 0:
        raise AnswerError(f"a response of unknown length: {head!r}")
    return len(body) >= int(head[start + 15 :].split(b"\r\n", 1)[0])


def exchange(client: socket.socket, port: int, session: bytes, body: bytes) -> bytes:
    """Post `body` and return the whole response."""
    client.sendall(HEAD % (port, session) + b"%d\r\n\r\n" % len(body) + body)
    data = b""
    while not whole(data):
        chunk = client.recv(READ)
        if not chunk:
            raise AnswerError(f"the other side closed during the handshake, after {data[:200]!r}")
        data += chunk
    return data


def open_session(port: int) -> bytes:
    """Carry out the MCP handshake and return the header line that names the session.

    Raises:
        AnswerError: the other side refused it.
    """
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
        answer = exchange(client, port, b"", INITIALIZE % PROTOCOL)
        if b'"result"' not in answer:
            raise AnswerError(f"the handshake was refused: {answer[:300]!r}")
        start = answer.lower().find(SESSION)
        session = b"" if start < 0 else answer[start : answer.index(b"\r\n", start) + 2]
        exchange(client, port, session, INITIALIZED)
    return session


class HttpWire:
    """One HTTP connection of a client."""

    def __init__(self, port: int, session: bytes, text: bytes, tool: str, numbers: Iterator[int]) -> None:
        client = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(None)
        self.source = self.sink = client.detach()
        self.head = HEAD % (port, session)
        self.pattern = call(text, tool)
        self.ends = (text[:16], text[-16:])
        self.numbers = numbers
        self.own: dict[int, int] = {}
        self.pieces: list[bytes] = []

    def request(self, first: int, count: int) -> bytes:
        """Return the bytes of call `first`; `count` is 1, for a connection carries one call at a time."""
        if count != 1:
            raise ValueError(f"{count} calls at once on one HTTP connection")
        number = next(self.numbers)
        self.own = {number: first}
        body = self.pattern % number
        return self.head + b"%d\r\n\r\n" % len(body) + body

    def send(self, number: int) -> None:
        """Write call `number` to a socket that blocks."""
        data = memoryview(self.request(number, 1))
        while data:
            data = data[os.write(self.sink, data) :]

    def receive(self) -> list[int]:
        """Read once and return the number of the call whose response is now whole.

        Raises:
            AnswerError: the response is an error, does not carry the payload, belongs to another call, or never ends.
        """
        chunk = os.read(self.source, READ)
        if not chunk:
            raise AnswerError("the other side closed")
        self.pieces.append(chunk)
        if not chunk.endswith((b"\n", b"}")):
            return []
        data = b"".join(self.pieces)
        if not whole(data):
            self.pieces = [data]
            return []
        self.pieces = []
        found = IDENT.search(data)
        if not data.startswith(b"HTTP/1.1 200") or found is None or any(end not in data for end in self.ends):
            raise AnswerError(f"not the answer that was expected: {data[:400]!r}")
        return [self.own.pop(int(found[1]))]
