"""Who makes a request of the control plane: a user of this machine on `control.sock`, or a token over TCP.

Above: the routes.  Below: `server` and `tcp` put it into the request.
"""

from __future__ import annotations

import functools
import pwd
from typing import TYPE_CHECKING

from orchestrator.domain.access import Caller

if TYPE_CHECKING:
    from fastapi import Request


@functools.cache
def user(uid: int) -> str:
    """Return how a user of this machine is named: `ann (uid 1000)`, or `uid 1000` where the system knows no name.

    Who became another user (sudo) is named by what it became: the kernel says no more, and a variable says anything.
    """
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def actor(request: Request) -> str:
    """Return who asks, for the audit: `ann (uid 1000)` or `token:SUBJECT`."""
    return request.client.host if request.client is not None else "unknown"


def caller(request: Request) -> Caller:
    """Return who asks; whoever comes by the socket is the daemon's own user or root, and is trusted."""
    known = getattr(request.state, "caller", None)
    return known if isinstance(known, Caller) else Caller(actor(request), trusted=True)


def is_remote(request: Request) -> bool:
    """Tell whether a request came over TCP: what only this machine may ask is not done for it."""
    return isinstance(getattr(request.state, "caller", None), Caller)
