"""What a new routing table means for what outlives single calls: listeners, and sessions with workers of their own.

Above: `answers` and `lists` ask; `daemon` ends the listeners.  Below: `dispatch`, whose movements it follows.
"""

from __future__ import annotations

import msgspec

from orchestrator.domain.protocol import Place
from orchestrator.domain.routing import RoutingTable
from orchestrator.proxy import codec, listening, mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink


class Movement:
    """Follows the dispatcher's movements and losses."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        dispatcher.on_moved.append(self._moved)
        dispatcher.on_lost.append(self._lost)

    def listeners(self) -> list[Call]:
        """Return the calls that listen for ever."""
        return [call for call in self._dispatcher.ledger.open.values() if call.method == listening.LISTEN]

    def listen_elsewhere(self, call: Call) -> None:
        """Send a listener's request again, to the worker that serves it now."""
        link = call.link
        if link is not None:
            link.settled()
            call.link = None
        call.attempts = 0
        self._dispatcher.route(call)

    def end_listeners(self) -> None:
        """Tell every listener that it is over: the daemon is about to stop."""
        for call in self.listeners():
            if self._dispatcher.close(call):
                call.session.put(listening.ending(call), call.client_id)

    def _moved(self, _before: RoutingTable, _after: RoutingTable) -> None:
        self._move_listeners()
        if self._dispatcher.isolated:
            self._prepare_sessions()

    def _move_listeners(self) -> None:
        for call in self.listeners():
            link = call.link
            if link is not None and self._dispatcher.chosen(call).generation != link.generation:
                self._dispatcher.tell_cancelled(link, call, "traffic moved to another generation")
                self.listen_elsewhere(call)

    def _prepare_sessions(self) -> None:
        """Have workers of their new generation started for the sessions that moved, those without calls first."""
        dispatcher = self._dispatcher
        for session in sorted(dispatcher.sessions.values(), key=lambda one: len(one.calls)):
            for link in dispatcher.own_links(session):
                generation = dispatcher.choose(session.key, link.era).generation
                if generation is not None and Place(generation, link.era, session.value.id) not in dispatcher.links:
                    dispatcher.want(generation, link.era, session)

    def _lost(self, link: WorkerLink) -> None:
        """Tell a client that what its lost worker had asked need not be answered any more."""
        session = self._dispatcher.sessions.get(link.place.session)
        if session is not None:
            for mine in session.questions.drop(link):
                params = msgspec.Raw(b'{"requestId":%b,"reason":"the worker is gone"}' % mine)
                session.put(codec.notification_line(mcp.CANCELLED, params))
