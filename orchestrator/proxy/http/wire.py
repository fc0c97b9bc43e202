"""HTTP/1.1 as bytes: heads, chunks and server-sent events.  Above: `connection`, `refusal`.  Below: nothing."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

JSON: Final = b"Content-Type: application/json\r\n"
EVENTS: Final = b"Content-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
CLOSE: Final = b"Connection: close\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
KEEP_ALIVE: Final = b":\n\n"
"""A comment: what a stream says while there is nothing to say, for whatever stands between and counts seconds."""

PREFLIGHT: Final = (
    b"Access-Control-Allow-Methods: GET, POST, DELETE\r\nAccess-Control-Max-Age: 600\r\n"
    b"Access-Control-Allow-Headers: *, Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, "
    b"MCP-Protocol-Version, Mcp-Method, Mcp-Name\r\n"
)
"""What a page of another origin may send; the star covers the tools' own `Mcp-Param-*`, and never `Authorization`."""

_LINES: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class _Dated:
    """The `Date` header, written anew once a second at most."""

    second = 0
    line = b""


def head(status: int, *fields: bytes) -> bytes:
    """Return a response's head; each field ends with CRLF."""
    return b"".join((_LINES[status], date(), *fields, b"\r\n"))


def date() -> bytes:
    """Return the `Date` header's line."""
    now = int(time.time())
    if now != _Dated.second:
        _Dated.second, _Dated.line = now, b"Date: %b\r\n" % formatdate(now, usegmt=True).encode()
    return _Dated.line


def shared_with(origin: bytes) -> bytes:
    """Return the lines that let a page of another origin read an answer."""
    return (
        b"Access-Control-Allow-Origin: %b\r\nVary: Origin\r\n"
        b"Access-Control-Expose-Headers: Mcp-Session-Id, WWW-Authenticate\r\n" % origin
    )


def length(size: int) -> bytes:
    """Return the line that says how long a body is."""
    return b"Content-Length: %d\r\n" % size


def chunk(data: bytes) -> bytes:
    """Return one chunk of a body whose length is not known."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: bytes, event_id: bytes = b"") -> bytes:
    """Return a server-sent event that carries one JSON-RPC message.

    Args:
        data: the message as JSON; a carriage return in it, which can only stand between tokens, would end the line.
        event_id: its id, empty for none.
    """
    if b"\r" in data:
        data = data.replace(b"\r", b" ")
    if event_id:
        return b"id: %b\nevent: message\ndata: %b\n\n" % (event_id, data)
    return b"event: message\ndata: %b\n\n" % data


def priming(event_id: bytes, retry: int) -> bytes:
    """Return the event that gives a client an id to resume from before there is a message.

    Args:
        event_id: the id.
        retry: milliseconds it should wait before it comes back.
    """
    return b"id: %b\nretry: %d\ndata: \n\n" % (event_id, retry)
