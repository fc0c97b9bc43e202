"""The control plane as it is served: one app, on `control.sock` and, behind its own door, over TCP.

Above: `doors` binds the sockets.  Below: `late` and behind it the app, `server`, `tcp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.api.closing import Closing
from orchestrator.api.late import LateApp
from orchestrator.api.server import ControlServer, PeerCheckedProtocol
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.api.app import Control
    from orchestrator.api.tcp.tcp import TcpDoor

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
        app = LateApp(control, version, closing)
        local = ControlServer(app, PeerCheckedProtocol)
        if address is None:
            return cls(closing, local, None, None)
        from orchestrator.api.tcp.access import control_access  # noqa: PLC0415 - where it is served over TCP, too
        from orchestrator.api.tcp.tcp import TcpDoor  # noqa: PLC0415 - likewise

        door = TcpDoor(app, control_access(settings, address, control.access), control.access.admits)
        return cls(closing, local, door, ControlServer(door, H11Protocol, CONNECTIONS))

    def finish(self) -> None:
        """Let the servers end after the requests under way; streams end now."""
        self.closing.end()
        self.local.finish()
        if self.tcp is not None:
            self.tcp.finish()
