"""The dispatcher: reads the routing table once per call, sends it to a link, and sees to its one answer.

Above: `intake` hands calls in, `answers` hands answers in, `daemon` attaches links and replaces tables.  Below:
`ledger`, `link`, `session`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.domain.errors import INVALID_PARAMS, Code
from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.routing import Choice, Lane, RoutingTable, chance, choose
from orchestrator.proxy import codec, mcp, reasons
from orchestrator.proxy.attributes import Attributes, Reader
from orchestrator.proxy.cursors import Cursors
from orchestrator.proxy.gone import GoneTools
from orchestrator.proxy.ledger import Call, Ledger
from orchestrator.proxy.limits import Limits
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirrored import Tap
from orchestrator.proxy.outbox import Turn
from orchestrator.proxy.replaying import replayable
from orchestrator.proxy.sampling import OUTCOMES, Sampling
from orchestrator.proxy.session import Session
from orchestrator.proxy.tasks import Tasks
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.tally import GapMeter, Tally

log = get_logger("proxy")

HANDSHAKE = Era.HANDSHAKE


class Dispatcher:
    """Routes calls and answers for each; fits `domain.ports.Router`.

    Attributes:
        table: the routing table in force.
        links: the ready workers by generation and era.
        sessions: the connected clients by id.
        tallies: what was counted, by generation.
        gap: the longest gap around the last switch.
        isolated: whether each session of the handshake era has workers of its own.
        tasks: which process has made which task.
        cursors: which generation has given which cursor of a list.
        gone: which generation was the last to show a tool.
        attributes: reads what calls say of their subjects.
        sampling: who makes a sample of each tool call.
        mirror: who is told of tool calls that are over, while somebody wants that.
        unmet: what shared workers asked for and only a client could give.
        held, parked: whether all calls wait, and which generations have no process by right (see `holding`).
        on_sent: told of each call as it is sent, also when it is sent once more; replaced whole, never edited.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, now: Callable[[], float]) -> None:
        """Build a dispatcher on `loop`; `now` gives monotonic seconds on the same clock as the loop's timers."""
        self.table = RoutingTable()
        self.limits = limits
        self.links: dict[Place, WorkerLink] = {}
        self.sessions: dict[str, Session] = {}
        self.tallies: dict[int, Tally] = defaultdict(Tally)
        self.gap = GapMeter()
        self.turn = Turn(loop)
        self.ledger = Ledger(loop, self._expired)
        self.stopping = self.isolated = False
        self.on_suspect: Callable[[WorkerLink], None] | None = None
        self.lists_differ: Callable[[], bool] = lambda: False
        self.splits: Callable[[RoutingTable], bool] = lambda _table: False
        self.on_moved: list[Callable[[RoutingTable, RoutingTable], None]] = []
        self.on_lost: list[Callable[[WorkerLink], None]] = []
        self.on_sent: list[Callable[[Call, WorkerLink], None]] = []
        self.on_wanted: Callable[[Place, Session | None], None] | None = None
        self.on_closed: Callable[[Session], None] | None = None
        self.unmet: list[str] = []
        self.now = now
        self.tasks, self.cursors, self.gone = Tasks(now), Cursors(), GoneTools()
        self.attributes, self.sampling = Reader(), Sampling()
        self.mirror: Tap | None = None
        self.held, self.parked = False, frozenset[int]()
        self._hopeless: dict[int, str] = {}
        self._refused: dict[Place, dict[str, Any]] = {}
        self._plain: WorkerLink | None = None
        self._plain_stateless: WorkerLink | None = None
        self._waiting: dict[int, Call] = {}

    # --- the router's side --------------------------------------------------------------------

    def replace(self, table: RoutingTable) -> RoutingTable:
        """Route by `table` from now on; calls in flight finish where they are."""
        replaced = self.table
        if table.revision >= replaced.revision:
            self.table = table
            self._replan()
            last = max((link.last_heard for link in self.links.values()), default=0.0)
            self.gap.switched(self.now(), last if self.ledger.open and last else None)
            self._route_waiting()
            for moved in self.on_moved:
                moved(replaced, table)
        return replaced

    def attach(self, link: WorkerLink) -> None:
        """Take a ready worker into service for its generation."""
        self.links[link.place] = link
        self._hopeless.pop(link.generation, None)
        self._refused.pop(link.place, None)
        link.tally = self.tallies[link.generation]
        link.since = self.now()
        self.gone.note(link)
        self._replan()
        self._route_waiting()

    def suspend(self, link: WorkerLink) -> None:
        """Send a worker nothing more; what it still says is heard until `detach`."""
        if self.links.get(link.place) is link:
            del self.links[link.place]
            self._replan()

    def detach(self, link: WorkerLink, reason: str) -> None:
        """Account for the calls of a worker that is gone: once more if that is safe, else `worker_lost`."""
        self.suspend(link)
        link.close(reason)
        for lost in self.on_lost:
            lost(link)
        for call in self.ledger.with_link(link):
            if not self.stopping and replayable(call, link, self.limits):
                self.tallies[call.generation].replayed += 1
                link.settled()
                call.link = None
                self._route_again(call)
            else:
                self._lost(call, reason)

    def give_up(self, generation: int, reason: str) -> None:
        """Fail the calls that wait for a generation which cannot be brought up; so will those that come."""
        self._hopeless[generation] = reason
        self._route_waiting()

    def refuse_place(self, place: Place, error: dict[str, Any]) -> None:
        """Answer calls that only a worker could serve which did not start, in its own words where it gave any."""
        self._refused[place] = error
        self._route_waiting()

    def fail_place(self, place: Place, reason: str) -> None:
        """Answer the calls that wait for a worker which did not start; those that come try again."""
        for call in list(self._waiting.values()):
            if self._place(call) == place:
                self.refuse(call, Code.NO_WORKER, reason, retryable=True)

    def link_of(self, key: str, era: Era) -> WorkerLink | None:
        """Return the worker that serves an assignment key now, None while it is being started."""
        return self.links.get(Place(self.choose(key, era).generation or 0, era))

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation."""
        self._hopeless.pop(generation, None)
        for place in [place for place in self._refused if place.generation == generation]:
            del self._refused[place]
        self.tallies.pop(generation, None)

    def abandon(self, reason: str) -> None:
        """Answer every open call: the daemon is about to stop."""
        for call in list(self.ledger.open.values()):
            self.refuse(call, Code.WORKER_LOST, reason, retryable=False, outcome=Outcome.CANCELLED)
        self.turn.flush()

    # --- one call -----------------------------------------------------------------------------

    def route(self, call: Call) -> None:
        """Send a call where the table says, or let it wait for that worker."""
        table = self.table
        link = self._plain if call.era is HANDSHAKE else self._plain_stateless
        if call.pinned:
            link = self._pinned(call)
        elif link is not None:  # one active worker gets everything: nothing to choose
            call.generation = link.generation
            link.tally.default += 1
        else:
            link = self._chosen(call)
        call.revision = table.revision
        if link is None:
            if call.number in self.ledger.open:
                self._wait(call)
        elif call.local:
            result = mcp.answer(call.method, call.session.value, link.handshake)
            call.session.put(codec.result_line(call.client_id, result), call.client_id)
            self.close(call)
        else:
            call.link = link
            call.attempts += 1
            link.in_flight += 1
            for sent in self.on_sent:
                sent(call, link)
            tail = call.tail
            if isinstance(tail, bytes):
                link.outbox.put(b'{"jsonrpc":"2.0","id":%d%b\n' % (call.number, tail))
            else:
                link.outbox.put_spliced(b'{"jsonrpc":"2.0","id":%d' % call.number, tail)
            if link.clogged:
                link.hold_back(call.session)

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

    def choose(self, key: str, era: Era, attributes: Attributes | None = None) -> Choice:
        """Choose for a key; see `chosen` for a call."""
        return choose(self._table_of(era), key, attributes)

    def chosen(self, call: Call) -> Choice:
        """Choose for a call as if it came now."""
        return self.choose(call.key, call.era, self.attributes.read(call) if self.table.new_by else None)

    def _table_of(self, era: Era) -> RoutingTable:
        """Return what an era is routed by: undivided where lists may not differ by connection, and do differ."""
        table = self.table
        held = era is Era.STATELESS and table.is_split and not table.kill_switch and self.splits(table)
        return replace(table, canary=None) if held else table

    def _pinned(self, call: Call) -> WorkerLink | None:
        """Find the worker that alone can go on with a call; without one the client must begin again."""
        if call.paged:
            return None if self.held else self._paged(call)
        call.generation = call.pinned
        lane = self.table.lane_of(call.pinned)
        call.lane = lane or Lane.PREVIOUS
        link = self.links.get(self._place(call))
        if link is None and (lane is None or call.pinned in self.parked):
            self._void(call, reasons.maker_gone(call))
        return link

    def _paged(self, call: Call) -> WorkerLink | None:
        """Find the worker that goes on with a list; a cursor of another generation means nothing to it."""
        link = self._chosen(call)
        if call.generation == call.pinned:
            return link
        self._void(call, reasons.cursor_void(call))
        return None

    def _void(self, call: Call, reason: str) -> None:
        if self.close(call):
            call.session.put(codec.error_line(call.client_id, INVALID_PARAMS, reason), call.client_id)

    def serves(self, link: WorkerLink) -> bool:
        """Say whether a worker is in service."""
        return self.links.get(link.place) is link

    # --- sessions with workers of their own ---------------------------------------------------

    def _own(self, call: Call) -> WorkerLink | None:
        """Find the session's own worker; until the one of its new generation is ready, the old one serves on."""
        place = self._place(call)
        if call.generation and place not in self.links and place not in self._refused:
            self.want(call.generation, call.era, call.session)
        link = self._nearest(call.session, call.era, call.generation)
        if link is not None:
            call.generation = link.generation
        return link

    def serving(self, session: Session, key: str, era: Era, attributes: Attributes | None = None) -> WorkerLink | None:
        """Return the worker that such a call of a session is sent to now, None while it would have to wait."""
        generation = self.choose(key, era, attributes).generation or 0
        if not self._has_own(era):
            return self.links.get(Place(generation, era))
        return self._nearest(session, era, generation)

    def _nearest(self, session: Session, era: Era, generation: int) -> WorkerLink | None:
        """Return a session's own worker of a generation, or else any it has."""
        own = [link for link in self.own_links(session) if link.era is era]
        return next((link for link in own if link.generation == generation), own[0] if own else None)

    def _place(self, call: Call) -> Place:
        return Place(call.generation, call.era, call.session.value.id if self._has_own(call.era) else "")

    def _has_own(self, era: Era) -> bool:
        """Say whether sessions have workers of their own; stateless requests need none, each says all there is."""
        return self.isolated and era is HANDSHAKE

    def own_links(self, session: Session) -> list[WorkerLink]:
        """Return the workers that serve one session alone."""
        return [link for link in self.links.values() if link.session is session]

    def want(self, generation: int, era: Era, session: Session) -> None:
        """Have a worker started that serves this session at a generation."""
        if self.on_wanted is not None and generation:
            own = session if self._has_own(era) else None
            self.on_wanted(Place(generation, era, session.value.id if own is not None else ""), own)

    def _wait(self, call: Call) -> None:
        """Keep a call until its worker is ready, unless it is known that there will be none."""
        reason = self._hopeless.get(call.generation)
        error = self._refused.get(self._place(call))
        if self.held:
            self._waiting[call.number] = call
        elif reason is not None:
            self.refuse(call, Code.NO_WORKER, reason, retryable=True)
        elif error is not None:
            if self.close(call):
                call.session.put(codec.foreign_error_line(call.client_id, error), call.client_id)
        else:
            self._waiting[call.number] = call
            self.want(call.generation, call.era, call.session)

    def _replan(self) -> None:
        """Find out whether one worker of an era gets all its calls (two fields: an enum's hash is slow)."""
        table = self.table
        plain = table.active is not None and not table.is_split and not self.held
        number = table.active or 0
        self._plain = self.links.get(Place(number, HANDSHAKE)) if plain and not self.isolated else None
        self._plain_stateless = self.links.get(Place(number, Era.STATELESS)) if plain else None

    def _route_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for call in waiting.values():
            if call.number in self.ledger.open:
                self._route_again(call)

    def _route_again(self, call: Call) -> None:
        """Route a call anew, as if nothing had been decided."""
        call.lane, call.treated, call.share = Lane.ACTIVE, None, 0.0
        self.route(call)

    def _lost(self, call: Call, reason: str) -> None:
        tally = self.tallies[call.generation]
        tally.lost += 1
        self.refuse(call, Code.WORKER_LOST, reasons.worker_lost(call, reason), retryable=False)

    def _expired(self, call: Call) -> None:
        """Answer a call that met its deadline, and have its worker looked at."""
        link = call.link
        reason = reasons.too_late(call, self.limits.call_timeout)
        self.tallies[call.generation].expired += 1
        if self.refuse(call, Code.DEADLINE_EXCEEDED, reason, retryable=link is None) and link is not None:
            self.tell_cancelled(link, call, "deadline exceeded")
            if self.on_suspect is not None:
                self.on_suspect(link)

    def cancel(self, call: Call, reason: str) -> None:
        """Drop a call nobody waits for any more."""
        link = call.link
        if self.close(call, Outcome.CANCELLED) and link is not None:
            self.tell_cancelled(link, call, reason)

    def tell_cancelled(self, link: WorkerLink, call: Call, reason: str) -> None:
        """Tell a worker that nobody waits for its answer to a call any more."""
        params = {"requestId": call.number, "reason": reason}
        link.outbox.put(codec.notification_line(mcp.CANCELLED, params))

    def refuse(self, call: Call, code: Code, reason: str, *, retryable: bool, outcome: Outcome | None = None) -> bool:
        """Close a call and answer it in the daemon's own name; False when it was closed before."""
        if not self.close(call, outcome or OUTCOMES.get(code, Outcome.LOST)):
            return False
        generation = call.generation or None
        line = codec.refusal_line(call.client_id, code, reason, retryable=retryable, generation=generation)
        call.session.put(line, call.client_id)
        self.tallies[call.generation].answered(self.now() - call.accepted, failed=True)
        log.warning(
            "call refused", code=code.name.lower(), reason=reason, call=call.number, method=call.method,
            tool=call.tool, session=call.session.value.id, generation=generation, revision=call.revision,
        )  # fmt: skip
        return True

    def close(self, call: Call, outcome: Outcome = Outcome.LOST) -> bool:
        """Take a call off the books unanswered by its worker; whoever closes it answers it.

        Args:
            call: the call.
            outcome: what that means for the worker it was with, if it was with one.

        Returns:
            False when it was closed before: then it must not be answered.
        """
        self._waiting.pop(call.number, None)
        if call.link is not None:
            self.ledger.unanswered.append(call.number)
        if not self.ledger.close(call):
            return False
        self.sampling.ended(call, outcome, self.now())
        if self.mirror is not None:
            self.mirror.ended(call, outcome, self.now())
        return True
