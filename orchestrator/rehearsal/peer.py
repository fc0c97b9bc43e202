"""A process that waits for an answer: what its arguments point to, where it stands, what it has open.

Above: `judge`.  Below: /proc of that process, which stays while the call is unanswered.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PATH_MAX: Final = 4096
PAGE: Final = 4096
MOST_PATH_BYTES: Final = PATH_MAX


class PeerGoneError(Exception):
    """What it points to cannot be read: it was killed, or points nowhere."""


class Peer:
    """One process, while it waits."""

    def __init__(self, pid: int) -> None:
        """Open its memory for reading.

        Raises:
            PeerGoneError: it cannot be.
        """
        self.pid = pid
        try:
            self._memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise PeerGoneError from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        os.close(self._memory)

    def bytes_at(self, address: int, length: int) -> bytes:
        """Read its memory.

        Raises:
            PeerGoneError: there is none.
        """
        try:
            return os.pread(self._memory, length, address)
        except (OSError, OverflowError) as error:
            raise PeerGoneError from error

    def text_at(self, address: int) -> str:
        """Read a path: up to its NUL, never across a page that may be missing before that."""
        found = b""
        while len(found) < MOST_PATH_BYTES:
            chunk = self.bytes_at(address, PAGE - address % PAGE)
            end = chunk.find(b"\0")
            if end >= 0:
                return os.fsdecode(found + chunk[:end])
            found += chunk
            address += len(chunk)
            if not chunk:
                break
        raise PeerGoneError

    def directory(self, descriptor: int | None) -> str:
        """Return the path of an open directory or file, of its working directory for None."""
        name = "cwd" if descriptor is None else f"fd/{descriptor}"
        try:
            return str(Path(f"/proc/{self.pid}/{name}").readlink())
        except OSError as error:
            raise PeerGoneError from error
