"""Reads a file that a person named: an ordinary one, of which no more is taken in than it may have.

A device never ends and a pipe may never begin; a daemon that was told of one would fill its memory or wait for ever.
Above: whoever reads files that people write (plans, declarations of flags).  Below: nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def small_file(path: Path, most: int) -> bytes:
    """Return what a file holds, or its first `most` + 1 bytes: more than it may have.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "It is a device or a pipe, and no file", str(path))
        return file.read(most + 1)


def is_there(path: Path) -> bool:
    """Tell whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:  # it is too long
        return False
