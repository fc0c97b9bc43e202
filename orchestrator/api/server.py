"""HTTP in the daemon's own loop: uvicorn; on the Unix socket the peer's user is checked on every connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.api.callers import user
from orchestrator.telemetry.logging import get_logger

log = get_logger("api")

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"


class PeerCheckedProtocol(H11Protocol):
    """Serves root and the daemon's own user; the request's client host is the user's name.

    A process id says nothing a day later, so it stands in the log alone, at level debug.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at who connects before anything is read."""
        sock: socket.socket = transport.get_extra_info("socket")
        pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in {0, os.geteuid()}:
            log.warning("control connection refused", uid=uid, pid=pid)
            transport.write(FORBIDDEN + b'{"reason": "only root and the user that runs the daemon may use it"}')
            transport.close()
            self.transport = transport
            return
        super().connection_made(transport)
        self.client = (user(uid), 0)
        log.debug("control connection", actor=self.client[0], pid=pid)

    def data_received(self, data: bytes) -> None:
        """Ignore what a refused peer still sends."""
        if not self.transport.is_closing():
            super().data_received(data)


class ControlServer(uvicorn.Server):
    """uvicorn without its own signal handling: the daemon has one owner for signals."""

    def __init__(self, app: ASGIApp, protocol: type[H11Protocol], connections: int | None = None) -> None:
        """Build a server for an app.

        Args:
            app: what is served.
            protocol: how connections are spoken to: `PeerCheckedProtocol` on a Unix socket.
            connections: how many there may be at the same time; no bound by default.
        """
        config = uvicorn.Config(
            app,
            http=protocol,
            limit_concurrency=connections,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    def finish(self) -> None:
        """Let `serve` return after the requests under way."""
        self.should_exit = True
