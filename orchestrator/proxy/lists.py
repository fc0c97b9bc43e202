"""Tells sessions when a list they may have read has changed: by a movement of traffic, or by the worker's own word.

`list_changed` is sent exactly to the sessions whose own list is another one now.  A list is known by its digest, per
generation and era: what a process of it last showed.  Above: `daemon`.  Below: `dispatch` says who is served by whom.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from orchestrator.domain.protocol import Era
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

TOLD = b""
"""Stands for the digest of a list that a session without a worker was told has changed: what it wakes to is no news."""


def digest(items: list[Any]) -> bytes:
    """Digest a list as it was shown; equal content in another order is another list."""
    return blake2b(msgspec.json.encode(items, order="sorted"), digest_size=16).digest()


def _digests(shown: dict[str, list[Any]]) -> Digests:
    return {kind: digest(items) for kind, items in shown.items()}


def shown_by(link: WorkerLink) -> Digests:
    """Digest the lists a worker shows."""
    return _digests(link.lists)


class Lists:
    """Remembers what lists the processes of each generation show that sessions share, and who has to be told."""

    def __init__(self, dispatcher: Dispatcher, movement: Movement) -> None:
        self._movement = movement
        self._dispatcher = dispatcher
        self._known: dict[tuple[int, Era], Digests] = {}
        dispatcher.on_moved.append(self.moved)
        dispatcher.lists_differ = lambda: self.differ(Era.STATELESS, dispatcher.table)
        dispatcher.splits = self.splits

    def learned(self, link: WorkerLink) -> None:
        """Note the lists a worker shows now; tell the sessions it serves of those that differ from before.

        A session's own worker has told its client itself; listeners hear from their worker likewise.
        """
        dispatcher = self._dispatcher
        dispatcher.gone.note(link)
        if link.session is not None:
            session = dispatcher.sessions.get(link.place.session)
            if session is not None and dispatcher.serving(session, session.key, link.era) is link:
                session.shown = shown_by(link)
            return
        fresh = shown_by(link)
        before = self._known.get((link.generation, link.era))
        self._known[link.generation, link.era] = fresh
        if before is None or before == fresh or self._dispatcher.isolated or link.era is Era.STATELESS:
            return
        for session in list(self._dispatcher.sessions.values()):
            if choose(self._dispatcher.table, session.key).generation == link.generation:
                self._tell(session, before, fresh)

    def moved(self, before: RoutingTable, after: RoutingTable) -> None:
        """Tell each session that is served by another generation now of the lists that differ between the two."""
        if self.differ(Era.HANDSHAKE, before, after):
            for session in list(self._dispatcher.sessions.values()):
                self._move(session, before, after)
        if self.differ(Era.STATELESS, before, after):
            for call in self._movement.listeners():
                old, new = self._moves(call.key, before, after, Era.STATELESS)
                self._tell_listener(call, old, new)

    def _move(self, session: Session, before: RoutingTable, after: RoutingTable) -> None:
        """Tell one session; one with a worker of its own is told when it has the new one, or now if it has none."""
        if self._dispatcher.isolated and (session.shown is None or self._dispatcher.own_links(session)):
            return
        kinds = self._tell(session, *self._moves(session.key, before, after, Era.HANDSHAKE))
        if session.shown is not None:
            session.shown = {**session.shown, **dict.fromkeys(kinds, TOLD)}

    def _moves(self, key: str, before: RoutingTable, after: RoutingTable, era: Era) -> tuple[Digests, Digests]:
        """Return what a key was shown and what it is shown now; twice nothing where it has not moved."""
        old, new = self._serving(before, key, era), self._serving(after, key, era)
        if old == new or old is None or new is None:
            return {}, {}
        shown = self._shown((old, new), era)
        return shown[0] or {}, shown[1] or {}

    def swapped(self, session: Session, new: WorkerLink) -> None:
        """Tell a session whose own worker was replaced of the lists that differ from what it was shown last."""
        old, session.shown = session.shown, shown_by(new)
        if old is not None:
            self._tell(session, old, session.shown)

    def differ(self, era: Era, *tables: RoutingTable) -> bool:
        """Say whether any two generations in these tables' lanes show different lists."""
        numbers = {number for table in tables for number in table.lanes().values()}
        shown = [each for each in self._shown(tuple(numbers), era) if each is not None]
        return any(one != shown[0] for one in shown[1:])

    def splits(self, table: RoutingTable) -> bool:
        """Say whether a partial weight would show clients of the stateless era two lists at once."""
        numbers = [number for number in (table.active, table.canary) if number is not None]
        shown = [each for each in self._shown(tuple(numbers), Era.STATELESS) if each is not None]
        return any(one != shown[0] for one in shown[1:])

    def _serving(self, table: RoutingTable, key: str, era: Era) -> int | None:
        """Return which generation a table means for a key (see `Dispatcher.choose`)."""
        held = era is Era.STATELESS and table.is_split and not table.kill_switch and self.splits(table)
        return table.active if held else choose(table, key).generation

    def _shown(self, numbers: tuple[int, ...], era: Era) -> list[Digests | None]:
        """Return what generations show, each in the same era where that is known: one server may write them unlike."""
        for wanted in (era, Era.HANDSHAKE, Era.STATELESS):
            shown = [self._known.get((number, wanted)) for number in numbers]
            if None not in shown:
                return shown
        return [
            self._known.get((number, Era.HANDSHAKE), self._known.get((number, Era.STATELESS))) for number in numbers
        ]

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation."""
        for era in Era:
            self._known.pop((generation, era), None)

    def _tell_listener(self, call: Call, old: Digests, new: Digests) -> None:
        for kind, method in NOTIFICATIONS.items():
            if old.get(kind) != new.get(kind) and call.acknowledged and listening.wants(call, kind):
                call.session.put(listening.changed(method, call), call.client_id)

    def _tell(self, session: Session, old: Digests, new: Digests) -> list[str]:
        """Tell a session of what differs, and return the kinds of it."""
        if not session.value.version:  # nothing was listed before the handshake
            return []
        kinds = [kind for kind in NOTIFICATIONS if old.get(kind) not in {new.get(kind), TOLD}]
        for kind in kinds:
            session.put(codec.notification_line(NOTIFICATIONS[kind]))
        return kinds
