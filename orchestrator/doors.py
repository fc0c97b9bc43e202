"""Where people and clients come in: `tools.sock` and HTTP for MCP, `control.sock` for the control plane.

Above: `daemon`.  Below: `proxy.listener` binds, `proxy.http` and `api` serve.
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
from orchestrator.domain.errors import StartError
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.http.catalogue import Catalogue
from orchestrator.proxy.http.door import HttpDoor
from orchestrator.proxy.http.rules import access_of, bounds_of
from orchestrator.proxy.listener import bind
from orchestrator.proxy.session import SessionOwner
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.settings import Paths, Settings, Sockets
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    from orchestrator.api.app import Control
    from orchestrator.api.server import ControlServer


log = get_logger("daemon")


BACKLOG = 512
"""TCP connections that may wait to be accepted: a crowd of clients coming back at once."""


@dataclass(frozen=True, slots=True)
class OpenHttp:
    """MCP over HTTP while it is served.

    Attributes:
        door: who serves.
        address: what it is bound to.
        url: where clients find it.
    """

    door: HttpDoor
    address: str
    url: str

    def reload(self, settings: Settings) -> None:
        """Take over what may change while running.

        Raises:
            SettingsError: the tokens cannot be read, or there are none left; then nothing has changed.
        """
        self.door.access = access_of(settings, self.address)
        self.door.bounds = bounds_of(settings)


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
    async def http_plane(
        self, settings: Settings, owner: SessionOwner, dispatcher: Dispatcher
    ) -> AsyncIterator[OpenHttp | None]:
        """Accept clients over HTTP while inside, if that is configured or systemd handed a socket over for it.

        Raises:
            StartError: the address is taken or cannot be used.
            SettingsError: strangers could reach it, or the tokens cannot be read.
        """
        listener = self.activated.get("http")
        if listener is None and settings.http.listen is None:
            yield None
            return
        if listener is None:
            listener = _listener(settings)
        address, port = listener.getsockname()[:2]
        door = HttpDoor(owner, bounds_of(settings), access_of(settings, address), Catalogue(dispatcher).mirrors)
        server = await asyncio.get_running_loop().create_server(door.connect, sock=listener, backlog=BACKLOG)
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}/mcp"
        log.info("http door open", url=url, tokens=len(door.access.tokens))
        try:
            yield OpenHttp(door, address, url)
        finally:
            server.close()
            door.close()

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


def _listener(settings: Settings) -> socket.socket:
    host, port = settings.http.place
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise StartError(f"cannot listen on {settings.http.listen}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {settings.http.listen}: {error.strerror or error}") from error
    listener.settimeout(0)
    return listener


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
