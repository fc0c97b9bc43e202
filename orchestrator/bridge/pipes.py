"""Standard input and output as pipes an event loop can watch, whatever they are.

A loop can watch pipes and sockets.  What stands between them and anything else (a file, a terminal, /dev/null) is a
thread that copies: a terminal would have to be made non-blocking for everybody who uses it.

Above: `relay`.  Below: the operating system.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from types import TracebackType
from typing import BinaryIO, Final, Self

CHUNK: Final = 1 << 16
"""Bytes copied at a time."""


class Pipe:
    """One end of standard input or output; a context manager that leaves the descriptor as it was.

    Attributes:
        file: what the loop watches; the loop closes it.
    """

    def __init__(self, descriptor: int, *, reading: bool) -> None:
        """Build a pipe from descriptor 0 (reading) or 1."""
        self._descriptor = descriptor
        self._copying: threading.Thread | None = None
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or (stat.S_ISSOCK(mode) and (reading or not _is_one_socket())):
            inner = os.dup(descriptor)
        else:
            inner, outer = os.pipe() if reading else os.pipe()[::-1]
            ends = (descriptor, outer) if reading else (outer, descriptor)
            self._copying = threading.Thread(target=_copy, args=(*ends, outer), daemon=True)
            self._copying.start()
        self.file: BinaryIO = os.fdopen(inner, "rb" if reading else "wb", buffering=0)
        self._blocking = os.get_blocking(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the descriptor blocking again if it was: others may use it after us."""
        self.file.close()
        with contextlib.suppress(OSError):
            os.set_blocking(self._descriptor, self._blocking)

    def join(self, seconds: float) -> None:
        """Wait until what was written has reached its place; to be called after `file` was closed."""
        if self._copying is not None:
            self._copying.join(seconds)


def _is_one_socket() -> bool:
    """Tell whether input and output are the same socket: the loop would take what comes in for the end of output."""
    return os.path.sameopenfile(0, 1)


def _copy(source: int, sink: int, own: int) -> None:
    """Copy until there is no more, or nobody takes it; then close our own end, which says so to the other side."""
    with contextlib.suppress(OSError):
        while data := os.read(source, CHUNK):
            while data:
                data = data[os.write(sink, data) :]
    os.close(own)
