"""Processes that a measurement starts, and what they use.  Below everything in `bench` that starts one.

Every wait is bounded and every process started here is stopped here, with its whole group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAN_WORKER = (sys.executable, "-S", "-I", str(ROOT / "bench" / "lean_worker.py"))
"""The command of the worker behind everything measured."""
CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE, PROXY_CORE = (CORES[0], CORES[1]) if len(CORES) > 1 else (CORES[0], CORES[0])
"""Where processes are placed: left to itself the scheduler sometimes puts two that talk on one core, sometimes on two,
which changes the rate of a round trip by a factor of five and makes ratios a matter of luck."""
GRACE = 5.0
"""Seconds a process has to end after SIGTERM before it is killed."""
POLL = 0.005
"""Seconds between two looks at something that gives no signal."""

QUIET = 0.10
"""Share of the machine that may be in use when a measurement starts."""


class NotReadyError(Exception):
    """Something a measurement needs did not come up."""


def wait_until(true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until `true()`.

    Raises:
        NotReadyError: it was not within `seconds`.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise NotReadyError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(POLL)


def on_core(core: int, command: Sequence[str]) -> tuple[str, ...]:
    """Return a command that runs `command` on one core; the process stays the same."""
    return ("taskset", "--cpu-list", str(core), *command)


def behind(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command that runs `command` at low priority, in the session it leads, too.

    Niceness counts only within a session where the kernel weighs sessions against each other (autogroup).
    """
    return ("sh", "-c", 'echo 10 2>&- >/proc/self/autogroup; exec nice -n 10 "$@"', "sh", *command)


def busy_share(seconds: float = 0.2) -> float:
    """Return how much of the machine was in use during the next `seconds`, from 0 to 1."""

    def read() -> tuple[int, int]:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    before, idle_before = read()
    time.sleep(seconds)
    after, idle_after = read()
    return 1 - (idle_after - idle_before) / max(1, after - before)


def wait_for_quiet(seconds: float) -> bool:
    """Wait up to `seconds` until nobody else uses the machine much; return whether that came."""
    end = time.monotonic() + seconds
    while busy_share() > QUIET:
        if time.monotonic() > end:
            return False
    return True


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a group of its own, its output in `log`; on the way out stop the group."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(os.environ, **(env or {})),
            cwd=cwd,
            process_group=0,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, wait `GRACE` seconds, then kill its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE)


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds that all threads of `pid` have used so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss_mb(pid: int) -> float:
    """Return the resident memory of one process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
