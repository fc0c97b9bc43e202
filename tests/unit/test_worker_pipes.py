"""A worker's pipes: each descriptor is closed once, by the loop, whose other threads open files meanwhile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest
import uvloop

from orchestrator.supervision import process
from orchestrator.supervision.process import Pipes, WorkerProcess
from orchestrator.supervision.stderr import StderrLines


class Link:
    """Enough of a link to be connected."""

    outbox: Any = None

    def open(self, _transport: Any) -> None: ...
    def connection_made(self, _transport: Any) -> None: ...
    def connection_lost(self, _exc: Exception | None) -> None: ...
    def get_buffer(self, _hint: int) -> memoryview:
        return memoryview(bytearray(9))

    def eof_received(self) -> None: ...


@pytest.mark.requirement("SUP-9")
@pytest.mark.parametrize("broken", [False, True])
def test_the_files_on_a_workers_pipes_never_close_a_number_that_the_loop_has_closed(
    monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    files: list[Any] = []
    real = os.fdopen

    def fdopen(descriptor: int, *how: Any, **more: Any) -> Any:
        files.append(real(descriptor, *how, **more))
        if broken and len(files) == 2:
            raise OSError("the loop does not take it")
        return files[-1]

    monkeypatch.setattr(process.os, "fdopen", fdopen)
    link = Link()
    link.outbox = link
    ends = [os.pipe() for _ in range(3)]
    (_, stdin), (stdout, _), (stderr, _) = ends

    def left() -> bool:
        return any(Path(f"/proc/self/fd/{end}").exists() for end in (stdin, stdout, stderr))

    async def use(popen: subprocess.Popen[bytes]) -> None:
        worker = WorkerProcess(popen, lambda: None)
        try:
            await worker.connect(link, Pipes(stdin, stdout, stderr), StderrLines(1, 100))
        except OSError:
            assert broken
        await worker.exited.wait()
        worker.release()
        with anyio.fail_after(60):
            while left():
                await anyio.lowlevel.checkpoint()

    with subprocess.Popen(["true"]) as popen:
        uvloop.run(use(popen))
    assert files
    assert not any(file.closefd for file in files)
    for theirs in (ends[0][0], ends[1][1], ends[2][1]):
        os.close(theirs)


@pytest.mark.requirement("SUP-9")
def test_a_worker_that_is_being_started_when_the_daemon_ends_has_its_pipes_closed_once_and_no_error() -> None:
    link = Link()
    link.outbox = link
    ends = [os.pipe() for _ in range(3)]
    (_, stdin), (stdout, _), (stderr, _) = ends
    caught: list[bool] = []

    def left() -> bool:
        return any(Path(f"/proc/self/fd/{end}").exists() for end in (stdin, stdout, stderr))

    async def use(popen: subprocess.Popen[bytes]) -> None:
        worker = WorkerProcess(popen, lambda: None)
        with anyio.CancelScope() as ending:
            ending.cancel()
            await worker.connect(link, Pipes(stdin, stdout, stderr), StderrLines(1, 100))
            worker.release()
            await anyio.lowlevel.checkpoint()
        caught.append(ending.cancelled_caught)
        await worker.exited.wait()
        with anyio.fail_after(60):
            while left():
                await anyio.lowlevel.checkpoint()

    with subprocess.Popen(["true"]) as popen:
        uvloop.run(use(popen))
    assert caught == [True]
    for theirs in (ends[0][0], ends[1][1], ends[2][1]):
        os.close(theirs)
