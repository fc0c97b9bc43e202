"""What a connection needs of those above it: bounds, who serves its requests, and who answers the current one.

Above: `door` serves; `posted` and `streams` answer.  Below: `connection` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.proxy.http.refusal import Refusal
from orchestrator.proxy.http.request import Request

if TYPE_CHECKING:
    from orchestrator.proxy.http.connection import HttpConnection

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


class Holder(Protocol):
    """Who answers a request."""

    def lost(self, connection: HttpConnection) -> None:
        """The client is gone before the answer was whole."""
        ...

    def quiet(self, connection: HttpConnection) -> None:
        """Nothing has been sent for `QUIET` seconds."""
        ...


class Server(Protocol):
    """Who serves the requests of all connections (the door)."""

    bounds: Bounds

    def connected(self, connection: HttpConnection) -> Refusal | None:
        """A client connected; the answer is the reason to refuse it."""
        ...

    def screen(self, request: Request) -> Refusal | None:
        """A request's head is there; the answer is the reason to refuse it."""
        ...

    def serve(self, connection: HttpConnection, request: Request) -> None:
        """A request is there; it must be answered on its connection exactly once."""
        ...

    def disconnected(self, connection: HttpConnection) -> None:
        """A client is gone."""
        ...
