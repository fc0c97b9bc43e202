"""What a session is, apart from how it is connected: a value that can be written down.

Above: `session` carries it, workers of its own are greeted with it.  Below: nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec


class SessionValue(msgspec.Struct):
    """What a session is, apart from its socket.

    Attributes:
        id: unique name; also the default assignment key.
        opened: wall time, Unix seconds.
        pid: peer's process id, 0 where the peer cannot be known.
        uid: peer's user id, -1 likewise.
        gid: peer's group id, -1 likewise.
        key: default assignment key, the id unless a door knows a better one.
        asked_version: protocol version it asked for.
        log_level: what it set with `logging/setLevel`, "" when it did not.
        subscriptions: the resources it subscribed to.
        version: protocol version this session was answered with, "" before `initialize`.
        client: the client's name and version as it gave them.
        capabilities: what the client offered.
    """

    id: str
    opened: float
    pid: int = 0
    uid: int = -1
    gid: int = -1
    key: str = ""
    version: str = ""
    asked_version: str = ""
    log_level: str = ""
    subscriptions: list[str] = []
    client: dict[str, Any] = {}
    capabilities: dict[str, Any] = {}

    def hello(self) -> dict[str, Any]:
        """Return the `initialize` parameters with which a worker of its own is greeted: the client's own."""
        return {"protocolVersion": self.asked_version, "capabilities": self.capabilities, "clientInfo": self.client}
