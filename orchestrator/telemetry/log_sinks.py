"""Where log lines end up: a rotating file, and a stream such as stderr.

Above: a `log_writer` of its own calls each sink from its thread; a sink may block, and a sink may fail.  Below: the
file system.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Final, Protocol

FILE_MODE: Final = 0o640


class Sink(Protocol):
    """Takes whole lines.

    Attributes:
        name: what it is, for people.
        failure: why the last write was not complete; empty when it was.
    """

    name: str
    failure: str

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines that end in newlines; return how many were written, fewer than all with `failure` set."""
        ...

    def close(self) -> None:
        """Give up what it holds open."""
        ...


class RotatingFile:
    """`NAME`, with older parts beside it as `NAME.1` (newest) to `NAME.<count - 1>`.

    Args:
        path: the current file; its directory is made when it is missing.
        size: bytes at which the file is rotated.
        count: files kept, the current one included.
    """

    def __init__(self, path: Path, size: int, count: int) -> None:
        self.name = str(path)
        self.failure = ""
        self._path = path
        self._limit = size
        self._count = count
        self._fd = -1
        self._size = 0

    def write(self, lines: Sequence[bytes]) -> int:
        """Append lines, rotating between two of them where the size demands it."""
        done = 0
        self.failure = ""
        try:
            self._open()
            while done < len(lines):
                part = self._fitting(lines[done:])
                self._append(part)
                done += len(part)
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.close()
        return done

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        """Have the file at the path open, also after somebody moved, removed or truncated it."""
        if self._fd >= 0 and not self._is_current():
            self.close()
        if self._fd < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        self._size = os.fstat(self._fd).st_size

    def _is_current(self) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        return False

    def _fitting(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Return as many of `lines` as the current file takes, at least one; rotate first when it takes none."""
        if self._size and self._size + len(lines[0]) > self._limit:
            self._rotate()
        ends = accumulate((len(line) for line in lines), initial=self._size)
        fitting = sum(end <= self._limit for end in ends) - 1
        return lines[: max(fitting, 1)]

    def _append(self, lines: Sequence[bytes]) -> None:
        rest = memoryview(b"".join(lines))
        start = self._size
        try:
            while rest:
                written = os.write(self._fd, rest)
                rest = rest[written:]
                self._size += written
        except OSError:
            with suppress(OSError):  # half a line is worse than none
                os.ftruncate(self._fd, start)
            raise

    def _rotate(self) -> None:
        self.close()
        if self._count == 1:
            self._path.unlink(missing_ok=True)
        for number in range(self._count - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._open()


class Stream:
    """A terminal, pipe, socket or file that somebody else reads, perhaps slowly, perhaps no more.

    Args:
        descriptor: its file descriptor; the sink keeps a duplicate, so the number may be closed and used again.
        show: turns a JSON line into what the stream is to carry.
        name: what it is, for people.
    """

    def __init__(self, descriptor: int, show: Callable[[bytes], bytes] = bytes, name: str = "stderr") -> None:
        self.name = name
        self.failure = ""
        self._show = show
        self._fd = os.dup(descriptor)
        self._torn = False

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines, for as long as the reader takes to read them."""
        shown = [self._show(line) for line in lines]
        if self._torn:  # the line that broke off ends here, so that none of these is read as its tail
            shown[0] = b"\n" + shown[0]
        rest = memoryview(b"".join(shown))
        written = 0
        self.failure = ""
        try:
            while rest:
                count = os.write(self._fd, rest)
                rest = rest[count:]
                written += count
        except OSError as error:
            self.failure = error.strerror or str(error)
        ends = list(accumulate(map(len, shown)))
        self._torn = (written not in ends) if written else self._torn
        return sum(end <= written for end in ends)

    def close(self) -> None:
        """Close the duplicate."""
        with suppress(OSError):
            os.close(self._fd)
