"""Whether a call that was caught may go on: reads what it names and holds it against the bounds.

Above: `sentry`.  Below: `bounds` decides, `peer` reads, `syscalls` says where to look.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.rehearsal.bounds import OWN_PIPES, PRIVATE, Bound, Bounds, Kind, Means
from orchestrator.rehearsal.peer import Peer
from orchestrator.rehearsal.syscalls import CONNECT, CWD, SENDMSG, SENDTO, SOCKET, Call

AT_FDCWD: Final = -100
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ADDRESS_BYTES: Final = 128  # sizeof(struct sockaddr_storage)
KIND_OF_SOCKET: Final = 0xF  # without SOCK_CLOEXEC and SOCK_NONBLOCK
ON_THE_NAME: Final = (
    "mkdir",
    "rmdir",
    "unlink",
    "rename",
    "link",
    "symlink",
    "mknod",
    "lchown",
    "lsetxattr",
    "lremove",
)
"""Calls that work on a link itself and not on what it points to."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A call that may not go on.

    Attributes:
        kind: what it was about.
        call: the system call.
        target: the file, address or family it named.
        error: the error number it fails with.
    """

    kind: Kind
    call: str
    target: str
    error: int = errno.EACCES


class Judge:
    """Judges the calls of one process and of all it starts."""

    def __init__(self, bounds: Bounds) -> None:
        """Build it; what the process listens at itself is learned from its calls."""
        self._bounds = bounds
        self._own = Bound()

    def judge(self, call: Call, arguments: Sequence[int], peer: Peer) -> Stopped | None:
        """Return why a call may not go on, None when it may.

        Raises:
            PeerGoneError: what it names cannot be read.
        """
        if call.paths or call.descriptor is not None:
            return self._files(call, arguments, peer)
        if call is SOCKET:
            return self._family(arguments[0], arguments[1])
        if call is SENDTO:
            return self._address(call, peer.bytes_at(arguments[4], min(arguments[5], ADDRESS_BYTES)), peer)
        if call is SENDMSG:
            name, length = struct.unpack("=QI", peer.bytes_at(arguments[1], 12))
            return self._address(call, peer.bytes_at(name, min(length, ADDRESS_BYTES)), peer) if name else None
        return self._address(call, peer.bytes_at(arguments[1], min(arguments[2] & 0xFFFFFFFF, ADDRESS_BYTES)), peer)

    # --- files ----------------------------------------------------------------------------------

    def _files(self, call: Call, arguments: Sequence[int], peer: Peer) -> Stopped | None:
        if call.name == "openat2" and not struct.unpack("=Q", peer.bytes_at(arguments[2], 8))[0] & WRITING:
            return None
        for path in _targets(call, arguments, peer):
            if not self._bounds.may_change(path):
                return Stopped(Kind.FILE, call.name, path)
        return None

    # --- sockets --------------------------------------------------------------------------------

    def _family(self, family: int, kind: int) -> Stopped | None:
        stream = kind & KIND_OF_SOCKET == socket.SOCK_STREAM
        if stream and family in (socket.AF_INET, socket.AF_INET6):  # harmless until it connects, which tells more
            return None
        try:
            named = socket.AddressFamily(family).name
        except ValueError:
            named = f"family {family}"
        return Stopped(Kind.NETWORK, "socket", f"{named}, type {kind & KIND_OF_SOCKET}")

    def _address(self, call: Call, raw: bytes, peer: Peer) -> Stopped | None:
        family = int.from_bytes(raw[:2], "little")
        if family == socket.AF_UNIX:
            return self._unix(call, raw[2:], peer)
        if family not in (socket.AF_INET, socket.AF_INET6) or self._bounds.network:
            return None
        return self._internet(call, *_host_and_port(family, raw))

    def _unix(self, call: Call, name: bytes, peer: Peer) -> Stopped | None:
        listening = call not in (CONNECT, SENDTO, SENDMSG)
        if not name or name[:1] == b"\0":
            if listening:
                self._own.names.add(name)
                return None
            if name in self._own.names:
                return None
            return Stopped(Kind.SOCKET, call.name, "@" + name[1:].decode(errors="replace"), errno.ECONNREFUSED)
        path = _resolved(peer.directory(None), os.fsdecode(name.split(b"\0")[0]), follow=True)
        allowed = self._bounds.may_change(path) if listening else self._bounds.may_talk(path)
        return None if allowed else Stopped(Kind.SOCKET, call.name, path)

    def _internet(self, call: Call, host: str, port: int) -> Stopped | None:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if call not in (CONNECT, SENDTO, SENDMSG):
            if self._bounds.means is Means.BUBBLEWRAP:
                self._own.ports.add(port)
                return None
            return Stopped(Kind.NETWORK, call.name, shown)
        if self._own.is_own(host, port):
            return None
        return Stopped(Kind.NETWORK, call.name, shown, errno.ENETUNREACH)


def _targets(call: Call, arguments: Sequence[int], peer: Peer) -> Iterator[str]:
    """Yield the absolute paths a call would change."""
    if call.descriptor is not None:
        yield peer.directory(arguments[call.descriptor])
    follow = not call.name.startswith(ON_THE_NAME)
    for descriptor, path in call.paths:
        number = (
            AT_FDCWD
            if descriptor == CWD
            else struct.unpack("=i", struct.pack("=I", arguments[descriptor] & 0xFFFFFFFF))[0]
        )
        base = None if number == AT_FDCWD else number
        name = peer.text_at(arguments[path]) if arguments[path] else ""
        if name.startswith("/"):
            yield _resolved("/", name, follow=follow)
        else:
            directory = peer.directory(base)
            yield _resolved(directory, name, follow=follow) if name else directory


def _resolved(base: str, name: str, *, follow: bool) -> str:
    """Return the absolute path without links; what each process has for itself (`/proc/self`) keeps its name."""
    path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118 - pathlib would not fold ".."
    if path.startswith((*PRIVATE, *OWN_PIPES)):
        return path
    joined = Path(base) / name
    if follow:
        return str(Path(os.path.realpath(joined)))
    return str(Path(os.path.realpath(joined.parent)) / joined.name) if joined.name not in {"", "..", "."} else path


def _host_and_port(family: int, raw: bytes) -> tuple[str, int]:
    port = int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET:
        return socket.inet_ntop(family, raw[4:8].ljust(4, b"\0")), port
    return socket.inet_ntop(family, raw[8:24].ljust(16, b"\0")), port
