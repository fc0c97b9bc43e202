"""HTTP over a daemon's `control.sock`.

Above: `daemon`.  Below: the standard library.
"""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from pathlib import Path


class ControlConnection(HTTPConnection):
    """One connection; unlike httpx it leaks no socket when the daemon is killed meanwhile."""

    def __init__(self, path: Path, answer: float) -> None:
        """Prepare one to the socket at that path, on which an answer may take so many seconds."""
        super().__init__("switchover", timeout=answer)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
