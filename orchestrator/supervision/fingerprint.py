"""What a generation is made of: a digest over its command and the files the command names."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

CHUNK = 1 << 20

_cache: dict[tuple[int, int, int, int, int], bytes] = {}
"""Digest of a file by (device, inode, size, mtime, ctime), so that a large interpreter is read once."""


def fingerprint(
    command: Sequence[str],
    cwd: str,
    path: str | None = None,
    source: str | None = None,
    *,
    run_as: Sequence[str] | None = None,
) -> str:
    """Digest a command and what it names.

    Args:
        command: program and arguments.
        cwd: working directory that relative names are resolved in.
        path: PATH to find the program on; the process's own when None.
        source: directory whose whole tree counts too.
        run_as: the command as it is run from a private copy, whose files count instead of those `command` names.

    Returns:
        sha256, hex.  Files that cannot be read count as absent, so a digest always exists.
    """
    digest = hashlib.sha256()
    for word in command:
        _mix(digest, word.encode())
    for name in _named(run_as or command, cwd, path):
        _mix(digest, name.name.encode(), _file_digest(name))
    if source is not None:
        for file in _tree(Path(source)):
            _mix(digest, str(file.relative_to(source)).encode(), _file_digest(file))
    return digest.hexdigest()


def _named(command: Sequence[str], cwd: str, path: str | None) -> Iterator[Path]:
    """Yield the files a command names: its program, and every argument that is a file."""
    program = shutil.which(command[0], path=path)
    first = Path(program) if program else Path(cwd) / command[0]
    for candidate in (first, *(Path(cwd) / word for word in command[1:])):
        try:
            if candidate.is_file():
                yield candidate
        except (OSError, ValueError):  # an argument may be anything: too long for a name, or hold a NUL
            continue


def _tree(root: Path) -> Iterator[Path]:
    """Yield the regular files below a directory; opening a named pipe would wait for ever."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in {"__pycache__", ".git"})
        for file in (Path(folder) / name for name in sorted(files)):
            with contextlib.suppress(OSError):
                if file.is_file():
                    yield file


def _mix(digest: hashlib._Hash, *parts: bytes) -> None:
    """Add parts with their lengths, so that no two lists of parts look alike."""
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)


def _file_digest(file: Path) -> bytes:
    try:
        stat = file.stat()
        key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if key not in _cache:
            with file.open("rb") as stream:
                content = hashlib.sha256()
                while chunk := stream.read(CHUNK):
                    content.update(chunk)
            _cache[key] = content.digest()
    except OSError:
        return b""
    return _cache[key]
