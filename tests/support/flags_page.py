"""A flags page that a test writes, and the daemon's side of its push socket.

Above: tests of the kit.  Below: the kit's own writer and messages.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from switchover_kit.page import PageWriter
from switchover_kit.push_messages import Applied, FromReader, Lines, Version, decode_from_reader, encode

PATIENCE = 60.0
"""Seconds that anything may take before the test fails."""
SECOND = 1_000_000_000


class Clock:
    """CLOCK_MONOTONIC as the test has it, in nanoseconds; counts who asks."""

    def __init__(self) -> None:
        self.now = 1000 * SECOND
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.now


class Page:
    """A page of flags, and the versions that were published."""

    def __init__(self, path: Path, clock: Any, flags: dict[str, Any]) -> None:
        self.path = path
        self.clock = clock
        self.version = 1
        self.writer = PageWriter.create(path, self.payload(flags), version=1, clock=clock)

    def publish(self, flags: dict[str, Any]) -> int:
        """Publish flags as the next version, which is returned."""
        self.version += 1
        self.writer.publish(self.version, self.payload(flags))
        return self.version

    def payload(self, flags: dict[str, Any]) -> bytes:
        """Return the document of some flags."""
        return json.dumps({"format": 1, "flags_version": self.version, "flags": flags}).encode()


class PushSocket:
    """The daemon's push socket, without a thread: a test accepts, receives and sends in its own order."""

    def __init__(self, page: Path) -> None:
        self.path = page.with_name(page.name + ".sock")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(PATIENCE)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._peers: list[PushPeer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in (self._listener, *self._peers):
            one.close()

    def accept(self) -> PushPeer:
        """Wait for the next reader."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        self._peers.append(PushPeer(connection))
        return self._peers[-1]


class PushPeer:
    """The daemon's end of one reader's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._lines = Lines()
        self._heard: list[FromReader] = []

    def receive(self) -> FromReader:
        """Wait for the reader's next message.

        Raises:
            EOFError: the reader has hung up.
        """
        while not self._heard:
            data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self._heard += map(decode_from_reader, self._lines.feed(data))
        return self._heard.pop(0)

    def acknowledged(self, version: int) -> None:
        """Wait until the reader acknowledges a version; it may have said something else before."""
        while not isinstance(told := self.receive(), Applied) or told.version != version:
            pass

    def tell(self, version: int) -> None:
        """Tell the reader of a version."""
        self.connection.sendall(encode(Version(version)))

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
