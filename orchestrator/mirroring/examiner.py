"""The daemon's end of the process that compares: started when there is something to compare, bounded, and replaced.

Jobs are collected for some milliseconds and written together.  What it cannot take is given back as dropped; when it
dies, so is what it had.  Above: `live`.  Below: `examine` is the process, `supervision` starts and ends it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import anyio
import msgspec
from anyio.abc import TaskGroup

from orchestrator.mirroring.messages import LENGTH, Begin, Job, Judged, decode_judged, frame
from orchestrator.supervision.process import LAUNCHER, Grace, WorkerProcess
from orchestrator.supervision.warden import MARK, mark_of_life
from orchestrator.telemetry.logging import get_logger

log = get_logger("mirror")

GATHER: Final = 0.02
"""Seconds in which jobs are collected before they are written together."""
BATCH: Final = 64
"""Jobs, or"""
BATCH_BYTES: Final = 1 << 20
"""bytes of them, that are written at once."""
PAUSE: Final = 5.0
"""Seconds after its death in which it is not started again."""
GRACE: Final = Grace(close_stdin=1.0, terminate=2.0)
"""At the end of its socket it writes one file and ends."""
EXAMINE: Final = "orchestrator.mirroring.examine"
LOG: Final = "mirror.log"
"""What it prints: nothing, unless a comparison fails in a way nobody foresaw."""


class Examiner(asyncio.Protocol):
    """Hands jobs over and verdicts back.

    Attributes:
        waiting: numbers of the jobs without a verdict, and how large each is.
        waiting_bytes: bytes of these.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        environment: Mapping[str, str],
        places: tuple[Path, Path],
        *,
        begin: Callable[[], Begin],
        done: Callable[[Judged], None],
        lost: Callable[[list[int]], None],
    ) -> None:
        """Build it; nothing is started.

        Args:
            tasks: where the process is followed.
            environment: the daemon's, with its mark.
            places: state directory and directory of logs.
            begin: says how to compare, when a process starts.
            done: takes verdicts.
            lost: is told of jobs that will have none.
        """
        self.waiting: dict[int, int] = {}
        self.waiting_bytes = 0
        self._tasks = tasks
        self._environment = dict(environment)
        self._state_dir, self._logs = places
        self._begin = begin
        self._done = done
        self._lost = lost
        self._batch: list[Job] = []
        self._batch_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._process: WorkerProcess | None = None
        self._starting = False
        self._closing = False
        self._not_before = 0.0

    # --- jobs -----------------------------------------------------------------------------------

    def put(self, job: Job) -> bool:
        """Hand a job over; False when there is nobody to take it."""
        loop = asyncio.get_running_loop()
        if self._closing or (self._transport is None and not self._start_soon(loop)):
            return False
        size = len(job.old) + len(job.new) + len(job.control)
        self.waiting[job.number] = size
        self.waiting_bytes += size
        self._batch.append(job)
        self._batch_bytes += size
        if len(self._batch) >= BATCH or self._batch_bytes >= BATCH_BYTES:
            self._write()
        elif self._timer is None:
            self._timer = loop.call_later(GATHER, self._write)
        return True

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is None or not self._batch:
            return  # it is being started; what waits is written then
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._transport.write(frame(batch))

    # --- the process ----------------------------------------------------------------------------

    def _start_soon(self, loop: asyncio.AbstractEventLoop) -> bool:
        if not self._starting:
            if self._process is not None or loop.time() < self._not_before:
                return False
            self._starting = True
            self._tasks.start_soon(self._start)
        return True

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = self._spawn(theirs)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        except OSError as error:
            ours.close()
            log.warning("mirrored answers are not compared", reason=str(error))
            self._over()
        finally:
            self._starting = False
        if self._process is not None:
            log.info("mirrored answers are compared", pid=self._process.pid)
            self._tasks.start_soon(self._follow, self._process)

    def _spawn(self, theirs: socket.socket) -> WorkerProcess:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = mark_of_life(self._environment.get(MARK, ""))
        with (self._logs / LOG).open("ab") as errors:
            popen = subprocess.Popen(
                [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), sys.executable, "-m", EXAMINE],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self._state_dir,
                env={**self._environment, MARK: mark},
                start_new_session=True,
            )
        return WorkerProcess(popen, lambda: None, mark)

    async def _follow(self, process: WorkerProcess) -> None:
        await process.exited.wait()
        with anyio.CancelScope(shield=True):
            await process.stop(GRACE)
        if self._process is process:
            self._process = None
            if not self._closing:
                log.warning("the process that compares mirrored answers ended", outcome=process.outcome)
            self._over()

    async def close(self) -> None:
        """End the process; what it has not compared is dropped."""
        self._closing = True
        process = self._process
        if self._transport is not None:
            self._transport.close()
        if process is not None:
            await process.stop(GRACE)
        self._over()

    def restart(self) -> None:
        """Have the next job begin with a process that compares as the settings now say."""
        if self._transport is not None:
            self._transport.close()
            self._not_before = 0.0

    def _over(self) -> None:
        """Give back what nobody will compare."""
        self._transport = None
        self._not_before = asyncio.get_running_loop().time() + PAUSE
        self._buffer.clear()
        self._batch, self._batch_bytes = [], 0
        waiting, self.waiting, self.waiting_bytes = list(self.waiting), {}, 0
        if waiting:
            self._lost(waiting)

    # --- its socket -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say how to compare, then what."""
        self._transport = writing = cast("asyncio.Transport", transport)
        writing.write(frame(self._begin()))
        self._write()

    def data_received(self, data: bytes) -> None:
        """Read verdicts."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            body = bytes(buffer[LENGTH.size : end])
            del buffer[:end]
            try:
                judged = decode_judged(body)
            except msgspec.MsgspecError as error:
                log.warning("the process that compares mirrored answers speaks nonsense", reason=str(error))
                continue
            for one in judged:
                self.waiting_bytes -= self.waiting.pop(one.number, 0)
                self._done(one)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """What it had not said it will not say."""
        self._over()
