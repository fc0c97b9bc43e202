"""The control plane as it is served: one app, on `control.sock` and, behind its own door, over TCP.

Above: `doors` binds the sockets.  Below: `app`, `server`, `tcp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.api.app import Control, build
from orchestrator.api.server import ControlServer, PeerCheckedProtocol
from orchestrator.api.sse import Closing
from orchestrator.api.tcp.access import control_access
from orchestrator.api.tcp.tcp import TcpDoor
from orchestrator.settings import Settings

CONNECTIONS: Final = 512
"""Connections over TCP at the same time, streams included; further ones are answered 503."""


@dataclass(frozen=True, slots=True)
class Planes:
    """The servers.

    Attributes:
        closing: ends the app's streams.
        local: serves `control.sock`.
        door: what stands before the app over TCP, None where it is not served there.
        tcp: serves TCP.
    """

    closing: Closing
    local: ControlServer
    door: TcpDoor | None
    tcp: ControlServer | None

    @classmethod
    def build(cls, control: Control, version: str, settings: Settings, address: str | None) -> Self:
        """Build them.

        Args:
            control: the daemon.
            version: ours.
            settings: who may call over TCP.
            address: what TCP is bound to, None where it is not served.

        Raises:
            SettingsError: the tokens for TCP cannot be read, or there are none.
        """
        closing = Closing()
        app = build(control, version, closing)
        local = ControlServer(app, PeerCheckedProtocol)
        if address is None:
            return cls(closing, local, None, None)
        door = TcpDoor(app, control_access(settings, address, control.access), control.access.admits)
        return cls(closing, local, door, ControlServer(door, H11Protocol, CONNECTIONS))

    def finish(self) -> None:
        """Let the servers end after the requests under way; streams end now."""
        self.closing.end()
        self.local.finish()
        if self.tcp is not None:
            self.tcp.finish()
