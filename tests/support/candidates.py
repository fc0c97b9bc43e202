"""Candidates that start at once, and a plain client of theirs: one request, one answer, every byte checked by the test.

Above: the integrity suite.  Below: `tests/candidates/candidate_forks.py`, and `tools.sock` for one behind the daemon.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

CANDIDATES = Path(__file__).parent.parent / "candidates"
ANSWER = 60.0
"""Seconds one answer may take; a browser's start is the longest."""
VERSION = "2025-11-25"

Json = dict[str, Any]


class Speaker:
    """One MCP session over a socket, one request at a time."""

    def __init__(self, connection: socket.socket) -> None:
        """Shake hands over a connection; `close` closes it."""
        connection.settimeout(ANSWER)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._numbers = itertools.count(1)
        hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "integrity", "version": "1"}}
        self.ask("initialize", hello)
        self._send({"method": "notifications/initialized"})

    @classmethod
    def at(cls, path: Path) -> Self:
        """Connect to a socket in the file system."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER)
        connection.connect(str(path))
        return cls(connection)

    def ask(self, method: str, params: Json | None = None) -> Json:
        """Send a request and return its result; a JSON-RPC error fails the test."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params or {}})
        for line in self._lines:
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                assert "result" in message, message
                result: Json = message["result"]
                return result
        raise AssertionError(f"the worker ended before it answered {method}")

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> Json:
        """Call a tool and return its whole result, refusals included."""
        return self.ask("tools/call", {"name": tool, "arguments": dict(arguments or {})})

    def asked(self, tool: str, **arguments: Any) -> Json:
        """Call a tool that must succeed and return its structured content."""
        result = self.call(tool, arguments)
        assert not result.get("isError"), result["content"]
        content: Json = result["structuredContent"]
        return content

    def tools(self) -> dict[str, Json]:
        """Return the tools by name, as listed."""
        return {tool["name"]: tool for tool in self.ask("tools/list")["tools"]}

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()

    def _send(self, message: Json) -> None:
        self._connection.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


class Forks:
    """The process that forks candidates; a context manager."""

    def __init__(self) -> None:
        """Start it and wait until it is ready."""
        self._folder = tempfile.TemporaryDirectory(prefix="forks-", dir="/tmp")
        self._path = f"{self._folder.name}/s"
        command = [sys.executable, str(CANDIDATES / "candidate_forks.py"), self._path]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        """Wait until it is ready; its end would end the waiting, too."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        """End it; the candidates end when their streams close."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    @contextlib.contextmanager
    def candidate(self, change: str, state: Path, **environment: str) -> Iterator[Speaker]:
        """Run a candidate on a state directory, speak with it, and wait for its end."""
        with self.streams(["--change", change], state, **environment) as ours:
            speaker = Speaker(ours)
            try:
                yield speaker
            finally:
                speaker.close()

    @contextlib.contextmanager
    def streams(self, arguments: Sequence[str], state: Path, **environment: str) -> Iterator[socket.socket]:
        """Run a candidate on a state directory, give its stdin and stdout, close them, and wait for its end."""
        wanted = {
            "arguments": list(arguments),
            "environment": {"SWITCHOVER_WORKER_STATE": str(state), **environment},
        }
        state.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as connection, (state / "stderr").open("ab") as stderr:
            connection.settimeout(ANSWER)
            connection.connect(self._path)
            streams = [theirs.fileno(), theirs.fileno(), stderr.fileno()]
            socket.send_fds(connection, [json.dumps(wanted).encode()], streams)
            theirs.close()
            with ours:
                yield ours
            assert connection.recv(1) == b"", "it says nothing here; its end closes the connection"


def resident_bytes(pid: int) -> int:
    """Return how much memory of a process is in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
