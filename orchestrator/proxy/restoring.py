"""What a client has set and subscribed to reaches every worker that may come to serve it: when it is ready, and later.

A canary and a previous generation are warm for a long time; a switch sends them nothing, so they are told as things are
set.  Above: `intake`, `wiring` and `others` say when.  Below: `mcp` knows what is remembered, `link` tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.domain.protocol import Era
from orchestrator.proxy import mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.session import Session


def restore(link: WorkerLink, session: Session) -> None:
    """Tell a new worker what a client had set and subscribed to."""
    value = session.value
    if value.log_level:
        _tell(link, mcp.SET_LEVEL, {"level": value.log_level})
    for uri in value.subscriptions:
        _tell(link, mcp.SUBSCRIBE, {"uri": uri})


def spread(dispatcher: Dispatcher, call: Call) -> None:
    """Tell the other workers that may serve a session what it sets by this call, which goes to the one that serves."""
    attributes = dispatcher.attributes.read(call)
    serving = dispatcher.serving(call.session, call.key, Era.HANDSHAKE, attributes)
    for link in _workers(dispatcher, call.session):
        if link is not serving:
            _tell(link, call.method, mcp.setting_of(call.method, call.tail))


def give_up(dispatcher: Dispatcher, session: Session) -> None:
    """End the subscriptions of a client that is gone, those that nobody else has; its own workers end with it."""
    if dispatcher.isolated or not session.value.subscriptions:
        return
    wanted = {uri for one in dispatcher.sessions.values() for uri in one.value.subscriptions}
    for uri in session.value.subscriptions:
        if uri not in wanted:
            for link in _workers(dispatcher, session):
                _tell(link, mcp.UNSUBSCRIBE, {"uri": uri})


def _workers(dispatcher: Dispatcher, session: Session) -> Iterator[WorkerLink]:
    """Yield the ready workers of this era that a session has, or shares with all others."""
    own = session if dispatcher.isolated else None
    return (link for link in dispatcher.links.values() if link.era is Era.HANDSHAKE and link.session is own)


def _tell(link: WorkerLink, method: str, params: dict[str, Any]) -> None:
    """Tell a worker; its answer is nobody's."""
    link.request(method, params).add_done_callback(lambda done: done.cancelled() or done.exception())
