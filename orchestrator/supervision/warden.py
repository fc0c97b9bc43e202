"""The warden outlives a daemon that was killed and ends what it left behind.

PDEATHSIG reaches a worker but not the processes a worker started (`npx` starts node, node starts a browser).  The
warden is one small process that holds a pipe to the daemon; when the pipe closes without a goodbye it kills every
process that carries the daemon's mark in its environment.

Run as a script (`python -S -I warden.py MARK`) it is that process; imported, it is the daemon's side of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

MARK = "SWITCHOVER_DAEMON"
"""Environment variable that every process below a daemon inherits: the mark of that daemon's life, and behind a slash
that of the worker's (see `mark_of_life`)."""

GOODBYE = b"g"
ROUNDS = 10
"""Sweeps over /proc: a process may fork while it is being looked for."""


def mark_of_life(daemon: str) -> str:
    """Return a mark for one worker's life, by which it and what it started are found, and nobody else."""
    return f"{daemon}/{os.urandom(8).hex()}"


def marked(mark: str) -> list[int]:
    """Return the pids of the processes that carry a mark, or one below it."""
    wanted = f"{MARK}={mark}".encode()
    below = wanted + b"/"
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if any(variable == wanted or variable.startswith(below) for variable in variables):
                    found.append(int(entry.name))
    return found


def sweep(mark: str) -> int:
    """Kill every process that carries a mark, itself excepted; return how many were killed."""
    killed = set()
    for _ in range(ROUNDS):
        pids = [pid for pid in marked(mark) if pid != os.getpid() and not _is_zombie(pid)]
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    return len(killed)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


class Warden:
    """The daemon's side: starts the warden and says goodbye to it on an orderly stop."""

    def __init__(self, mark: str) -> None:
        """Start the warden for processes with this mark."""
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-I", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    @property
    def pid(self) -> int:
        """The warden's process id."""
        return self._process.pid

    def goodbye(self) -> None:
        """Let the warden end without killing anything; every worker has been stopped."""
        stdin = self._process.stdin
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.write(GOODBYE)
                stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)


def main(mark: str) -> int:
    """Wait for the daemon's end; kill what it left unless it said goodbye."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    if os.read(0, 1) != GOODBYE:
        sweep(mark)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
