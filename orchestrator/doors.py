"""The sockets people and clients come in by: `tools.sock` for MCP, `control.sock` for the control plane.

Above: `daemon`.  Below: `proxy.listener` binds, `api` serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from orchestrator import VERSION
from orchestrator.proxy.listener import bind
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.settings import Paths, Sockets

if TYPE_CHECKING:
    from orchestrator.api.app import Control
    from orchestrator.api.server import ControlServer


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to listen.

    Attributes:
        paths: places of the sockets.
        sockets: mode, group and backlog of `tools.sock`.
        activated: listening sockets handed over by systemd, by name; they are used as they are and stay.
    """

    paths: Paths
    sockets: Sockets
    activated: Mapping[str, socket.socket]

    @contextlib.asynccontextmanager
    async def tool_plane(self, session: Callable[[], SocketSession]) -> AsyncIterator[None]:
        """Accept clients on `tools.sock` while inside.

        Raises:
            StartError: the socket is taken or cannot be made.
        """
        path, listener = self.paths.tools_socket, self.activated.get("tools")
        if listener is None:
            listener = bind(path, self.sockets.mode, self.sockets.group, self.sockets.backlog)
        server = await asyncio.get_running_loop().create_unix_server(session, sock=listener)
        try:
            yield
        finally:
            server.close()
            if "tools" not in self.activated:
                path.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def control_plane(self, control: Control) -> AsyncIterator[None]:
        """Serve `control.sock` while inside.  Its libraries are loaded while the worker starts.

        Raises:
            StartError: the socket is taken or cannot be made.
        """
        path, listener = self.paths.control_socket, self.activated.get("control")
        if listener is None:
            listener = bind(path, 0o600, None, self.sockets.backlog)
        server = await anyio.to_thread.run_sync(_build_server, control)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.finish()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([serving])
            if "control" not in self.activated:
                path.unlink(missing_ok=True)


def _build_server(control: Control) -> ControlServer:
    from orchestrator.api.app import build  # noqa: PLC0415 - FastAPI takes 0.2 s to import; the worker starts first
    from orchestrator.api.server import ControlServer  # noqa: PLC0415 - likewise

    return ControlServer(build(control, VERSION))


@contextlib.contextmanager
def signals(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Have the loop call these handlers while inside."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
