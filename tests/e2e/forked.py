"""A program of ours that is forked from a prepared process instead of started, which spares it a second of imports.

It has the few members of `subprocess.Popen` that are needed here.  Above: `daemon`.  Below: `daemon_forks`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

FORKS = Path(__file__).with_name("daemon_forks.py")
START = 60.0
"""Seconds until what was asked for must have its pid, the preparing included; and until the preparing process ends."""
NUMBER = 32
"""Bytes that a pid or an exit status has at most."""


class Forked:
    """One process.

    Attributes:
        pid: its process id, also once it has ended.
        returncode: how it ended, negative for a signal; None as long as that is not known.
    """

    def __init__(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: int, stdout: int, stderr: int
    ) -> None:
        """Fork it; `words` are the command line, whose first is the executable."""
        self.returncode: int | None = None
        wanted = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
        self._told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with telling:
            socket.send_fds(_forks(), [wanted], [stdin, stdout, stderr, telling.fileno()])
        self._told.settimeout(START)
        self.pid = int(self._told.recv(NUMBER))

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end; return its exit status.

        Raises:
            subprocess.TimeoutExpired: it did not end in that many seconds.
        """
        if self.returncode is None:
            ready, _, _ = select.select([self._told], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            with self._told:
                self.returncode = int(self._told.recv(NUMBER))
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def run(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Fork a program, wait for its end, and return what it wrote, as `subprocess.run` does.

    Raises:
        subprocess.TimeoutExpired: it did not end in that many seconds, and was killed.
    """
    with TemporaryFile("w+") as reading, TemporaryFile("w+") as said, TemporaryFile("w+") as complained:
        reading.write(stdin)
        reading.seek(0)
        streams = {"stdin": reading.fileno(), "stdout": said.fileno(), "stderr": complained.fileno()}
        process = Forked(words, cwd=cwd, env=env, **streams)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(START)
            raise
        said.seek(0)
        complained.seek(0)
        return subprocess.CompletedProcess(list(words), process.wait(START), said.read(), complained.read())


@functools.cache
def _forks() -> socket.socket:
    """Return the socket of the process that forks, which is started when first needed and ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([sys.executable, str(FORKS), str(theirs.fileno())], pass_fds=[theirs.fileno()])
    atexit.register(_end, process, ours)
    return ours


def _end(process: subprocess.Popen[bytes], asking: socket.socket) -> None:
    asking.close()
    process.wait(START)
