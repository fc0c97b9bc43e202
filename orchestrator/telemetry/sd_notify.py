"""Speaks with systemd: readiness, status, watchdog, and the sockets it hands over.  Does nothing where there is none.

Above: `daemon` says how it is, `proxy` and `api` get their sockets through it.  Below: one datagram socket.
The protocols: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

from orchestrator.domain.errors import SettingsError
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.render import printable

PRIVATE: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""Variables that are meant for the daemon alone: a worker must not inherit them."""
FIRST_FD: Final = 3
"""The first descriptor handed over (SD_LISTEN_FDS_START)."""
STATUS_LENGTH: Final = 512
"""Characters of a status line that are sent; systemd takes no message above 4096 bytes."""

_log = get_logger("systemd")


class Notify(Protocol):
    """What the daemon tells its service manager."""

    def ready(self) -> None:
        """Say that start or reload is complete."""
        ...

    def status(self, text: str) -> None:
        """Set the line `systemctl status` shows."""
        ...

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it."""
        ...

    def stopping(self) -> None:
        """Say that the daemon is ending."""
        ...

    def watchdog(self) -> None:
        """Say that all is well."""
        ...

    def watchdog_interval(self) -> float | None:
        """Return how often to call `watchdog`, in seconds; None when nobody waits for it."""
        ...


class NullNotifier:
    """The twin where there is no service manager: says nothing."""

    def ready(self) -> None:
        """Do nothing."""

    def status(self, text: str) -> None:
        """Do nothing."""

    def reloading(self) -> None:
        """Do nothing."""

    def stopping(self) -> None:
        """Do nothing."""

    def watchdog(self) -> None:
        """Do nothing."""

    def watchdog_interval(self) -> float | None:
        """Return None: nobody waits."""
        return None


class Notifier:
    """Sends datagrams to systemd's socket.  Never waits, never raises; a failure is logged once until one gets through.

    Args:
        address: path of the socket, or `@name` for an abstract one.
        interval: seconds between two watchdog messages, None when there is no watchdog.
    """

    def __init__(self, address: str, interval: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval = interval
        self._failing = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def ready(self) -> None:
        """Say that start or reload is complete."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Set the line `systemctl status` shows; made one printable line, as each line is a message of its own."""
        self._send("STATUS=" + printable(" ".join(text.split()))[:STATUS_LENGTH])

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is ending."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Say that all is well."""
        self._send("WATCHDOG=1")

    def watchdog_interval(self) -> float | None:
        """Return half of the time systemd waits for a sign of life, in seconds; None when it waits for none."""
        return self._interval

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, *lines: str) -> None:
        try:
            self._socket.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except (OSError, ValueError) as error:
            if not self._failing:
                _log.warning("systemd cannot be told", what=lines[0], reason=str(error))
            self._failing = True
        else:
            self._failing = False


def notifier(environ: Mapping[str, str], pid: int) -> Notifier | NullNotifier:
    """Return who tells the service manager, as the environment says.

    Args:
        environ: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
        pid: this process; a watchdog meant for another one is not ours to feed.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return NullNotifier()
    if address[0] not in "/@":
        _log.warning("systemd cannot be told", reason=f"NOTIFY_SOCKET={address} is neither a path nor @name")
        return NullNotifier()
    return Notifier(address, _watchdog(environ, pid))


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    usec = environ.get("WATCHDOG_USEC", "")
    if not usec or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not usec.isdecimal() or int(usec) == 0:
        _log.warning("the watchdog is not fed", reason=f"WATCHDOG_USEC={usec} is not a number of microseconds")
        return None
    return int(usec) / 2_000_000


def listen_fds(environ: Mapping[str, str], pid: int, first: int = FIRST_FD) -> dict[str, socket.socket]:
    """Take over the sockets systemd holds for us.

    A socket goes by the name its unit gives it (`FileDescriptorName=`).  Without one systemd gives the unit's own name
    to all its sockets, so they go by the stem of their path: `/run/switchover/tools.sock` is `tools`.

    Args:
        environ: LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES are read.
        pid: this process; sockets meant for another one are left alone.
        first: the first descriptor.

    Returns:
        Listening Unix sockets by name, closed on exec; empty when none were handed over.

    Raises:
        SettingsError: what was handed over is not what was announced, or cannot be told apart.
    """
    count = environ.get("LISTEN_FDS", "")
    if not count or environ.get("LISTEN_PID", "") != str(pid):
        return {}
    if not count.isdecimal():
        raise SettingsError(f"LISTEN_FDS={count} is not a number: start the daemon through its socket unit")
    names = _names(environ, int(count))
    with ExitStack() as taken:
        sockets = [taken.enter_context(_listening(first + index)) for index in range(int(count))]
        named = dict(zip(_told_apart(names, sockets), sockets, strict=True))
        if len(named) < len(sockets):
            raise SettingsError(f"systemd hands over sockets of one name ({', '.join(names)}): set FileDescriptorName=")
        taken.pop_all()
    return named


def _names(environ: Mapping[str, str], count: int) -> list[str]:
    given = environ.get("LISTEN_FDNAMES")
    names = given.split(":") if given else ["unknown"] * count
    if len(names) != count:
        raise SettingsError(f"LISTEN_FDNAMES={given} names {len(names)} sockets, LISTEN_FDS={count} announces {count}")
    return names


def _listening(descriptor: int) -> socket.socket:
    """Return the descriptor as a socket, once it is sure that it is one clients can connect to."""
    advice = "the socket unit has to use ListenStream= with a path"
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise SettingsError(f"descriptor {descriptor} from systemd is no socket: {advice}")
    except OSError:
        raise SettingsError(f"descriptor {descriptor} was announced by LISTEN_FDS and is not open") from None
    taken = socket.socket(fileno=descriptor)
    if (taken.family, taken.type) != (socket.AF_UNIX, socket.SOCK_STREAM) or not _accepts(taken):
        taken.close()
        raise SettingsError(f"descriptor {descriptor} from systemd is no listening Unix stream socket: {advice}")
    taken.set_inheritable(False)
    return taken


def _accepts(taken: socket.socket) -> bool:
    return bool(taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _told_apart(names: list[str], sockets: list[socket.socket]) -> Iterator[str]:
    shared = Counter(names)
    for name, taken in zip(names, sockets, strict=True):
        chosen = shared[name] == 1 and name != "unknown" and not name.endswith(".socket")
        path = taken.getsockname()
        yield name if chosen or not isinstance(path, str) else Path(path).stem
