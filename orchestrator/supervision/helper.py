"""A program of ours beside the daemon, for work that must not hold its loop up: frames over one socket, on its stdin.

A frame is its length in four bytes, big endian, and a body.  The program is tied to the daemon's life and carries its
mark.  Above: `orchestrator.mirroring`, `orchestrator.paritying`.  Below: `process`, `warden`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup

from orchestrator.supervision.process import LAUNCHER, Grace, WorkerProcess
from orchestrator.supervision.warden import MARK, mark_of_life

LENGTH: Final = struct.Struct(">I")


def frame(body: bytes) -> bytes:
    """Return a frame."""
    return LENGTH.pack(len(body)) + body


@dataclass(frozen=True, slots=True)
class Program:
    """What is run.

    Attributes:
        module: the Python module, `python -m`.
        cwd: its working directory.
        log: file for what it prints: nothing, unless it fails in a way nobody foresaw.
        environment: the daemon's, with its mark.
        grace: how it is ended once its socket is closed.
    """

    module: str
    cwd: Path
    log: Path
    environment: Mapping[str, str]
    grace: Grace


class Helper(asyncio.Protocol):
    """One life of such a program.

    Attributes:
        process: the process once it is started.
    """

    def __init__(self, program: Program, received: Callable[[bytes], None], over: Callable[[Helper], None]) -> None:
        """Build it.

        Args:
            program: what is run.
            received: takes the body of each frame.
            over: told once when nothing more will come.
        """
        self.process: WorkerProcess | None = None
        self._program = program
        self._received = received
        self._on_over = over
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._is_over = False

    @property
    def backlog(self) -> int:
        """Bytes it has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        return self.process.outcome if self.process is not None else "was not started"

    async def start(self, tasks: TaskGroup) -> None:
        """Start it; `tasks` is where its end is waited for.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = self._spawn(theirs)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        except OSError:
            ours.close()
            raise
        finally:
            if self.process is not None:
                tasks.start_soon(self._follow, self.process)

    def _spawn(self, theirs: socket.socket) -> WorkerProcess:
        program = self._program
        program.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = mark_of_life(program.environment.get(MARK, ""))
        with program.log.open("ab") as errors:
            popen = subprocess.Popen(
                [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), sys.executable, "-m", program.module],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=program.cwd,
                env={**program.environment, MARK: mark},
                process_group=0,  # and the daemon's session, for its niceness to count against the daemon (`priority`)
            )
        return WorkerProcess(popen, lambda: None, mark)

    def send(self, body: bytes) -> None:
        """Send one frame; what is sent to one that is gone is lost, as `over` has said."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(body))

    def end(self) -> None:
        """Close its socket once it has all that was sent, by which it is asked to end."""
        if self._transport is not None:
            self._transport.close()

    async def stop(self) -> None:
        """End it within its grace."""
        self.end()
        if self.process is not None:
            await self.process.stop(self._program.grace)

    async def _follow(self, process: WorkerProcess) -> None:
        await process.exited.wait()
        with anyio.CancelScope(shield=True):
            await process.stop(self._program.grace)
        self._over()

    def _over(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Speak by this."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            body = bytes(buffer[LENGTH.size : end])
            del buffer[:end]
            self._received(body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It will say nothing more."""
        self._transport = None
        self._over()


class DaemonSide:
    """The program's end: frames from the daemon and to it, blocking."""

    def __init__(self, descriptor: int = 0) -> None:
        """Speak over the socket that stdin is."""
        self._peer = socket.socket(fileno=os.dup(descriptor))

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._peer.fileno()

    def read(self) -> bytes | None:
        """Read one frame; None when the daemon wants no more."""
        try:
            head = self._exactly(LENGTH.size)
            return None if head is None else self._exactly(LENGTH.unpack(head)[0])
        except ConnectionError:
            return None

    def write(self, body: bytes) -> None:
        """Send one frame.

        Raises:
            ConnectionError: the daemon is gone.
        """
        self._peer.sendall(frame(body))

    def close(self) -> None:
        """Close it."""
        self._peer.close()

    def _exactly(self, count: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            part = self._peer.recv(min(count - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
        return bytes(parts)
