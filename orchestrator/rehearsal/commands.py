"""Runs a build or test command in the copy: in a group of its own, for a bounded time, its output kept and clean.

Above: `harness`.  Below: `supervision.process` (the launcher, the end of a process and of all it started).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from orchestrator.domain.errors import StartError
from orchestrator.rehearsal.redact import Lines, Redactor
from orchestrator.supervision.process import LAUNCHER, Grace, WorkerProcess
from orchestrator.supervision.warden import MARK, mark_of_life

GRACE: Final = Grace(close_stdin=0.0, terminate=5.0)
CHUNK: Final = 1 << 16
LONGEST_LINE: Final = 1 << 16
LAST_WORD: Final = 1 << 10
"""Bytes at the end of a part of a longer line in which it is parted between words, so that no secret is."""
LAST_LINES: Final = 5
"""Lines of output that explain a failure."""
LAST_OUTPUT: Final = 1.0
"""Seconds output is still read after the command's end: what it started may hold the pipe open."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        words: how, None when it succeeded.
        last: its last lines.
        late: whether it was ended because its time was over.
    """

    words: str | None
    last: tuple[str, ...]
    late: bool = False


async def run(command: Sequence[str], cwd: Path, environment: Mapping[str, str], seconds: float, log: Log) -> Ended:
    """Run a command to its end, or to the end of its time; nothing it started is left.

    Args:
        command: program and arguments.
        cwd: where.
        environment: its variables.
        seconds: how long it may take.
        log: takes its output.

    Raises:
        StartError: it cannot be started.
    """
    mark = mark_of_life(environment[MARK]) if MARK in environment else None
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        popen = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec, from the thread its life is tied to
            [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), *command],
            cwd=cwd,
            env=dict(environment) if mark is None else {**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(reading)
        raise StartError(f"cannot start {command[0]!r}: {error}") from error
    finally:
        os.close(writing)
    process = WorkerProcess(popen, lambda: None, mark)
    try:
        return await _to_the_end(process, reading, seconds, log)
    finally:
        with anyio.CancelScope(shield=True):
            await process.stop(GRACE)
            log.close()


async def _to_the_end(process: WorkerProcess, reading: int, seconds: float, log: Log) -> Ended:
    with anyio.move_on_after(seconds) as bound:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, reading, log)
            await process.exited.wait()
            await process.sweep()
            with anyio.move_on_after(LAST_OUTPUT):
                await log.ended.wait()
            tasks.cancel_scope.cancel()
    if bound.cancelled_caught and not process.exited.is_set():
        return Ended(f"it did not end within {seconds:g} s", log.last, late=True)
    return Ended(None if process.outcome == "exited with status 0" else f"it {process.outcome}", log.last)


async def _read(descriptor: int, log: Log) -> None:
    os.set_blocking(descriptor, False)
    try:
        while True:
            await anyio.wait_readable(descriptor)
            chunk = os.read(descriptor, CHUNK)
            if not chunk:
                break
            log.write(chunk)
    finally:
        os.close(descriptor)
        log.ended.set()


class Log:
    """A step's output, line by line, cleaned before it is written, up to a bound.

    Attributes:
        ended: set when nothing more comes.
        name: the file's.
    """

    def __init__(self, path: Path, most: int, redactor: Redactor) -> None:
        """Begin a file.

        Args:
            path: where; its directory exists.
            most: bytes that are kept.
            redactor: takes secrets out of it.
        """
        self.ended = anyio.Event()
        self.name = path.name
        self._file = path.open("w", encoding="utf-8")
        self._left = most
        self._dropped = 0
        self._clean = Lines(redactor).text
        self._rest = b""
        self._last: list[str] = []

    @property
    def last(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._last[-LAST_LINES:])

    def write(self, chunk: bytes) -> None:
        """Take some output."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            part, self._rest = _parted(self._rest)
            lines.append(part)
        for line in lines:
            self._line(line)

    def close(self) -> None:
        """Write what is left."""
        if self._file.closed:
            return
        if self._rest:
            self._line(self._rest)
        if self._dropped:
            self._file.write(f"... {self._dropped} more bytes of output were not kept\n")
        self._file.close()

    def _line(self, raw: bytes) -> None:
        line = self._clean(raw.decode(errors="replace").rstrip("\r"))
        if line.strip():
            self._last = [*self._last[-LAST_LINES:], line[:500]]
        if len(raw) < self._left:
            self._left -= len(raw) + 1
            self._file.write(line + "\n")
        else:
            self._left = 0
            self._dropped += len(raw) + 1


def _parted(line: bytes) -> tuple[bytes, bytes]:
    """Part a line that is too long between two words where one can, and never after what a value follows."""
    at = len(line)
    while (at := max(line.rfind(b" ", len(line) - LAST_WORD, at), line.rfind(b",", len(line) - LAST_WORD, at))) > 0:
        if line[:at].rstrip()[-1:] not in {b":", b"="}:
            return line[: at + 1], line[at + 1 :]
    return line, b""
