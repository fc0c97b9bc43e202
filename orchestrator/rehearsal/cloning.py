"""Copies of files and trees, by sharing their blocks where the file system can (reflink), else byte for byte.

Above: `snapshot`, `code_copy`.  Below: the file system; ioctl_ficlonerange(2).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

FICLONE: Final = 0x40049409
CANNOT_SHARE: Final = frozenset(
    {errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ETXTBSY}
)
"""What the kernel answers where blocks cannot be shared: another file system, or one that cannot do it."""

Excluded = Callable[[Path], bool]
"""Tells whether a path, relative to the tree's root, is left out."""


def clone_file(source: Path, target: Path) -> None:
    """Copy one regular file with its mode and times; links are not followed.

    Raises:
        OSError: it cannot be read or written.
    """
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), FICLONE, reading.fileno())
        except OSError as error:
            if error.errno not in CANNOT_SHARE:
                raise
            shutil.copyfileobj(reading, writing, 1 << 20)
    shutil.copystat(source, target, follow_symlinks=False)


def clone_tree(source: Path, target: Path, excluded: Excluded = lambda _: False) -> None:
    """Copy a tree that does not change meanwhile; sockets, pipes and devices are left out.

    A link to a place inside the tree points into the copy afterwards.

    Raises:
        OSError: something cannot be read or written.
    """
    target.mkdir(mode=0o700)
    for folder, folders, files in os.walk(source):
        inside = Path(folder).relative_to(source)
        folders[:] = sorted(name for name in folders if not excluded(inside / name))
        for name in sorted([*folders, *files]):
            if not excluded(inside / name):
                copy_entry(Path(folder, name), target / inside / name, source, target)
    for folder, _, _ in os.walk(source):
        with contextlib.suppress(OSError):  # of what was left out, or is not ours to set
            shutil.copystat(folder, target / Path(folder).relative_to(source))


def copy_entry(one: Path, into: Path, source: Path, target: Path) -> None:
    """Copy a file, a link, or make a directory; nothing else is copied."""
    mode = one.lstat().st_mode
    if stat.S_ISLNK(mode):
        into.symlink_to(relinked(one, source, target))
    elif stat.S_ISDIR(mode):
        into.mkdir(mode=0o700)
    elif stat.S_ISREG(mode):
        clone_file(one, into)


def relinked(link: Path, source: Path, target: Path) -> Path:
    """Return where a copied link points: into the copy, if it was absolute and pointed into the source."""
    place = link.readlink()
    return target / place.relative_to(source) if place.is_absolute() and place.is_relative_to(source) else place


def size_of(tree: Path, excluded: Excluded = lambda _: False) -> int:
    """Return the bytes of a tree's regular files, 0 for one that does not exist."""
    total = 0
    for folder, folders, files in os.walk(tree):
        inside = Path(folder).relative_to(tree)
        folders[:] = [name for name in folders if not excluded(inside / name)]
        for name in files:
            with contextlib.suppress(OSError):
                if not excluded(inside / name):
                    total += Path(folder, name).lstat().st_size
    return total


def can_share(folder: Path) -> bool:
    """Try whether files of a directory can share their blocks."""
    one, other = folder / ".clone-a", folder / ".clone-b"
    try:
        one.write_bytes(bytes(4096))
        with one.open("rb") as reading, other.open("wb") as writing:
            fcntl.ioctl(writing.fileno(), FICLONE, reading.fileno())
    except OSError:
        return False
    finally:
        one.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
    return True


def remove_tree(path: Path) -> None:
    """Remove a tree, also where a worker took away the right to."""

    def retry(function: Callable[[str], object], name: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            Path(name).parent.chmod(0o700)
            Path(name).chmod(0o700)
            function(name)

    shutil.rmtree(path, onerror=retry)
