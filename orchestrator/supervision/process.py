"""One worker process: started, watched by pidfd, and stopped in three bounded steps.

The only place that signals a worker.  Above: `keeper` decides when.  Below: the operating system.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio

from orchestrator.domain.errors import StartError
from orchestrator.supervision.stderr import StderrLines
from orchestrator.supervision.warden import MARK, mark_of_life, sweep

PIPE_BYTES = 1 << 20
"""Wanted pipe capacity: the largest an unprivileged process may have (/proc/sys/fs/pipe-max-size)."""

LAST_WORD = 1.0
"""Seconds a dead worker's stdout is still read: what it wrote before it died is answered."""

REAP = 5.0
"""Seconds after SIGKILL in which the kernel must have ended a process; only one stuck in the kernel takes longer."""

LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True)
class Grace:
    """How long each step of stopping may take, seconds.

    Attributes:
        close_stdin: after stdin was closed, before SIGTERM (several TypeScript servers ignore the end of stdin).
        terminate: after SIGTERM, before SIGKILL.
    """

    close_stdin: float = 2.0
    terminate: float = 5.0


class _Stdin(asyncio.BaseProtocol):
    """Hands the pipe's flow control to the link."""

    def __init__(self, link: Any) -> None:
        self._link = link

    def pause_writing(self) -> None:
        self._link.pause_writing()

    def resume_writing(self) -> None:
        self._link.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to do: the end of a worker is seen through its pidfd and its stdout."""


class WorkerProcess:
    """A started worker.

    Attributes:
        pid: process id, also the id of its process group and session.
        exited: set once it has ended and been reaped.
    """

    def __init__(self, popen: subprocess.Popen[bytes], on_exit: Callable[[], None], mark: str | None = None) -> None:
        """Watch a process that was just started.

        Args:
            popen: the process.
            on_exit: called once when it has ended.
            mark: what it and all it starts carry in their environment; None when they carry nothing.
        """
        self.pid = popen.pid
        self.exited = anyio.Event()
        self.stderr: StderrLines | None = None
        self._popen = popen
        self._on_exit = on_exit
        self._mark = mark
        self._stdin: asyncio.WriteTransport | None = None
        self._readers: list[asyncio.BaseTransport] = []
        self._pidfd = os.pidfd_open(popen.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        code = self._popen.returncode
        if code is None:
            return "still runs"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with status {code}"

    async def stop(self, grace: Grace) -> None:
        """End the process: close stdin, SIGTERM, SIGKILL, each step after its grace.

        Returns when it is gone, and what it started too, in whatever group or session that hid.
        """
        if self._stdin is not None:
            self._stdin.close()
        with anyio.move_on_after(grace.close_stdin):
            await self.exited.wait()
        if not self.exited.is_set():
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(grace.terminate):
                await self.exited.wait()
        if not self.exited.is_set():
            await self.kill()
        self.release()
        await self.sweep()

    async def sweep(self) -> None:
        """Kill what a process that has ended left behind outside of its group."""
        if self._mark is not None:
            mark, self._mark = self._mark, None
            await anyio.to_thread.run_sync(sweep, mark)

    async def kill(self) -> None:
        """SIGKILL the whole group and wait until the process is gone."""
        self._signal(signal.SIGKILL)
        with anyio.move_on_after(REAP):
            await self.exited.wait()

    def release(self) -> None:
        """Close our ends of its pipes."""
        if self._stdin is not None:
            self._stdin.abort()
        for transport in self._readers:
            transport.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _ended(self) -> None:
        """Reap it.  What it left in its group is killed first, while its id cannot belong to anybody else."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._signal(signal.SIGKILL)
        self._popen.wait()
        self.exited.set()
        self._on_exit()

    async def connect(self, link: Any, pipes: Pipes, stderr: StderrLines) -> None:
        """Put the link and the log on the process's pipes, which are closed with the transports from then on.

        Not to be broken off: it takes a few turns of the loop, and a descriptor that was half handed over when the
        daemon ends would be closed by the loop and by us.
        """
        loop = asyncio.get_running_loop()
        self.stderr = stderr
        ours = [pipes.stdin, pipes.stdout, pipes.stderr]
        try:
            with anyio.CancelScope(shield=True):
                transport, _ = await loop.connect_write_pipe(lambda: _Stdin(link), _next(ours, "wb"))
                self._stdin = transport
                link.outbox.open(transport)
                for end in (link, stderr):
                    reader, _ = await loop.connect_read_pipe(functools.partial(_itself, end), _next(ours, "rb"))
                    self._readers.append(reader)
        finally:
            for descriptor in ours:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Pipes:
    """The daemon's ends of a worker's pipes, as file descriptors."""

    stdin: int
    stdout: int
    stderr: int


def spawn(
    command: Sequence[str], cwd: str, environment: Mapping[str, str], on_exit: Callable[[], None]
) -> tuple[WorkerProcess, Pipes]:
    """Start a process in a group of its own, tied to the calling thread (which must be the main one).

    Raises:
        StartError: the command or its working directory does not exist, or the kernel refuses.
    """
    check(command, cwd, environment.get("PATH"))
    mark = mark_of_life(environment[MARK]) if MARK in environment else None
    ours, theirs = _pipes()
    try:
        popen = subprocess.Popen(
            [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), *command],
            stdin=theirs.stdin,
            stdout=theirs.stdout,
            stderr=theirs.stderr,
            cwd=cwd,
            env=dict(environment) if mark is None else {**environment, MARK: mark},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument, a variable without a name
        _close(ours)
        raise StartError(f"cannot start {command[0]!r}: {error}") from error
    finally:
        _close(theirs)
    return WorkerProcess(popen, on_exit, mark), ours


def check(command: Sequence[str], cwd: str, path: str | None) -> None:
    """Look for the commonest mistakes; the kernel judges the rest.

    Args:
        command: program and arguments.
        cwd: working directory.
        path: PATH to find the program on.

    Raises:
        StartError: there is no such program or directory, in plain words.
    """
    try:
        if not Path(cwd).is_dir():
            what = "is not a directory" if Path(cwd).exists() else "does not exist"
            raise StartError(f"the working directory {cwd} {what}")
        name, place = command[0], Path(cwd) / command[0]
        is_there = place.exists()  # asked of any name: one that no file can have is told as such
        if "/" not in name:  # as execvp finds it: on PATH, and only what has a slash from the working directory on
            is_there = bool(name) and shutil.which(name, path=path) is not None
        elif is_there and shutil.which(place) is None:
            raise StartError(f"cannot execute {name!r}: Permission denied; it must be a file that may be run")
    except (OSError, ValueError) as error:  # a name too long for the file system, or with a NUL in it
        raise StartError(f"cannot start {command[0]!r} in {cwd!r}: {error}") from error
    if not is_there:
        raise StartError(f"{command[0]!r} is not an executable file and not on PATH")


def _pipes() -> tuple[Pipes, Pipes]:
    """Make the three pipes; return (the daemon's ends, the worker's ends)."""
    stdin_read, stdin_write = os.pipe()
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    for descriptor in (stdin_write, stdout_read):
        with contextlib.suppress(OSError):  # over the user's limit the default size stays; only slower
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return Pipes(stdin_write, stdout_read, stderr_read), Pipes(stdin_read, stdout_write, stderr_write)


def _itself(protocol: Any) -> Any:
    return protocol


def _file(descriptor: int, mode: str) -> IO[bytes]:
    """Return a file that does not close its descriptor.

    uvloop closes the descriptor and then the file: by that time the number may belong to another thread's file.
    """
    return os.fdopen(descriptor, mode, 0, closefd=False)


def _next(ours: list[int], mode: str) -> IO[bytes]:
    """Take the next descriptor as a file for the loop, which closes it from then on whether it can be used or not."""
    file = _file(ours[0], mode)
    del ours[0]
    return file


def _close(pipes: Pipes) -> None:
    for descriptor in (pipes.stdin, pipes.stdout, pipes.stderr):
        os.close(descriptor)
