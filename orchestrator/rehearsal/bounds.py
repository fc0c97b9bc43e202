"""What a rehearsed process may touch, and whether something lies within: pure decisions over paths and addresses.

Above: `sandbox` enforces it through the kernel, `sentry` says what was stopped.  Below: nothing.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

DEVICES: Final = frozenset({
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
})  # fmt: skip
"""Devices whose writing changes nothing."""
OWN_PIPES: Final = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin", "/dev/stdout", "/dev/stderr")
"""Other names of what a process has open already."""
PRIVATE: Final = ("/dev/", "/proc/")
"""What bubblewrap mounts anew for each process, so that outside these names mean something else."""
OWN: Final = re.compile(r"/dev/|/proc/(?:self|thread-self|[0-9]+)(?:/|$)")
"""What is a process's own there; the rest of `/proc` is the whole machine's (`/proc/sys`)."""


class Means(StrEnum):
    """How the operating system holds a rehearsed process."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


class Kind(StrEnum):
    """What a stopped attempt was about."""

    FILE = "file"
    NETWORK = "network"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process may touch; everything it may read, it may read anywhere.

    Attributes:
        writable: directories and files it may change, absolute and without links.
        sockets: Unix sockets elsewhere that it may talk to.
        network: whether it may use the network.
        means: how it is held; bubblewrap gives it devices, process numbers and a network of its own.
    """

    writable: tuple[str, ...]
    sockets: tuple[str, ...] = ()
    network: bool = False
    means: Means = Means.NONE

    def may_change(self, path: str) -> bool:
        """Tell whether a file or directory may be changed.

        Args:
            path: absolute, links resolved.
        """
        if path in DEVICES or path.startswith(OWN_PIPES):
            return True
        if self.means is Means.BUBBLEWRAP and OWN.match(path):
            return True
        return any(within(path, root) for root in self.writable)

    def may_talk(self, path: str) -> bool:
        """Tell whether a Unix socket may be talked to."""
        return path in self.sockets or self.may_change(path)


@dataclass(slots=True)
class Bound:
    """The places a process listens at itself, which it may also connect to.

    Attributes:
        ports: TCP and UDP ports; 0 stands for one the kernel chose.
        names: abstract Unix sockets.
    """

    ports: set[int] = field(default_factory=set)
    names: set[bytes] = field(default_factory=set)

    def is_own(self, host: str, port: int) -> bool:
        """Tell whether an address is one the process listens at."""
        return ipaddress.ip_address(host).is_loopback and (port in self.ports or 0 in self.ports)


def within(path: str, root: str) -> bool:
    """Tell whether a path is a place or lies below it; both absolute and without links."""
    return PurePosixPath(path).is_relative_to(root)
