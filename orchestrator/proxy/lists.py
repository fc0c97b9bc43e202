"""Tells sessions when a list they may have read has changed: by a movement of traffic, or by the worker's own word.

`list_changed` is sent exactly to the sessions whose own list is another one now.  A list is known by its digest, per
generation: what a process of it last showed.  Above: `daemon`.  Below: `dispatch` says who is served by whom.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from orchestrator.domain.routing import RoutingTable, choose
from orchestrator.proxy import codec, listening, mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.session import Session

Digests = dict[str, bytes]
"""Digest of each list, by kind (tools, resources, prompts)."""

NOTIFICATIONS = {kind: method for method, kind in mcp.LISTS.items()}


def digest(items: list[Any]) -> bytes:
    """Digest a list as it was shown; equal content in another order is another list."""
    return blake2b(msgspec.json.encode(items, order="sorted"), digest_size=16).digest()


def _digests(shown: dict[str, list[Any]]) -> Digests:
    return {kind: digest(items) for kind, items in shown.items()}


def shown_by(link: WorkerLink) -> Digests:
    """Digest the lists a worker shows."""
    return _digests(link.lists)


class Lists:
    """Remembers what lists each generation shows, and who has to be told."""

    def __init__(self, dispatcher: Dispatcher, movement: Movement) -> None:
        self._movement = movement
        self._dispatcher = dispatcher
        self._known: dict[int, Digests] = {}
        dispatcher.on_moved.append(self.moved)
        dispatcher.lists_differ = lambda: self.differ(dispatcher.table)

    def learned(self, link: WorkerLink, shown: dict[str, list[Any]]) -> None:
        """Note the lists a worker shows now; tell the sessions it serves of those that differ from before."""
        fresh = _digests(shown)
        before = self._known.get(link.generation)
        self._known[link.generation] = fresh
        if before is None or before == fresh:
            return
        for session in list(self._dispatcher.sessions.values()):
            if choose(self._dispatcher.table, session.key).generation == link.generation:
                self._tell(session, before, fresh)

    def moved(self, before: RoutingTable, after: RoutingTable) -> None:
        """Tell each session that is served by another generation now of the lists that differ between the two."""
        if self._dispatcher.isolated or not self.differ(before, after):
            return  # a session with workers of its own is told when it has the new one
        for session in list(self._dispatcher.sessions.values()):
            old, new = choose(before, session.key).generation, choose(after, session.key).generation
            if old != new and old is not None and new is not None:
                self._tell(session, self._known.get(old, {}), self._known.get(new, {}))
        for call in self._movement.listeners():
            old, new = choose(before, call.key).generation, choose(after, call.key).generation
            if old != new and old is not None and new is not None:
                self._tell_listener(call, self._known.get(old, {}), self._known.get(new, {}))

    def swapped(self, session: Session, old: Digests, new: WorkerLink) -> None:
        """Tell a session whose own worker was replaced of the lists that differ between the two."""
        self._tell(session, old, shown_by(new))

    def differ(self, *tables: RoutingTable) -> bool:
        """Say whether any two generations in these tables' lanes show different lists."""
        numbers = {number for table in tables for number in table.lanes().values()}
        shown = [self._known[number] for number in numbers if number in self._known]
        return any(one != shown[0] for one in shown[1:])

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation."""
        self._known.pop(generation, None)

    def _tell_listener(self, call: Call, old: Digests, new: Digests) -> None:
        for kind, method in NOTIFICATIONS.items():
            if old.get(kind) != new.get(kind) and call.acknowledged and listening.wants(call, kind):
                call.session.put(listening.changed(method, call), call.client_id)

    def _tell(self, session: Session, old: Digests, new: Digests) -> None:
        if not session.value.version:  # nothing was listed before the handshake
            return
        for kind, method in NOTIFICATIONS.items():
            if old.get(kind) != new.get(kind):
                session.put(codec.notification_line(method))
