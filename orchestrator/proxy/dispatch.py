"""The dispatcher: sends each call where the routes say, once, and sees to its one answer.

Above: `intake` hands calls in, `answers` hands answers in, `daemon` attaches links and replaces tables.  Below:
`routes`, `ledger`, `link`, `session`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from orchestrator.domain.errors import INVALID_PARAMS, Code
from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.protocol import Place
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.proxy import codec, mcp, reasons
from orchestrator.proxy.cursors import Cursors
from orchestrator.proxy.gone import GoneTools
from orchestrator.proxy.ledger import Call, Ledger
from orchestrator.proxy.limits import Limits
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirrored import Tap
from orchestrator.proxy.outbox import Turn
from orchestrator.proxy.replaying import replayable
from orchestrator.proxy.routes import HANDSHAKE, Routes
from orchestrator.proxy.sampling import OUTCOMES, Sampling
from orchestrator.proxy.session import Session
from orchestrator.proxy.tasks import Tasks
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.tally import GapMeter, Tally

log = get_logger("proxy")

RETIRED: Final = 8
"""Retired generations whose counters stay: a day of rollouts, and no more series than Prometheus likes."""


class Dispatcher(Routes):
    """Sends calls by the routes and sees to the answer of each; fits `domain.ports.Router`.

    Attributes:
        sessions: the connected clients by id.
        tallies: what was counted, by generation; also of those that were retired last.
        gap: the longest gap around the last switch.
        tasks: which process has made which task.
        cursors: which generation has given which cursor of a list.
        gone: which generation was the last to show a tool.
        sampling: who makes a sample of each tool call.
        mirror: who is told of tool calls that are over, while somebody wants that.
        unmet: what shared workers asked for and only a client could give.
        on_sent: told of each call as it is sent, also when it is sent once more; replaced whole, never edited.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, now: Callable[[], float]) -> None:
        """Build a dispatcher on `loop`; `now` gives monotonic seconds on the same clock as the loop's timers."""
        super().__init__()
        self.limits = limits
        self.sessions: dict[str, Session] = {}
        self.tallies: dict[int, Tally] = defaultdict(Tally)
        self._retired: deque[int] = deque()
        self.gap = GapMeter()
        self.turn = Turn(loop)
        self.ledger = Ledger(loop, self._expired)
        self.stopping = False
        self.on_suspect: Callable[[WorkerLink], None] | None = None
        self.lists_differ: Callable[[], bool] = lambda: False
        self.on_moved: list[Callable[[RoutingTable, RoutingTable], None]] = []
        self.on_lost: list[Callable[[WorkerLink], None]] = []
        self.on_sent: list[Callable[[Call, WorkerLink], None]] = []
        self.on_closed: Callable[[Session], None] | None = None
        self.unmet: list[str] = []
        self.now = now
        self.tasks, self.cursors, self.gone = Tasks(now), Cursors(), GoneTools()
        self.sampling = Sampling()
        self.mirror: Tap | None = None
        self._hopeless: dict[int, str] = {}
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

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation; what was counted stays until `RETIRED` more are retired.

        Calls that are still being answered go on counting, and a counter that Prometheus saw once, or a canary of a
        minute that it has not seen yet, does not vanish between two scrapes.
        """
        self._hopeless.pop(generation, None)
        for place in [place for place in self._refused if place.generation == generation]:
            del self._refused[place]
        self._retired.append(generation)
        while len(self._retired) > RETIRED:
            self.tallies.pop(self._retired.popleft(), None)

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
