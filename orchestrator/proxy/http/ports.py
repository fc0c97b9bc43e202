"""What a connection and those above it ask of each other: bounds, who serves, who answers, and what is answered on.

Above: `door` serves; `posted` and `streams` answer; `connection` is what they answer on.  Below: nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.proxy.http.refusal import Refusal
from orchestrator.proxy.http.request import Request

QUIET = 15.0
"""Seconds of silence after which a stream says that it lives; intermediaries give up after 30 and more."""


@dataclass(slots=True)
class Bounds:
    """What clients may cost; replaced on reload.

    Attributes:
        connections: open at once.
        body_bytes: longest body.
        header_timeout: seconds for a request's head.
        body_timeout: seconds for its body.
        keepalive_timeout: seconds a connection may stay open without a request.
        session_timeout: seconds a session may stay without request or stream.
        event_bytes: bytes of events kept for each session.
        backlog_bytes: bytes a client may leave unread.
    """

    connections: int = 1024
    body_bytes: int = 4 << 20
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    keepalive_timeout: float = 120.0
    session_timeout: float = 3600.0
    event_bytes: int = 1 << 20
    backlog_bytes: int = 64 << 20


class Connection(Protocol):
    """One client's connection, as those see it who answer on it.

    Attributes:
        peer: the client's address.
        holder: who answers the current request, None while nobody has to be told of its end.
        gone: whether nothing can be answered any more.
    """

    peer: str
    holder: Holder | None
    gone: bool

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error."""
        ...

    def done(self, status: int, fields: bytes = b"") -> None:
        """Answer with nothing but a status."""
        ...

    def answer(self, status: int, fields: bytes, *body: bytes | memoryview) -> None:
        """Answer with a document."""
        ...

    def begin(self, fields: bytes, first: bytes = b"") -> None:
        """Answer with a stream of events; it goes on until `end`."""
        ...

    def more(self, data: bytes) -> None:
        """Send events on the stream."""
        ...

    def end(self, data: bytes = b"") -> None:
        """Send the last events, if any, and end the stream."""
        ...

    def tick(self, now: float) -> None:
        """Look at how long the current state has lasted; `now` in monotonic seconds."""
        ...

    def close(self) -> None:
        """Hang up after what has been written is sent."""
        ...


class Holder(Protocol):
    """Who answers a request."""

    def lost(self, connection: Connection) -> None:
        """The client is gone before the answer was whole."""
        ...

    def quiet(self, connection: Connection) -> None:
        """Nothing has been sent for `QUIET` seconds."""
        ...


class Server(Protocol):
    """Who serves the requests of all connections (the door)."""

    bounds: Bounds

    def connected(self, connection: Connection) -> Refusal | None:
        """A client connected; the answer is the reason to refuse it."""
        ...

    def screen(self, request: Request) -> Refusal | None:
        """A request's head is there; the answer is the reason to refuse it."""
        ...

    def serve(self, connection: Connection, request: Request) -> None:
        """A request is there; it must be answered on its connection exactly once."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """A client is gone."""
        ...
