"""The push socket of a view: who reads its flags, which version each has applied, and the word that there is a new one.

Reading never needs it; it is for callbacks within milliseconds and for "every worker has version 41".  A reader that
misbehaves (another user's, silent, endless lines, never reading) loses its connection and nothing else.

Above: `service`.  Below: `reading` speaks the protocol, asyncio the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from switchover_kit.push_messages import Version, encode

from orchestrator.flags.publisher import LIVE, PUSH
from orchestrator.flags.reading import Reading
from orchestrator.flags.told import Reader
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

READERS: Final = 1024
"""Connections at the same time, all views together: some twenty processes of fifty threads would not reach it."""
BACKLOG: Final = 128
SUN_PATH: Final = 107
"""Bytes a Unix socket's path may have (unix(7))."""


class Readers:
    """Every connected reader of every view.

    Attributes:
        trouble: why the live view's socket cannot be listened on, None when it can.
    """

    def __init__(self, wall: Callable[[], float], known: Callable[[], Collection[str]]) -> None:
        """Begin without a reader.

        Args:
            wall: seconds since the Unix epoch.
            known: the keys of flags there are; what readers say of others is not kept.
        """
        self.trouble: str | None = None
        self._wall = wall
        self._known = known
        self._servers: dict[str, tuple[asyncio.Server, Path]] = {}
        self._versions: dict[str, int] = {}
        self._open: set[Reading] = set()
        self._read_at: dict[str, float] = {}
        self._moved: asyncio.Event | None = None

    async def listen(self, view: str, page: Path, version: int) -> None:
        """Accept readers of a view; a socket that cannot be made is said and done without: pages need none."""
        path = page.with_name(page.name + PUSH)
        self._versions[view] = version
        if view in self._servers:  # somebody removed its socket; who is connected stays so
            self._servers.pop(view)[0].close()
        try:
            server = await asyncio.get_running_loop().create_unix_server(lambda: Reading(self, view), sock=_bound(path))
        except OSError as error:
            why = f"{path} cannot be listened on ({error}): workers apply changes and cannot say so"
            if self.trouble != why:
                log.error("no push socket", view=view, reason=why)  # noqa: TRY400
            self.trouble = why if view == LIVE else self.trouble
        else:
            self._servers[view] = server, path
            self.trouble = None if view == LIVE else self.trouble

    @property
    def are_unheard(self) -> bool:
        """Whether workers that start now could not say that they read the live flags."""
        server = self._servers.get(LIVE)
        return server is None or (not server[1].exists() and server[1].parent.is_dir())

    def tell(self, view: str, version: int) -> None:
        """Tell a view's readers that there is a version."""
        self._versions[view] = version
        line = encode(Version(version))
        for reading in [one for one in self._open if one.view == view and one.hello]:
            reading.tell(line)

    def end(self, view: str) -> None:
        """Stop accepting readers of a view and let go of those there are."""
        self._versions.pop(view, None)
        if view in self._servers:
            server, path = self._servers.pop(view)
            server.close()
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for reading in [one for one in self._open if one.view == view]:
            reading.drop()

    def close(self) -> None:
        """Let go of everybody."""
        for view in list(self._versions):
            self.end(view)

    def all(self, view: str = LIVE) -> list[Reader]:
        """Return the readers of a view that have said who they are, by generation and process id."""
        known = [reader for one in self._open if one.view == view and (reader := one.reader()) is not None]
        return sorted(known, key=lambda reader: (reader.generation, reader.pid, reader.since))

    def late(self, version: int, view: str = LIVE) -> list[Reader]:
        """Return the readers of a view that have not applied a version yet."""
        return [reader for reader in self.all(view) if reader.applied < version]

    async def applied(self, version: int, timeout: float, view: str = LIVE) -> None:  # noqa: ASYNC109 - its end is no error
        """Wait until every reader of a view has applied a version, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while any(one.view == view and one.hello and one.applied < version for one in self._open):
                    if self._moved is None:
                        self._moved = asyncio.Event()
                    await self._moved.wait()

    @property
    def sessions(self) -> set[int]:
        """The process sessions of all readers: a worker and whatever it forks are in one, led by the worker."""
        return {one.session for one in self._open if one.hello}

    def read_at(self) -> Mapping[str, float]:
        """Return when each flag was last said to be read, seconds since the Unix epoch."""
        return self._read_at

    def remember(self, read_at: Mapping[str, float]) -> None:
        """Take over what was known before the daemon started."""
        self._read_at = {**read_at, **self._read_at}

    # --- what a connection reports ----------------------------------------------------------------

    def came(self, reading: Reading) -> bool:
        """Take a new connection in; return False when there are too many."""
        if len(self._open) >= READERS:
            return False
        self._open.add(reading)
        return True

    def went(self, reading: Reading) -> None:
        """A connection is gone."""
        self._open.discard(reading)
        self._wake()

    def greeted(self, reading: Reading) -> None:
        """A reader has said who it is: tell it the version there is."""
        reading.tell(encode(Version(self.newest(reading.view))))
        self._wake()

    def moved(self, reading: Reading, read: Sequence[str]) -> None:
        """A reader has applied a version, and read these flags since it last said so."""
        if reading.view == LIVE and read:
            now = self._wall()
            self._read_at.update(dict.fromkeys(set(read).intersection(self._known()), now))
        self._wake()

    def newest(self, view: str) -> int:
        """Return the version a view's readers have been told of."""
        return self._versions.get(view, 0)

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        return self._wall()

    def _wake(self) -> None:
        """Wake those who wait for acknowledgements; mostly nobody does, and they come from all readers at once."""
        if self._moved is not None:
            self._moved.set()
            self._moved = None


def _bound(path: Path) -> socket.socket:
    """Return a listening socket that only its owner may connect to."""
    if len(os.fsencode(path)) > SUN_PATH:
        raise OSError(f"its path is longer than {SUN_PATH} bytes; choose a shorter state or runtime directory")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except BaseException:
        listener.close()
        raise
    return listener
