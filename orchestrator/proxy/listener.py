"""Unix sockets: bound with the right mode, never stolen from a daemon that lives, removed at the end."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
from pathlib import Path

from orchestrator.domain.errors import StartError


def bind(path: Path, mode: int, group: str | None, backlog: int) -> socket.socket:
    """Make a listening Unix socket.

    Args:
        path: where; a socket left behind by a daemon that was killed is replaced.
        mode: permission bits.
        group: name of the group it is given to, None for the daemon's own.
        backlog: connections that may wait to be accepted.

    Raises:
        StartError: somebody listens there, or the place cannot be used.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o777 & ~mode)
    try:
        listener.bind(str(path))
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        path.chmod(mode)
        listener.listen(backlog)
    except KeyError:
        listener.close()
        raise StartError(f"the group {group!r} (sockets.group) does not exist on this machine") from None
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {path}: {error.strerror or error}") from error
    finally:
        os.umask(old)
    listener.settimeout(0)
    return listener


def _clear(path: Path) -> None:
    """Remove a stale socket; refuse one that somebody answers on, and anything that is no socket."""
    if not path.exists():
        return
    if not path.is_socket():
        raise StartError(f"{path} exists and is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError as error:
            raise StartError(f"cannot tell whether {path} is in use: {error}") from error
    raise StartError(f"another daemon listens on {path}; stop it, or use another --state-dir")
