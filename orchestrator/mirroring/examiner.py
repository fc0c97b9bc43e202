"""The daemon's end of the process that compares: started when there is something to compare, bounded, and replaced.

Jobs are collected for some milliseconds and written together.  What it cannot take is given back as dropped; when it
dies, so is what it had.  Above: `live`.  Below: `examine` is the process, `supervision.helper` runs it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from anyio.abc import TaskGroup

from orchestrator.mirroring.messages import Begin, Job, Judged, decode_judged, encode
from orchestrator.supervision.helper import Helper, Program
from orchestrator.supervision.process import Grace
from orchestrator.telemetry.logging import get_logger

log = get_logger("mirror")

GATHER: Final = 0.2
"""Seconds in which jobs are collected before they are written together."""
BATCH: Final = 256
"""Jobs, or"""
BATCH_BYTES: Final = 1 << 20
"""bytes of them, that are written at once."""
SLICE: Final = 8
"""Verdicts taken in in one turn of the loop: some hundred microseconds, after which whoever calls is served."""
PAUSE: Final = 5.0
"""Seconds after its death in which it is not started again."""
GRACE: Final = Grace(close_stdin=1.0, terminate=2.0)
"""At the end of its socket it writes one file and ends."""


class Examiner:
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
        state_dir, logs = places
        self._program = Program("orchestrator.mirroring.examine", state_dir, logs / "mirror.log", environment, GRACE)
        self._begin = begin
        self._done = done
        self._lost = lost
        self._batch: list[Job] = []
        self._batch_bytes = 0
        self._verdicts: deque[Judged] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._helper: Helper | None = None
        self._speaks = False
        self._closing = self._restarting = False
        self._not_before = 0.0

    # --- jobs -----------------------------------------------------------------------------------

    def put(self, job: Job) -> bool:
        """Hand a job over; False when there is nobody to take it."""
        loop = asyncio.get_running_loop()
        if self._closing or (self._helper is None and not self._start_soon(loop)):
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
        if self._helper is None or not self._speaks or not self._batch:
            return  # it is being started; what waits is written then
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._helper.send(encode(batch))

    def _received(self, body: bytes) -> None:
        try:
            judged = decode_judged(body)
        except msgspec.MsgspecError as error:
            log.warning("the process that compares mirrored answers speaks nonsense", reason=str(error))
            return
        if not self._verdicts:
            asyncio.get_running_loop().call_soon(self._tell_some)
        self._verdicts.extend(judged)

    def _tell_some(self) -> None:
        """Take in some of the verdicts; the rest after whoever called meanwhile."""
        for _ in range(min(SLICE, len(self._verdicts))):
            one = self._verdicts.popleft()
            self.waiting_bytes -= self.waiting.pop(one.number, 0)
            self._done(one)
        if self._verdicts:
            asyncio.get_running_loop().call_soon(self._tell_some)

    @property
    def runs(self) -> bool:
        """Whether there is a process, or one is being started."""
        return self._helper is not None

    # --- the process ----------------------------------------------------------------------------

    def _start_soon(self, loop: asyncio.AbstractEventLoop) -> bool:
        if loop.time() < self._not_before:
            return False
        self._helper = Helper(self._program, self._received, self._over)
        self._speaks = False
        self._tasks.start_soon(self._start, self._helper)
        return True

    async def _start(self, helper: Helper) -> None:
        try:
            await helper.start(self._tasks)
        except OSError as error:
            log.warning("mirrored answers are not compared", reason=str(error))
            self._over(helper)
            return
        if helper.process is not None:
            log.info("mirrored answers are compared", pid=helper.process.pid)
        helper.send(encode(self._begin()))
        self._speaks = True
        self._write()

    def _over(self, helper: Helper) -> None:
        """Give back what nobody will compare."""
        if helper is not self._helper:
            return
        self._helper = None
        if not self._closing and not self._restarting:
            log.warning("the process that compares mirrored answers ended", outcome=helper.outcome)
            self._not_before = asyncio.get_running_loop().time() + PAUSE
        self._restarting = False
        while self._verdicts:
            self._tell_some()
        self._batch, self._batch_bytes = [], 0
        waiting, self.waiting, self.waiting_bytes = list(self.waiting), {}, 0
        if waiting:
            self._lost(waiting)

    async def close(self) -> None:
        """End the process; what it has not compared is dropped."""
        self._closing = True
        if self._helper is not None:
            await self._helper.stop()

    def restart(self) -> None:
        """Have the next jobs compared by a process that begins with the settings as they are now."""
        if self._helper is not None and self._speaks:  # one that is being started has still to be told them
            self._restarting = True
            self._helper.end()
