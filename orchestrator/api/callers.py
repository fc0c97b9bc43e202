"""Who makes a request of the control plane: a user of this machine on `control.sock`, or a token over TCP.

Above: the routes.  Below: `server` and `tcp` put it into the request.
"""

from __future__ import annotations

from fastapi import Request

from orchestrator.domain.access import Caller


def actor(request: Request) -> str:
    """Return who asks, for the audit: `uid:1000,pid:4711` or `token:SUBJECT`."""
    return request.client.host if request.client is not None else "unknown"


def caller(request: Request) -> Caller:
    """Return who asks; whoever comes by the socket is the daemon's own user or root, and is trusted."""
    known = getattr(request.state, "caller", None)
    return known if isinstance(known, Caller) else Caller(actor(request), trusted=True)


def is_remote(request: Request) -> bool:
    """Tell whether a request came over TCP: what only this machine may ask is not done for it."""
    return isinstance(getattr(request.state, "caller", None), Caller)
