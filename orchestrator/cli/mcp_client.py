"""A tiny MCP client over `tools.sock`: opens a session, makes one request after the other, waits a bounded time.

Above: the verbs `call` and `tools`.  Below: newline-delimited JSON-RPC 2.0 on a Unix socket.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orchestrator import VERSION
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.terminal import safe
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS

Json = dict[str, Any]

CLIENT: Final = {"name": "switchover-cli", "version": VERSION}
CHUNK: Final = 1 << 16
"""Bytes read at a time."""
PAGES: Final = 1000
"""Pages of a list read at most: a cursor that never ends must not keep a verb going for ever."""


class AnsweredError(FailedError):
    """The answer was a JSON-RPC error: the worker's or the daemon's own.

    Attributes:
        code: the JSON-RPC error code.
    """

    def __init__(self, error: Any) -> None:
        """Word an `error` member of any shape."""
        told = error if isinstance(error, dict) else {}
        self.code = told.get("code")
        data = told.get("data")
        again = isinstance(data, dict) and data.get("retryable") is True
        text = safe(str(told.get("message") or json.dumps(error)))
        super().__init__(f"{text} (error {self.code})" + ("; it may be tried again" if again else ""))


class McpClient:
    """One session with the daemon; a context manager.

    Attributes:
        handshake: the result of `initialize`.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        """Build a client; `__enter__` connects.

        Args:
            path: the daemon's tools socket.
            timeout: seconds for everything this client does, the handshake included.
        """
        self.handshake: Json = {}
        self._path = path
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._received = bytearray()
        self._number = 0

    def __enter__(self) -> Self:
        """Connect and do the handshake.

        Raises:
            UnreachableError: nobody listens, or the socket may not be used.
            FailedError: the daemon refused the session, or no worker was there in time.
        """
        try:
            self._connect()
            self._open()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up; the daemon cancels what is not answered."""
        self._socket.close()

    def request(self, method: str, params: Json) -> Json:
        """Make one request and return its result.

        Raises:
            AnsweredError: it was answered with an error.
            FailedError: no answer in time, no answer at all, or one that is no object.
        """
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}, method)
        message = self._answer(method)
        if "error" in message:
            raise AnsweredError(message["error"])
        result = message.get("result")
        if not isinstance(result, dict):
            raise FailedError(f"the result of {method} is not an object: {json.dumps(result)[:200]}")
        return result

    def collect(self, method: str, member: str) -> list[Any]:
        """Return a whole list, page after page.

        Args:
            method: such as `tools/list`.
            member: the result's member with the page, such as `tools`.

        Raises:
            FailedError: as for `request`, or there is no end to the pages.
        """
        found: list[Any] = []
        params: Json = {}
        for _ in range(PAGES):
            page = self.request(method, params)
            if not isinstance(page.get(member), list):
                raise FailedError(f"the result of {method} has no list {member!r}")
            found += page[member]
            if page.get("nextCursor") is None:
                return found
            params = {"cursor": page["nextCursor"]}
        raise FailedError(f"{method} does not end: {PAGES} pages were read, and there is yet another")

    def _connect(self) -> None:
        self._socket.settimeout(self._timeout)
        try:
            self._socket.connect(str(self._path))
        except PermissionError:
            raise UnreachableError(
                f"{self._path} may not be used by you; have the daemon's sockets.group be one of your groups"
            ) from None
        except OSError as error:
            raise UnreachableError(
                f"no daemon answers on {self._path} ({error}); start one with: switchover serve -- COMMAND"
            ) from error

    def _open(self) -> None:
        offer = {"protocolVersion": HANDSHAKE_VERSIONS[-1], "capabilities": {}, "clientInfo": CLIENT}
        self.handshake = self.request("initialize", offer)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"}, "initialize")

    def _send(self, message: Json, method: str) -> None:
        self._socket.settimeout(self._left(method))
        try:
            # Who was refused finds the connection closed, but the reason still to be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(json.dumps(message).encode() + b"\n")
        except TimeoutError:
            raise self._late(method) from None

    def _answer(self, method: str) -> Json:
        """Return the answer to the latest request; what else comes is not for us."""
        while True:
            message = self._message(method)
            if "method" in message or not ("result" in message or "error" in message):
                continue
            number = message.get("id")
            if number == self._number or (number is None and "error" in message):  # without id: all that we say
                return message

    def _message(self, method: str) -> Json:
        line = self._line(method)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise FailedError(f"the answer to {method} is no JSON-RPC message; does the daemon own {self._path}?")
        return message

    def _line(self, method: str) -> bytes:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self._received += self._more(method)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _more(self, method: str) -> bytes:
        self._socket.settimeout(self._left(method))
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            raise self._late(method) from None
        except ConnectionResetError:
            data = b""
        if not data:
            raise FailedError(f"the daemon hung up before it answered {method}; its reason is in: switchover logs")
        return data

    def _left(self, method: str) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late(method)
        return left

    def _late(self, method: str) -> FailedError:
        return FailedError(
            f"{method} was not answered within {self._timeout:g} s and is given up; see: switchover status"
        )
