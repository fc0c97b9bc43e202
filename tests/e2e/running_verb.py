"""A verb that goes on until Ctrl-C, such as `status --watch`: on a pipe or on a terminal, watched as it writes.

Above: the tests of the command line.  Below: `daemon`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from daemon import EXECUTABLE, RunningDaemon

PATIENCE = 60.0
"""Seconds a text may take to appear, or the verb to end."""
CHUNK = 1 << 16


class RunningVerb:
    """One process; a context manager that ends it.

    Attributes:
        said: everything it has written to stdout and stderr so far.
    """

    def __init__(
        self,
        daemon: RunningDaemon,
        *words: str,
        terminal: tuple[int, int] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `switchover WORDS` against a daemon.

        Args:
            daemon: the daemon.
            words: the verb and its options.
            terminal: rows and columns of the terminal it runs on; a pipe by default.
            env: further variables.
        """
        self.said = ""
        self._reading, writing = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", *terminal, 0, 0))
        self._process = subprocess.Popen(
            [EXECUTABLE, *words],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=daemon.environment({"TERM": "xterm", **(env or {})}),
        )
        os.close(writing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._close()

    def read_until(self, text: str, times: int = 1) -> str:
        """Read until a text has come so many times; return what has been said since the start."""
        deadline = time.monotonic() + PATIENCE
        while self.said.count(text) < times:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come {times} times; it said:\n{self.said}"
            more = self._read()
            assert more, f"it ended before {text!r} came {times} times; it said:\n{self.said}"
            self.said += more
        return self.said

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, Ctrl-C's by default, read to the end, and return the exit status."""
        self._process.send_signal(number)
        status = self._process.wait(PATIENCE)
        while more := self._read():
            self.said += more
        return status

    def hang_up(self) -> int:
        """Stop reading, as `head` does; return the exit status of the verb, which must end by itself."""
        self._close()
        return self._process.wait(PATIENCE)

    def _close(self) -> None:
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def _read(self) -> str:
        try:
            return os.read(self._reading, CHUNK).decode(errors="replace")
        except OSError:  # what a terminal says when nobody is left at its other end
            return ""
