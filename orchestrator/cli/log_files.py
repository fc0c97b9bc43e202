"""Reads a rotated log: its last lines across its parts, and its new lines while it is written and rotated.

`NAME` is the current part, `NAME.1` the one before, and so on.  Above: the verb `logs`.  Below: the file system.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Self

BLOCK: Final = 1 << 16
"""Bytes read at a time."""


def last_lines(files: list[BinaryIO], count: int, wanted: Callable[[bytes], bool]) -> list[bytes]:
    """Return the last `count` wanted lines of a log, oldest first, each with its newline.

    Args:
        files: the log's parts, newest first; of the newest only what lies before its position is read.
        count: how many lines.
        wanted: whether a line counts.
    """
    ends = [file.tell() if index == 0 else file.seek(0, os.SEEK_END) for index, file in enumerate(files)]
    lines = (line for file, end in zip(files, ends, strict=True) for line in _backwards(file, end) if wanted(line))
    found = list(islice(lines, count))[::-1]
    for file, end in zip(files, ends, strict=True):
        file.seek(end)
    return found


def seek_end(file: BinaryIO) -> None:
    """Go to the end of a log's current part; what is not a whole line yet lies ahead."""
    end = file.seek(0, os.SEEK_END)
    begun = next(_backwards(file, end), b"\n") if end and not _ends_line(file, end) else b"\n"
    file.seek(end - len(begun) + 1)


def parts(path: Path) -> list[Path]:
    """Return the paths that a log's parts have, or will have after two more rotations, newest first."""
    names = (entry.name.removeprefix(f"{path.name}.") for entry in path.parent.glob(f"{path.name}.*"))
    oldest = max((int(name) for name in names if name.isdecimal()), default=0)
    return [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, oldest + 3))]


def open_parts(path: Path, stack: ExitStack, until: os.stat_result | None = None) -> tuple[list[BinaryIO], bool]:
    """Open a log's parts, newest first, each file once though it may be renamed while we look.

    Args:
        path: the current part.
        stack: closes what is returned.
        until: stop before this file.

    Returns:
        The files, and whether `until` was met (False when it is not given).
    """
    files: list[BinaryIO] = []
    seen: set[tuple[int, int]] = set()
    for part in parts(path):
        try:
            file = part.open("rb")
        except FileNotFoundError:  # renamed since we listed the parts; the name it has now comes next
            continue
        stat = os.fstat(file.fileno())
        if until is not None and os.path.samestat(stat, until):
            file.close()
            return files, True
        if (stat.st_dev, stat.st_ino) in seen:
            file.close()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        files.append(stack.enter_context(file))
    return files, False


class Follower:
    """The lines that are added to a log from now on, across its rotations.

    Attributes:
        missed: set when parts were rotated away before they could be read.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Follow the log at `path` from the position of `file`, its current part; closes the file in time."""
        self.missed = False
        self._path = path
        self._file = file
        self._torn = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def new_lines(self) -> Iterator[bytes]:
        """Yield the whole lines added since the last time."""
        yield from self._added()
        if self._is_current():
            return
        with ExitStack() as stack:
            files, met = open_parts(self._path, stack, os.fstat(self._file.fileno()))
            if not files:  # between two parts: the next one is not there yet
                return
            self.missed = self.missed or not met
            yield from self._added()  # what was written between our last look and the rotation
            for file in reversed(files):
                yield from self._change_to(file)
            stack.pop_all()

    def _change_to(self, file: BinaryIO) -> Iterator[bytes]:
        if self._torn:  # nobody will end that line any more
            yield self._torn + b"\n"
        self._torn = b""
        self._file.close()
        self._file = file
        yield from self._added()

    def _added(self) -> Iterator[bytes]:
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # truncated in place
            self._file.seek(0)
            self._torn = b""
        while data := self._file.read(BLOCK):
            *lines, self._torn = (self._torn + data).split(b"\n")
            yield from (line + b"\n" for line in lines)

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False


def _ends_line(file: BinaryIO, end: int) -> bool:
    file.seek(end - 1)
    return file.read(1) == b"\n"


def _backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Yield the lines before an offset, last first, each with a newline."""
    rest = b""
    while end:
        size = min(BLOCK, end)
        end -= size
        file.seek(end)
        rest, *lines = (file.read(size) + rest).split(b"\n")
        yield from (line + b"\n" for line in reversed(lines) if line)
    if rest:
        yield rest + b"\n"
