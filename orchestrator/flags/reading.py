"""One reader's connection to a push socket, as the daemon holds it.

Above: `readers` keeps them.  Below: asyncio, the kit's `push_messages` for what may be said, and the kernel's word on
who is at the other end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from switchover_kit.push_messages import Hello, Lines, MessageError, decode_from_reader

from orchestrator.domain.flags.values import can_be_kept
from orchestrator.flags.told import Reader
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

BEHIND: Final = 64 * 1024
"""Bytes a reader may leave unread: thousands of versions it does not care for."""
GREETING: Final = 10.0
"""Seconds a connection has to say who it is."""
FORCED: Final = 100
"""Forced flags kept of one reader."""
SAID: Final = 1000
"""Bytes of JSON that are told on of one thing a reader says."""
CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


class ReadersBook(Protocol):
    """Who hears of all that happens on a connection."""

    def came(self, reading: Reading) -> bool:
        """Take a new connection in; return False when there are too many."""
        ...

    def went(self, reading: Reading) -> None:
        """A connection is gone."""
        ...

    def greeted(self, reading: Reading) -> None:
        """A reader has said who it is."""
        ...

    def moved(self, reading: Reading, read: Sequence[str]) -> None:
        """A reader has applied a version, and read these flags since it last said so."""
        ...

    def newest(self, view: str) -> int:
        """Return the version a view's readers have been told of."""
        ...

    def now(self) -> float:
        """Return the time, seconds since the Unix epoch."""
        ...


class Reading(asyncio.Protocol):
    """One connection.

    Attributes:
        view: the view whose socket it came to.
        hello: what it said of itself, None until it has.
        applied: the flags version it has applied.
        session: the process session it is in, 0 where that is not known.
    """

    def __init__(self, readers: ReadersBook, view: str) -> None:
        """Wait for a connection; `readers` hears of all that happens."""
        self.view = view
        self.hello: Hello | None = None
        self.applied = 0
        self.session = 0
        self._readers = readers
        self._forced: dict[str, Any] = {}
        self._pid = 0
        self._since = readers.now()
        self._lines = Lines()
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def reader(self) -> Reader | None:
        """Return what is known of it, None until it has said who it is."""
        said = self.hello
        if said is None:
            return None
        pid = self._pid or said.pid
        return Reader(pid, said.generation, _sound(said.role), self.view, self.applied, self._since, self._forced)

    def tell(self, line: bytes) -> None:
        """Say something, such as that there is a version; a reader that does not read is let go."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > BEHIND:
            self._refuse("it does not read what it is told")
            return
        transport.write(line)

    def drop(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who it is: other users' processes have no business here."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._pid, uid = _peer(self._transport)
        if uid not in {os.geteuid(), 0}:
            self._refuse(f"it belongs to user {uid}")
        elif not self._readers.came(self):
            self._refuse("there are too many readers")
        else:
            self.session = _session(self._pid)
            self._patience = asyncio.get_running_loop().call_later(GREETING, self._refuse, "it did not say who it is")

    def data_received(self, data: bytes) -> None:
        """Take lines in; a reader that says what it may not is let go."""
        if self.hello is not None and (version := self._lines.applied(data)) is not None:
            if self._transport is not None and not self._transport.is_closing():
                self._has(version)
                self._readers.moved(self, ())
            return
        try:
            for line in self._lines.feed(data):
                if self._transport is None or self._transport.is_closing():
                    return
                self._take(line)
        except MessageError as error:
            self._refuse(str(error))

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget it."""
        self._transport = None
        if self._patience is not None:
            self._patience.cancel()
        self._readers.went(self)

    # --- lines ------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        message = decode_from_reader(line)
        if isinstance(message, Hello):
            self._greet(message)
        elif self.hello is None:
            self._refuse("it spoke before it said who it is")
        else:
            self._has(message.version)
            self._readers.moved(self, message.read)

    def _greet(self, hello: Hello) -> None:
        if self._patience is not None:
            self._patience.cancel()
        is_news = self.hello is None or dict(self.hello.forced) != dict(hello.forced)
        self.hello = hello
        self._has(hello.version)
        self._forced = {_sound(key): _sound(value) for key, value in list(hello.forced.items())[:FORCED]}
        if self._forced and is_news:
            log.warning("flags forced by a worker's environment", forced=self._forced, **self._who())
        self._readers.greeted(self)

    def _has(self, version: int) -> None:
        """Note what it has applied; a version from before flags began anew, or made up, is none of ours."""
        self.applied = version if version <= self._readers.newest(self.view) else 0

    def _refuse(self, why: str) -> None:
        log.warning("reader of flags let go", reason=why, view=self.view, **self._who())
        self.drop()

    def _who(self) -> dict[str, int]:
        return {"pid": self._pid, "generation": self.hello.generation if self.hello is not None else 0}


def _sound(value: Any) -> Any:
    """Return what a reader says as it can be told on: what is no JSON (half characters, NaN) or too long, as text."""
    return value if can_be_kept(value, SAID) else ascii(value)[:SAID]


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
