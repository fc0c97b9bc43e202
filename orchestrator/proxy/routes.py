"""Routes: which worker serves what now, by the routing table in force and the workers in service.

Only finds: nothing is sent or answered here, and a worker that is missing is wanted.  Above: `dispatch` sends calls by
it, and whoever wants to know where a call would go asks.  Below: `domain.routing` decides, `link` is a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.routing import Choice, Lane, RoutingTable, chance, choose
from orchestrator.proxy.attributes import Attributes, Reader
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.session import Session

HANDSHAKE = Era.HANDSHAKE


class Routes:
    """Finds the worker that serves a call.

    Attributes:
        table: the routing table in force.
        links: the ready workers by generation and era.
        isolated: whether each session of the handshake era has workers of its own.
        held, parked: whether all calls wait, and which generations have no process by right (see `holding`).
        attributes: reads what calls say of their subjects.
        splits: tells whether the lists of a divided table's generations differ, which a stateless client must not see.
        on_wanted: has a worker started that is not there yet.
    """

    def __init__(self) -> None:
        self.table = RoutingTable()
        self.links: dict[Place, WorkerLink] = {}
        self.isolated = self.held = False
        self.parked = frozenset[int]()
        self.attributes = Reader()
        self.splits: Callable[[RoutingTable], bool] = lambda _table: False
        self.on_wanted: Callable[[Place, Session | None], None] | None = None
        self._refused: dict[Place, dict[str, Any]] = {}
        self._plain: WorkerLink | None = None
        self._plain_stateless: WorkerLink | None = None

    # --- for whoever wants to know ------------------------------------------------------------

    def link_of(self, key: str, era: Era) -> WorkerLink | None:
        """Return the worker that serves an assignment key now, None while it is being started."""
        return self.links.get(Place(self.choose(key, era).generation or 0, era))

    def serving(self, session: Session, key: str, era: Era, attributes: Attributes | None = None) -> WorkerLink | None:
        """Return the worker that such a call of a session is sent to now, None while it would have to wait."""
        generation = self.choose(key, era, attributes).generation or 0
        if not self._has_own(era):
            return self.links.get(Place(generation, era))
        return self._nearest(session, era, generation)

    def serves(self, link: WorkerLink) -> bool:
        """Say whether a worker is in service."""
        return self.links.get(link.place) is link

    def own_links(self, session: Session) -> list[WorkerLink]:
        """Return the workers that serve one session alone."""
        return [link for link in self.links.values() if link.session is session]

    def want(self, generation: int, era: Era, session: Session) -> None:
        """Have a worker started that serves this session at a generation."""
        if self.on_wanted is not None and generation:
            own = session if self._has_own(era) else None
            self.on_wanted(Place(generation, era, session.value.id if own is not None else ""), own)

    def choose(self, key: str, era: Era, attributes: Attributes | None = None) -> Choice:
        """Choose for a key; see `chosen` for a call."""
        return choose(self._table_of(era), key, attributes)

    def chosen(self, call: Call) -> Choice:
        """Choose for a call as if it came now."""
        return self.choose(call.key, call.era, self.attributes.read(call) if self.table.new_by else None)

    # --- for a call ---------------------------------------------------------------------------

    def _chosen(self, call: Call) -> WorkerLink | None:
        """Find the worker by the table, and note the decision in the call."""
        if self.held:
            return None
        table = self.table if call.era is HANDSHAKE else self._table_of(call.era)
        attributes = self.attributes.read(call) if table.new_by else None
        choice = choose(table, call.key, attributes)
        call.generation = choice.generation or 0
        call.lane = choice.lane
        link = self._own(call) if self._has_own(call.era) else self.links.get(Place(call.generation, call.era))
        if call.generation != (choice.generation or 0):  # the session's worker of before serves on: nothing assigned
            call.lane = self.table.lane_of(call.generation) or Lane.PREVIOUS
        elif (share := chance(table, call.key, attributes)) is not None:
            call.share, call.treated = share, choice.lane is Lane.CANARY
        if link is not None:
            link.tally.selected[call.lane, table.kill_switch] += 1
        return link

    def _table_of(self, era: Era) -> RoutingTable:
        """Return what an era is routed by: undivided where lists may not differ by connection, and do differ."""
        table = self.table
        held = era is Era.STATELESS and table.is_split and not table.kill_switch and self.splits(table)
        return replace(table, canary=None) if held else table

    def _own(self, call: Call) -> WorkerLink | None:
        """Find the session's own worker; until the one of its new generation is ready, the old one serves on."""
        place = self._place(call)
        if call.generation and place not in self.links and place not in self._refused:
            self.want(call.generation, call.era, call.session)
        link = self._nearest(call.session, call.era, call.generation)
        if link is not None:
            call.generation = link.generation
        return link

    def _nearest(self, session: Session, era: Era, generation: int) -> WorkerLink | None:
        """Return a session's own worker of a generation, or else any it has."""
        own = [link for link in self.own_links(session) if link.era is era]
        return next((link for link in own if link.generation == generation), own[0] if own else None)

    def _place(self, call: Call) -> Place:
        return Place(call.generation, call.era, call.session.value.id if self._has_own(call.era) else "")

    def _has_own(self, era: Era) -> bool:
        """Say whether sessions have workers of their own; stateless requests need none, each says all there is."""
        return self.isolated and era is HANDSHAKE

    def _replan(self) -> None:
        """Find out whether one worker of an era gets all its calls (two fields: an enum's hash is slow)."""
        table = self.table
        plain = table.active is not None and not table.is_split and not self.held
        number = table.active or 0
        self._plain = self.links.get(Place(number, HANDSHAKE)) if plain and not self.isolated else None
        self._plain_stateless = self.links.get(Place(number, Era.STATELESS)) if plain else None
