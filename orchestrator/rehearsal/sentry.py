"""Sees what a confined process attempts: each call that its filter caught is judged, answered and, if stopped, noted.

What is stopped here is also stopped by the kernel's other means (`sandbox`), where a filter could be raced: a thread
that rewrites a path while it is being judged gains nothing but a wrong line in the report.  The one exception are Unix
sockets beyond the snapshot, which only this stops.  One thread for each process, as the harness itself may be busy.

Above: `processes`.  Below: `seccomp_filter`, `syscalls`, seccomp_unotify(2).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.rehearsal.bounds import Bounds
from orchestrator.rehearsal.judge import Judge, Stopped
from orchestrator.rehearsal.peer import Peer, PeerGoneError
from orchestrator.rehearsal.syscalls import Call, by_number

RECEIVE: Final = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND: Final = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
VALID: Final = 0x40082102  # SECCOMP_IOCTL_NOTIF_ID_VALID
NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
ANSWER: Final = struct.Struct("=QqiI")
CONTINUE: Final = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

MOST: Final = 200
"""Different attempts kept for one process; further ones are only counted."""


@dataclass(slots=True)
class Attempt:
    """Something a process tried and was kept from.

    Attributes:
        stopped: what it was.
        first: when it first happened, seconds since the Unix epoch.
        times: how often.
    """

    stopped: Stopped
    first: float
    times: int = 1


class Sentry:
    """Watches one process and all it starts.

    Attributes:
        unlisted: attempts beyond those that are kept.
    """

    def __init__(self, bounds: Bounds, wall: Callable[[], float] = time.time) -> None:
        """Make the channel by which the listener comes; `start` begins to watch.

        Args:
            bounds: what the process may touch.
            wall: seconds since the Unix epoch, for the report.
        """
        self.unlisted = 0
        self._ours, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._judge = Judge(bounds)
        self._wall = wall
        self._calls = by_number(platform.machine())
        self._attempts: dict[Stopped, Attempt] = {}
        self._recent: list[Stopped] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sentry", daemon=True)

    def start(self) -> None:
        """Begin, once the process was started and has the channel's other end."""
        self.channel.close()
        self._thread.start()

    def attempts(self) -> list[Attempt]:
        """Return what was stopped so far, in the order in which it first happened."""
        with self._lock:
            return list(self._attempts.values())

    def recent(self) -> list[Stopped]:
        """Return what was stopped since the last time this was asked."""
        with self._lock:
            recent, self._recent = self._recent, []
            return recent

    def close(self) -> None:
        """Stop watching; what the process still asks then fails."""
        self.channel.close()
        with contextlib.suppress(OSError):
            os.write(self._stop_write, b"x")
        if self._thread.is_alive():
            self._thread.join()
        self._ours.close()
        for descriptor in (self._stop_read, self._stop_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        if not self._wait(self._ours.fileno()):
            return
        try:
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
        except OSError:
            return
        if not descriptors:  # the process ended before it could send it
            return
        try:
            while self._wait(descriptors[0]):
                self._one(descriptors[0])
        finally:
            os.close(descriptors[0])

    def _wait(self, descriptor: int) -> bool:
        """Wait for something to read; False when nothing will come any more."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        ready = dict(poll.poll())
        return self._stop_read not in ready and bool(ready[descriptor] & select.POLLIN)

    def _one(self, listener: int) -> None:
        """Take one notification and answer it."""
        buffer = bytearray(NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, RECEIVE, buffer)
        except OSError:  # whoever asked was killed meanwhile
            return
        number, pid, _, call, _, _, *arguments = NOTIFICATION.unpack(buffer)
        refusal = self._judged(self._calls[call], pid, arguments)
        with contextlib.suppress(OSError):
            fcntl.ioctl(listener, VALID, struct.pack("=Q", number))
            answer = (number, 0, 0, CONTINUE) if not refusal else (number, 0, -refusal, 0)
            fcntl.ioctl(listener, SEND, bytearray(ANSWER.pack(*answer)))

    def _judged(self, call: Call, pid: int, arguments: list[int]) -> int:
        """Return the error number that a call fails with, 0 when it may go on."""
        try:
            with Peer(pid) as peer:
                stopped = self._judge.judge(call, arguments, peer)
        except (PeerGoneError, OSError):
            return errno.EACCES
        if stopped is None:
            return 0
        self._note(stopped)
        return stopped.error

    def _note(self, stopped: Stopped) -> None:
        with self._lock:
            if len(self._recent) < MOST:
                self._recent.append(stopped)
            known = self._attempts.get(stopped)
            if known is not None:
                known.times += 1
            elif len(self._attempts) < MOST:
                self._attempts[stopped] = Attempt(stopped, self._wall())
            else:
                self.unlisted += 1
