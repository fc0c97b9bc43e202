"""The daemon as the figures see it: how it is started, where its sockets are, how its verbs are asked for.

The only file of `bench` that knows the product's outside.  Beside `bench.references`; above `bench.processes`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import LEAN_WORKER, LOAD_CORE, PROXY_CORE, ROOT, on_core, running, wait_until
from bench.references import Target

EXECUTABLE = str(Path(sys.executable).parent / "switchover")
WORKER = on_core(LOAD_CORE, LEAN_WORKER)
"""The command of a generation."""
START_TIMEOUT = 30.0
"""Seconds the daemon has from its start until it is ready."""
VERB_TIMEOUT = 30.0
"""Seconds one answer of the control plane may take."""


class RefusedError(Exception):
    """The control plane did not do what it was asked for."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=VERB_TIMEOUT)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


@dataclass(frozen=True)
class Daemon:
    """A running daemon.

    Attributes:
        pid: its process.
        tools: the socket clients speak MCP over.
        control: the socket of its control plane.
    """

    pid: int
    tools: Path
    control: Path

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control plane over a connection of its own, as the command line does.

        Raises:
            RefusedError: the answer was not 200.
        """
        connection = UnixConnection(self.control)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(f"{method} {path}: {response.status} {answer.decode(errors='replace')[:300]}")
        return json.loads(answer)

    def ready(self) -> bool:
        """Return whether calls can be served now."""
        with contextlib.suppress(OSError, http.client.HTTPException, RefusedError):
            self.ask("GET", "/readyz")
            return True
        return False

    def canary(self, command: Sequence[str]) -> None:
        """Start a second generation and wait until it is ready."""
        self.ask("POST", "/v1/canary", {"command": list(command), "cwd": str(ROOT)})

    def switch(self) -> None:
        """Move all traffic to the canary."""
        self.ask("POST", "/v1/switch", {})

    def switch_back(self) -> None:
        """Move all traffic back."""
        self.ask("POST", "/v1/switch-back", {})


@contextlib.contextmanager
def serve(directory: Path, command: Sequence[str] = WORKER, config: Path | None = None) -> Iterator[Daemon]:
    """Run the daemon around `command` with its state under `directory`; give it once it is ready."""
    state = directory / "state"
    configured = () if config is None else ("--config", str(config))
    arguments = (EXECUTABLE, "serve", "--state-dir", str(state), *configured, "--", *command)
    with running(on_core(PROXY_CORE, arguments), directory / "switchover.log") as process:
        daemon = Daemon(process.pid, state / "run" / "tools.sock", state / "run" / "control.sock")
        wait_until(daemon.ready, "the daemon's readiness", START_TIMEOUT)
        yield daemon


@contextlib.contextmanager
def switchover(directory: Path) -> Iterator[Target]:
    """The daemon as a target of the load."""
    with serve(directory) as daemon:
        there = ("--unix", str(daemon.tools))
        yield Target("switchover", there, there, daemon.pid)
