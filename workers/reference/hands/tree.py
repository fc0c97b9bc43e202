"""The work tree: the one folder in which files are read and written.

A path is walked folder by folder, each opened relative to the one before and never through a symbolic link, so that
nobody can swap a folder for a link between the check and the use.  What is written appears whole or not at all.  Above
it stand `tools/files` and `runner`, below it `names` and the file system.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.reference.hands.errors import HandError
from workers.reference.hands.names import PathError, is_gits, parts

MOST_BYTES: Final = 1024 * 1024
"""Size of a file that is read or written; what is longer belongs into no model's context."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: whoever puts a FIFO in a file's place between check and use must not make us wait.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read.

    Attributes:
        text: what it holds.
        size: bytes.
        sha256: of its bytes, hexadecimal.
    """

    text: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written.

    Attributes:
        size: bytes.
        sha256: of its bytes, hexadecimal.
        created: whether there was none before.
    """

    size: int
    sha256: str
    created: bool


class Tree:
    """The files below one folder."""

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES) -> None:
        """Take `root` as it is; it is opened anew by each call, so it may be made later."""
        self.root = root
        self._most = most_bytes

    def read(self, path: str) -> Content:
        """Read a text file.

        Args:
            path: relative to the work tree.

        Raises:
            HandError: the path leaves the tree, or there is no regular UTF-8 file of a bearable size.
        """
        *folders, name = parts(path)
        with self._folder(folders, path) as folder, _told(path):
            _require_file(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
            data = self._bytes(os.open(name, _READ, dir_fd=folder), path)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise HandError(f"{path} is not UTF-8 text (byte {error.start} is {data[error.start]:#04x})") from None
        return Content(text, len(data), hashlib.sha256(data).hexdigest())

    def write(self, path: str, text: str) -> Written:
        """Put a text file in place, whole or not at all; missing folders are made.

        Args:
            path: relative to the work tree.
            text: what the file shall hold.

        Raises:
            HandError: the path leaves the tree or leads into git's own folder, something else than a regular file is
                there, the text is too long, or the file system refuses.
        """
        names = parts(path)
        if is_gits(names):
            raise PathError(f"{path} is git's own; what it holds runs programs, so only git itself writes there")
        data = self._encoded(path, text)
        *folders, name = names
        with self._folder(folders, path, make=True) as folder, _told(path):
            before = _mode(folder, name, path)
            _put(folder, name, data, before)
        return Written(len(data), hashlib.sha256(data).hexdigest(), created=before is None)

    def require_inside(self, path: str) -> None:
        """Refuse a path that a link leads out of the tree; one that does not exist is fine.

        Raises:
            HandError: it leads outside.
        """
        root = self.root.resolve()
        found = Path(os.path.realpath(root / path))
        if found != root and root not in found.parents:
            raise PathError(f"{path} leads out of the work tree through a link; name a file inside it")

    def _encoded(self, path: str, text: str) -> bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise HandError(f"the text for {path} holds half of a surrogate pair (position {error.start})") from None
        if len(data) > self._most:
            raise HandError(f"the text for {path} has {len(data)} bytes; at most {self._most} can be written")
        return data

    def _bytes(self, descriptor: int, path: str) -> bytes:
        """Read an open file to its end, if the end comes soon enough."""
        with open(descriptor, "rb") as file:
            _require_file(os.fstat(descriptor), path)
            data = file.read(self._most + 1)
        if len(data) > self._most:
            raise HandError(f"{path} is longer than {self._most} bytes; read a part of it with cmd_run head or tail")
        return data

    @contextmanager
    def _folder(self, names: list[str], path: str, *, make: bool = False) -> Iterator[int]:
        """Open the folder that `names` lead to, without following any link."""
        try:
            current = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise HandError(f"the work tree {self.root} cannot be used: {error.strerror}; create it first") from None
        try:
            for name in names:
                following = _enter(current, name, path, make=make)
                os.close(current)
                current = following
            yield current
        finally:
            os.close(current)


def _enter(folder: int, name: str, path: str, *, make: bool) -> int:
    """Open one folder below another one."""
    if make:
        with suppress(FileExistsError), _told(path):
            os.mkdir(name, dir_fd=folder)
    with _told(path):
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except NotADirectoryError:
            link = stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
            raise PathError(
                f"{path}: {name} is {'a symbolic link' if link else 'no folder'}; links are not followed"
            ) from None


def _require_file(found: os.stat_result, path: str) -> None:
    """Refuse what is not a regular file."""
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((words for test, words in _KINDS if test(found.st_mode)), "no regular file")
    raise PathError(f"{path} is {kind}; give the path of a regular file")


def _mode(folder: int, name: str, path: str) -> int | None:
    """Return the rights of the file that is to be replaced, None when there is none."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _require_file(found, path)
    return stat.S_IMODE(found.st_mode) & 0o777


def _put(folder: int, name: str, data: bytes, mode: int | None) -> None:
    """Write beside the target, then rename over it; both are on the disk when this returns."""
    beside = f".{secrets.token_hex(8)}.tmp"
    descriptor = os.open(beside, _NEW, 0o666, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)
        raise
    os.fsync(folder)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Say what the file system said, with the caller's own path."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PathError(f"{path} is a symbolic link; links are not followed") from None
        if error.errno == errno.ENOENT:
            raise HandError(f"there is no file {path} in the work tree") from None
        raise HandError(f"{path} cannot be used: {error.strerror or error}") from None
