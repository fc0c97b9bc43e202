"""Clients that come and go, to see what they leave behind in the daemon's memory.

Below `bench.switch`; above `bench.wire`.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from bench.wire import LineWire, payload

TOGETHER = 20
"""Clients connected at the same time."""
TIMEOUT = 20.0
"""Seconds one answer may take."""


def come_and_go(path: Path, count: int) -> None:
    """Let `count` clients connect, shake hands, make one call each and leave, `TOGETHER` at a time."""
    for first in range(0, count, TOGETHER):
        wires = []
        for _ in range(min(TOGETHER, count - first)):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(TIMEOUT)
            client.connect(str(path))
            client.settimeout(None)
            end = client.detach()
            wires.append(LineWire(end, end, payload(100)))
        for wire in wires:
            wire.handshake()
            wire.send(1)
        for wire in wires:
            while not wire.receive():
                pass
            os.close(wire.source)
