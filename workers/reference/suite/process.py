"""Runs one program within bounds: so long, so much output, and nothing of it left when it is over.

Above it stand `changed`, `pytest_run` and `compiling`, below it the operating system.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

KEPT_BYTES: Final = 64 * 1024
"""Bytes of output that are kept: the last ones, for that is where the outcome stands."""

LAST_WORDS: Final = 1.0
"""Seconds for the output to end once everything that could write it was killed."""

OURS: Final = ("SWITCHOVER_ROLE", "SWITCHOVER_GENERATION", "SWITCHOVER_DRY_RUN", "SWITCHOVER_WORKER_STATE",
               "SWITCHOVER_FLAGS", "SWITCHOVER_ANALYTICS",
               "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTHONPATH")  # fmt: skip
"""Variables that are about this process; a test in the work tree is not to write to our state."""

_SET_PDEATHSIG: Final = 1  # prctl(2)
LAUNCH: Final = (
    "import ctypes, os, sys\n"
    f"ctypes.CDLL(None).prctl({_SET_PDEATHSIG}, {int(signal.SIGKILL)})\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)
"""Program that dies with its parent, also when that is killed, and becomes the one that is wanted."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        status: its exit status, negative for a signal; None when its time was over.
        output: the end of what it wrote, stderr included unless it was dropped.
    """

    status: int | None
    output: bytes


async def run(
    python: Path,
    command: Sequence[str],
    *,
    directory: Path,
    seconds: float,
    extra: Mapping[str, str] | None = None,
    with_errors: bool = True,
) -> Ended:
    """Run a program in a process group of its own; kill all of the group when the program or its time is over.

    Args:
        python: the interpreter that the launcher runs on.
        command: the program and its arguments.
        directory: where it runs.
        seconds: how long it may take.
        extra: environment variables on top of our own, less those that are about this process.
        with_errors: whether stderr is output, too; else it is dropped.

    Raises:
        OSError: the interpreter cannot be started.
    """
    words = [str(python), "-I", "-c", LAUNCH, str(os.getpid()), *command]
    process = await anyio.open_process(
        words,
        cwd=directory,
        env={**{name: value for name, value in os.environ.items() if name not in OURS}, **(extra or {})},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT if with_errors else subprocess.DEVNULL,
        start_new_session=True,
    )
    kept = bytearray()
    status: int | None = None
    try:
        with anyio.move_on_after(seconds):
            status = await _heard_out(process, kept)
    finally:
        with anyio.CancelScope(shield=True):
            _kill_group(process)
            await process.aclose()
    return Ended(status, bytes(kept))


async def _heard_out(process: Process, kept: bytearray) -> int:
    """Read what a program writes until it ends; what it left running may not hold us up."""
    assert process.stdout is not None  # noqa: S101 - it was opened with one
    async with anyio.create_task_group() as group:
        group.start_soon(_read, process.stdout, kept)
        status = await process.wait()
        _kill_group(process)
        group.cancel_scope.deadline = anyio.current_time() + LAST_WORDS
    return status


async def _read(stream: ByteReceiveStream, kept: bytearray) -> None:
    with contextlib.suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        while True:
            kept += await stream.receive()
            del kept[:-KEPT_BYTES]


def _kill_group(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
