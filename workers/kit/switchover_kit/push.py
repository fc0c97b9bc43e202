"""The push thread of a reader: hears of each new snapshot, has it applied at once, and acknowledges it.

Above it stands `following`, which starts it; below it the socket and `push_messages`.  Reading never needs it.  Without
a connection it tries again with growing waits, and looks at the page meanwhile, so that callbacks are called and the
daemon's end is noticed all the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from switchover_kit.noise import say
from switchover_kit.push_messages import MOST_READ, Applied, Hello, Lines, MessageError, applied, encode

LOOK_SECONDS: Final = 1.0
"""Between two looks at the page while nothing is heard: a heartbeat that stopped is noticed within this."""
FIRST_WAIT: Final = 0.1
"""Seconds before the second attempt to connect; each further wait is twice as long."""
LONGEST_WAIT: Final = 5.0
"""Seconds, the longest wait between two attempts."""
PATIENCE: Final = 2.0
"""Seconds that connecting or sending may take; a daemon that does not read for that long is left, and called again."""
NOTE_SECONDS: Final = 60.0
"""How often a flag that is read all the time is told as read."""
CLOSE_SECONDS: Final = 5.0
"""How long `close` waits for the thread; a callback may hold it up."""
_CHUNK: Final = 4096
_MOST_PATH: Final = 100
"""Bytes of a socket's path that surely fit the kernel's 108; a longer one is reached through its directory."""


class Reader(Protocol):
    """What the thread needs of the flags it serves."""

    @property
    def forced(self) -> Mapping[str, Any]:
        """The flags that the process's environment forces, with their values."""

    def hello(self) -> Hello:
        """Return what the process tells of itself."""

    def refresh(self) -> int:
        """Apply what the page holds now, tell callbacks, return the version that is applied."""

    def take_read(self) -> list[str]:
        """Return the flags that were read and not told yet."""

    def note_anew(self) -> None:
        """Take every flag that is read from now on for read again."""


class Push:
    """One daemon thread and its connection."""

    def __init__(self, path: str, reader: Reader) -> None:
        """Prepare; `start` starts it.

        Args:
            path: the push socket's.
            reader: whom it serves.

        Raises:
            OSError: the process has no file descriptors left.
        """
        self._path = path
        self._reader = reader
        self._connection: socket.socket | None = None
        self._hello: Hello | None = None
        self._told = 0
        self._ended = False
        self._note_at = time.monotonic() + NOTE_SECONDS
        self._said = ""
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="switchover-flags", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system gives no thread.
        """
        try:
            self._thread.start()
        except RuntimeError:
            self.forget()
            raise

    def close(self) -> None:
        """End the thread; from within it, as a callback may, without waiting."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._waker.send(b".")
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_SECONDS)

    def forget(self) -> None:
        """Close what this process has of the connection; in a forked child, whose thread stayed with the parent."""
        self._ended = True
        for one in (self._connection, self._wake, self._waker):
            if one is not None:
                one.close()

    def _run(self) -> None:
        """Connect, listen, connect again, until closed."""
        wait = FIRST_WAIT
        while not self._ended:
            try:
                if self._conversed():
                    wait = FIRST_WAIT
                self._pass(wait)
            except Exception as error:  # noqa: BLE001 - this thread must not end while the process reads flags
                self._say(f"the push thread goes on after {error!r}")
            wait = min(2 * wait, LONGEST_WAIT)
        self.forget()

    def _pass(self, seconds: float) -> None:
        """Let time pass, with a look at the page now and then."""
        poll, end = self._polling(None), time.monotonic() + seconds
        while not self._ended and (left := end - time.monotonic()) > 0:
            poll.poll(min(left, LOOK_SECONDS) * 1000)
            self._reader.refresh()

    def _conversed(self) -> bool:
        """Talk with the daemon until the connection ends; return whether there was one."""
        try:
            connection = self._connection = _connected(self._path)
        except OSError:  # nobody is there, or nobody answers: the page says what that means
            return False
        try:
            with connection:
                self._converse(connection)
        except MessageError as error:
            self._say(f"the push connection was closed: {error}")
        except OSError:  # it was lost, which is nothing to speak of
            pass
        finally:
            self._connection = None
        if not self._ended:
            self._reader.refresh()
        return True

    def _converse(self, connection: socket.socket) -> None:
        """Say hello, then acknowledge every version until the other side, or this thread, ends."""
        lines = Lines()
        poll = self._polling(connection)
        self._hello = None
        self._greet(connection)
        while not self._ended:
            asked = False
            if poll.poll(LOOK_SECONDS * 1000) and not self._ended:  # what else wakes it is its end
                data = connection.recv(_CHUNK)
                if not data:
                    return
                asked = lines.versions(data)
            if not self._ended:
                self._acknowledge(connection, asked=asked)

    def _acknowledge(self, connection: socket.socket, *, asked: bool) -> None:
        """Apply what the page holds, and say so where that was asked, is new, or something was read."""
        version = self._reader.refresh()
        is_news = asked or version != self._told
        if is_news:
            self._greet(connection)
        if read := self._reader.take_read():
            for first in range(0, len(read), MOST_READ):
                connection.sendall(encode(Applied(version, tuple(read[first : first + MOST_READ]))))
        elif is_news:
            connection.sendall(applied(version))
        self._told = version
        if time.monotonic() >= self._note_at:
            self._note_at = time.monotonic() + NOTE_SECONDS
            self._reader.note_anew()

    def _greet(self, connection: socket.socket) -> None:
        """Say hello where something of it has changed besides the version, which an acknowledgement tells."""
        if self._hello is None or self._reader.forced != self._hello.forced:
            hello = self._reader.hello()
            connection.sendall(encode(hello))
            self._hello, self._told = hello, hello.version

    def _polling(self, connection: socket.socket | None) -> select.poll:
        """Return what waits for this thread's end, and for the daemon's words."""
        poll = select.poll()
        for one in (self._wake, connection):
            if one is not None:
                poll.register(one, select.POLLIN)
        return poll

    def _say(self, sentence: str) -> None:
        """Write a line to stderr, where a worker's lines are logged, unless it was the last one already."""
        if sentence != self._said:
            self._said = sentence
            say(sentence)


def _connected(path: str) -> socket.socket:
    """Return a connection to a socket.

    Raises:
        OSError: nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE)
        _connect(connection, path)
        # From here the kernel keeps the time: Python would ask it before each call whether the call may go ahead.
        connection.settimeout(None)
        patience = struct.pack("ll", *divmod(int(PATIENCE * 1_000_000), 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(connection: socket.socket, path: str) -> None:
    """Connect to a path of any length."""
    if len(os.fsencode(path)) <= _MOST_PATH:
        connection.connect(path)
        return
    directory, name = os.path.split(path)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
