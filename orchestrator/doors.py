"""Where people and clients come in: `tools.sock` and HTTP for MCP, `control.sock` for the control plane, and signals.

Above: `daemon`.  Below: `proxy.listener` binds, `proxy.http` and `api` serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.abc import TaskGroup

from orchestrator import VERSION
from orchestrator.api.verbs import RefusedError, Told, Verbs
from orchestrator.domain.errors import SettingsError, StartError
from orchestrator.domain.ports import TokenReader
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.listener import bind
from orchestrator.proxy.session import SessionOwner
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.settings import Paths, Settings, Sockets
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.sd_notify import Notify

if TYPE_CHECKING:
    from orchestrator.api.app import Control
    from orchestrator.api.planes import Planes
    from orchestrator.api.tcp.tcp import TcpDoor
    from orchestrator.proxy.http.door import HttpDoor


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

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Read what may change while running, and return how to take it over.

        Raises:
            SettingsError: the tokens cannot be read, or there are none left.
        """
        from orchestrator.proxy.http.rules import access_of, bounds_of  # noqa: PLC0415 - loaded with the door

        access, bounds = access_of(settings, self.address, self.door.access.reader), bounds_of(settings)

        def take_over() -> None:
            self.door.access, self.door.bounds = access, bounds

        return take_over


@dataclass(frozen=True, slots=True)
class OpenControl:
    """The control plane while it is served.

    Attributes:
        tokens: who knows signed tokens.
        door: what stands before it over TCP, None where it is not served there.
        address: what that is bound to.
    """

    tokens: TokenReader
    door: TcpDoor | None
    address: str

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Read what may change while running, and return how to take it over.

        Raises:
            SettingsError: the tokens cannot be read, or there are none left.
        """
        door = self.door
        if door is None:
            return lambda: None
        from orchestrator.api.tcp.access import control_access  # noqa: PLC0415 - loaded with the door

        access = control_access(settings, self.address, self.tokens)

        def take_over() -> None:
            door.access = access

        return take_over


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to listen.

    Attributes:
        paths: places of the sockets.
        sockets: mode, group and backlog of `tools.sock`.
        activated: listening sockets handed over by systemd, by name; they are used as they are and stay.
        tokens: who knows signed tokens, for the doors that take them.
    """

    paths: Paths
    sockets: Sockets
    activated: Mapping[str, socket.socket]
    tokens: TokenReader | None = None

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
            listener = _listener(settings.http.listen or "", settings.http.place)
        from orchestrator.proxy.http.catalogue import Catalogue  # noqa: PLC0415 - the door's libraries, where there is one
        from orchestrator.proxy.http.door import HttpDoor  # noqa: PLC0415 - likewise
        from orchestrator.proxy.http.rules import access_of, bounds_of  # noqa: PLC0415 - likewise

        address = listener.getsockname()[0]
        access = access_of(settings, address, self.tokens)
        door = HttpDoor(owner, bounds_of(settings), access, Catalogue(dispatcher).mirrors)
        server = await asyncio.get_running_loop().create_server(door.connect, sock=listener, backlog=BACKLOG)
        url = f"{_url(listener)}/mcp"
        log.info("http door open", url=url, tokens=len(door.access.tokens))
        try:
            yield OpenHttp(door, address, url)
        finally:
            server.close()
            door.close()

    @contextlib.asynccontextmanager
    async def control_plane(self, control: Control, settings: Settings) -> AsyncIterator[OpenControl]:
        """Serve `control.sock` while inside, and TCP if that is configured; the server loads while the worker starts.

        Raises:
            StartError: the socket or the address is taken or cannot be used.
            SettingsError: the tokens for TCP cannot be read, or there are none.
        """
        path, listener = self.paths.control_socket, self.activated.get("control")
        if listener is None:
            listener = bind(path, 0o600, None, self.sockets.backlog)
        tcp = None if settings.control.listen is None else _listener(settings.control.listen, settings.control.place)
        planes = await anyio.to_thread.run_sync(_build_planes, control, settings, tcp)
        serving = [asyncio.ensure_future(planes.local.serve(sockets=[listener]))]
        if planes.tcp is not None and tcp is not None:
            serving.append(asyncio.ensure_future(planes.tcp.serve(sockets=[tcp])))
            log.info("control door open", url=_url(tcp), tokens=len(planes.door.access.tokens) if planes.door else 0)
        try:
            yield OpenControl(control.access, planes.door, "" if tcp is None else tcp.getsockname()[0])
        finally:
            planes.finish()
            with anyio.CancelScope(shield=True):
                await asyncio.wait(serving)
            if "control" not in self.activated:
                path.unlink(missing_ok=True)


def reload_doors(*doors: OpenHttp | OpenControl | None, settings: Settings) -> None:
    """Have open doors take over what may change while running: all of them, or none.

    Raises:
        SettingsError: the tokens of one cannot be read, or there are none left; then nothing has changed.
    """
    for take_over in [door.prepare(settings) for door in doors if door is not None]:
        take_over()


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def _listener(listen: str, place: tuple[str, int]) -> socket.socket:
    host, port = place
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise StartError(f"cannot listen on {listen}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {listen}: {error.strerror or error}") from error
    listener.settimeout(0)
    return listener


def _build_planes(control: Control, settings: Settings, tcp: socket.socket | None) -> Planes:
    from orchestrator.api.planes import Planes  # noqa: PLC0415 - uvicorn takes a while to import; the worker starts first

    return Planes.build(control, VERSION, settings, None if tcp is None else tcp.getsockname()[0])


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


class Signalled(Protocol):
    """What signals ask of the daemon."""

    verbs: Verbs

    def request_stop(self, actor: str) -> None:
        """Begin to drain and stop; asked again, stop at once."""
        ...

    def reload(self, actor: str) -> str:
        """Read the configuration again; raise SettingsError when it is bad."""
        ...


class Signals:
    """What each signal asks for: USR1 switch, USR2 switch back, HUP reload, TERM and INT stop; twice, at once."""

    def __init__(self, tasks: TaskGroup, daemon: Signalled, notifier: Notify, said_ready: Callable[[], bool]) -> None:
        """Build it.

        Args:
            tasks: where verbs run.
            daemon: who is asked.
            notifier: tells systemd of a reload.
            said_ready: whether systemd knows that the daemon is ready.
        """
        self._tasks = tasks
        self._daemon = daemon
        self._notifier = notifier
        self._said_ready = said_ready

    def handlers(self) -> dict[signal.Signals, Callable[[], None]]:
        """Return who handles which signal."""
        verbs, stop = self._daemon.verbs, self._daemon.request_stop
        return {
            signal.SIGUSR1: functools.partial(self._on_verb, signal.SIGUSR1, verbs.switch),
            signal.SIGUSR2: functools.partial(self._on_verb, signal.SIGUSR2, verbs.switch_back),
            signal.SIGHUP: self._on_reload,
            signal.SIGTERM: functools.partial(stop, "signal:SIGTERM"),
            signal.SIGINT: functools.partial(stop, "signal:SIGINT"),
        }

    def _on_verb(self, number: signal.Signals, verb: Callable[..., Any]) -> None:
        self._tasks.start_soon(self._by_signal, number, verb)

    async def _by_signal(self, number: signal.Signals, verb: Callable[..., Any]) -> None:
        try:
            told: Told = await verb(actor=f"signal:{number.name}")
        except RefusedError as error:
            log.warning("signal refused", signal=number.name, reason=str(error))
        else:
            log.info("signal done", signal=number.name, revision=told.revision, result=told.message)

    def _on_reload(self) -> None:
        if self._said_ready():  # systemd takes the end of a reload for readiness
            self._notifier.reloading()
        with contextlib.suppress(SettingsError):  # `reload` has logged it; the old configuration stays
            self._daemon.reload("signal:SIGHUP")
        if self._said_ready():
            self._notifier.ready()
