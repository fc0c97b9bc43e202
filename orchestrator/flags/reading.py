"""One reader's connection to a push socket: lines of JSON in both directions, every one of them bounded.

Above: `readers` keeps them.  Below: asyncio, and the kernel's word on who is at the other end.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from orchestrator.flags.told import Reader
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    from orchestrator.flags.readers import Readers

log = get_logger("flags")

LINE: Final = 64 * 1024
"""Bytes a line may have: a thousand keys."""
BEHIND: Final = 64 * 1024
"""Bytes a reader may leave unread: thousands of versions it does not care for."""
GREETING: Final = 10.0
"""Seconds a connection has to say who it is."""
FORCED: Final = 100
"""Forced flags kept of one reader."""
CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
MOST_VERSION: Final = (1 << 63) - 1


class Reading(asyncio.Protocol):
    """One connection.

    Attributes:
        view: the view whose socket it came to.
        hello: what it said of itself, empty until it has.
        applied: the flags version it has applied.
        session: the process session it is in, 0 where that is not known.
    """

    def __init__(self, readers: Readers, view: str) -> None:
        """Wait for a connection; `readers` hears of all that happens."""
        self.view = view
        self.hello: dict[str, Any] = {}
        self.applied = 0
        self.session = 0
        self._readers = readers
        self._pid = 0
        self._since = readers.now()
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def reader(self) -> Reader:
        """Return what is known of it."""
        said = self.hello
        return Reader(
            pid=self._pid or _number(said.get("pid")),
            generation=_number(said.get("generation")),
            role=str(said.get("role", ""))[:LINE],
            view=self.view,
            applied=self.applied,
            since=self._since,
            forced=said["forced"],
        )

    def tell(self, version: int) -> None:
        """Say that there is a version; a reader that does not read is let go."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > BEHIND:
            self._refuse("it does not read what it is told")
            return
        transport.write(b'{"version":%d}\n' % version)

    def drop(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who it is: other users' processes have no business here."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream socket's transport is one
        self._transport = transport
        pid, uid = _peer(transport)
        self._pid = pid
        if uid not in {os.geteuid(), 0}:
            self._refuse(f"it belongs to user {uid}")
        elif not self._readers.came(self):
            self._refuse("there are too many readers")
        else:
            self.session = _session(pid)
            self._patience = asyncio.get_running_loop().call_later(GREETING, self._refuse, "it did not say who it is")

    def data_received(self, data: bytes) -> None:
        """Take lines in."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE or any(len(line) > LINE for line in lines):
            self._refuse("it sent a line that is too long")
            return
        for line in lines:
            if self._transport is None or self._transport.is_closing():
                return
            self._take(line)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget it."""
        self._transport = None
        if self._patience is not None:
            self._patience.cancel()
        self._readers.went(self)

    # --- lines ------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._refuse("it sent a line that is no JSON object")
        elif isinstance(message.get("hello"), dict):
            self._greet(message["hello"])
        elif self.hello and "applied" in message:
            self._acknowledge(message)
        elif not self.hello:
            self._refuse("it spoke before it said who it is")

    def _greet(self, hello: dict[str, Any]) -> None:
        if self._patience is not None:
            self._patience.cancel()
        forced = hello.get("forced")
        pairs = list(forced.items())[:FORCED] if isinstance(forced, dict) else []
        self.hello = {"pid": 0, "generation": 0, **hello, "forced": dict(pairs)}
        self.applied = _number(hello.get("version"))
        if pairs:
            log.warning("flags forced by a worker's environment", forced=dict(pairs), **self._who())
        self._readers.greeted(self)
        self._readers.moved(self, ())

    def _acknowledge(self, message: dict[str, Any]) -> None:
        self.applied = _number(message["applied"])
        read = message.get("read")
        keys = [key for key in read if isinstance(key, str)] if isinstance(read, list) else []
        self._readers.moved(self, keys)

    def _refuse(self, why: str) -> None:
        log.warning("reader of flags let go", reason=why, view=self.view, **self._who())
        self.drop()

    def _who(self) -> dict[str, int]:
        return {"pid": self._pid, "generation": _number(self.hello.get("generation"))}


def _peer(transport: asyncio.Transport) -> tuple[int, int]:
    """Return process id and user id of the other end, as the kernel knows them."""
    sock = transport.get_extra_info("socket")
    pid, uid, _ = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return pid, uid


def _session(pid: int) -> int:
    """Return the process session of a process, 0 when it is gone or in another namespace."""
    try:
        return os.getsid(pid) if pid > 0 else 0
    except OSError:
        return 0


def _number(value: object) -> int:
    """Return a whole number that can be a version or a process id, 0 for everything else."""
    is_one = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_VERSION
    return int(value) if is_one else 0  # type: ignore[call-overload]
