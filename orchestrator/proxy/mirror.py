"""The mirror: calls that only read are asked of another generation as well, after their clients have their answers.

A mirrored call is the daemon's own: it is in no ledger, has a number of its own, its answer reaches no client, and
nobody waits for it.  Of an answer on its way only a note is taken; all the rest is done some milliseconds later, for
many calls together and in slices between which clients are served.  What is too much is dropped and counted.  Above:
`answers` and `dispatch` tell of calls that are over, `orchestrator.mirroring` sets the target and takes what was said.
Below: `mirror_asked` holds what is asked and not answered; `link`, `mirrored`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.evidence.samples import FAILED, Outcome
from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.proxy import codec
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirror_asked import Unanswered
from orchestrator.proxy.mirrored import ACTIVE, CANARY, ERROR, OK, PREVIOUS, Bounds, Flow, Heard, Mirrored, meta_of

LATE = 1.0
"""Seconds after its original's end in which a mirrored call has to be sent: the later, the more differs by itself."""
BACKLOG = 256 << 10
"""Bytes waiting for a worker's stdin above which it is mirrored nothing: its own calls come first."""
FULL = 32
"""Calls that are gathered at most before they are sent."""
SLICE = 16
"""Calls sent in one turn of the loop: some fifty microseconds, after which whoever waits is served."""
PATIENCE = 0.02
"""Seconds for which a slice waits for a turn of the loop after one in which nobody was served: calls that come together
are answered together, and then there is time."""
RESOLUTION = 10_000
"""Of the share: a hundredth of a percent."""
ALONE = 'each session has workers of its own (worker.isolation = "session"): none of them can be asked for another'
"""Why nothing is mirrored there."""

HANDSHAKE = Era.HANDSHAKE

Written = Callable[[Call, WorkerLink | None, bytes, Outcome], None]
"""Is told of each call's end that may have changed something, in the order of their ends; the line is b"" where there
is no answer."""


class _Over(msgspec.Struct, gc=False, eq=False):
    """A call that was sampled: all that is noted while its client waits."""

    call: Call
    line: bytes
    outcome: Outcome
    result: codec.ResultHead | UnsetType
    size: int
    at: float


class _Way(NamedTuple):
    """Who is asked in one slice by calls of one era, or why nobody is."""

    era: Era
    link: WorkerLink | None
    older: WorkerLink | None
    reason: str


class Mirror:
    """Mirrors what is sampled; fits `mirrored.Tap`.

    Attributes:
        target: the lane that is asked as well, None while nothing is mirrored.
        share: percent of the calls that are, 0 to 100.
        bounds: what it may take.
        flow: what became of the calls.
        on_written: is told of calls that may have changed something; None when nobody wants to know.
        repeat: says whether a tool's call is to be asked once more of the older version.
        pair: the two generations that are asked, or were last: who serves, and the target; (0, 0) before any.
        on_pair: is told when these are others.
    """

    def __init__(self, dispatcher: Dispatcher, bounds: Bounds, take: Callable[[Mirrored], None]) -> None:
        """Build it; `take` is handed what is to be compared, on the loop."""
        self.target: Lane | None = None
        self.share = 100.0
        self.bounds = bounds
        self.flow = Flow()
        self.on_written: Written | None = None
        self.repeat: Callable[[str, int], bool] = lambda _tool, _generation: False
        self.pair = (0, 0)
        self.on_pair: Callable[[], None] = lambda: None
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._unanswered = Unanswered(dispatcher, self.flow, lambda: self.bounds, take, self._room)
        self._below = RESOLUTION
        self._served = self._number = 0
        self._queue: deque[_Over] = deque()
        self._queued_bytes = 0
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._flushes, self._yields_until = 0, 0.0
        dispatcher.on_lost.append(self._unanswered.lost)
        dispatcher.on_moved.append(self._moved)

    # --- what is mirrored ---------------------------------------------------------------------

    def set(self, target: Lane | None, share: float = 100.0) -> None:
        """Mirror a share of the calls to whoever holds a lane, or (None) nothing; what is under way is given up.

        Args:
            target: `canary` or `previous`; the lane may be empty for now.
            share: percent, 0 to 100.
        """
        if target is not self.target:
            self._unanswered.give_up("moved")
        self.target, self.share = target, share
        self._below = round(share * RESOLUTION / 100)
        self._stand()
        self.tapped()

    def _moved(self, _before: RoutingTable, _table: RoutingTable) -> None:
        self._stand()

    def _stand(self) -> None:
        """Find out whose calls are mirrored to whom; what waits for somebody else is dropped."""
        table, target = self._dispatcher.table, self.target
        number = 0 if target is None or table.kill_switch else table.lanes().get(target, 0)
        if number != self._number:
            while self._queue:
                self._drop("moved")
        self._number = number
        self._served = (table.active or 0) if number and not self._dispatcher.isolated else 0
        if self._served and self.pair != (self._served, number):
            self.pair = (self._served, number)
            self.on_pair()

    def watch_writes(self, written: Written | None) -> None:
        """Tell of calls that may have changed something, or no longer."""
        self.on_written = written
        self.tapped()

    def tapped(self) -> None:
        """Listen only while somebody wants it."""
        wanted = self.target is not None or self.on_written is not None
        self._dispatcher.mirror = self if wanted else None

    @property
    def silent(self) -> str:
        """Why nothing can be mirrored now, "" when it can."""
        table = self._dispatcher.table
        if self.target is None:
            return "it is off"
        if self._dispatcher.isolated:
            return ALONE
        if table.kill_switch:
            return "the kill switch is on"
        number = table.lanes().get(self.target)
        if number is None:
            return f"no generation holds the lane {self.target.value}"
        return "" if self._any_link(number) else f"the worker of generation {number} is not ready"

    @property
    def isolated(self) -> bool:
        """Whether sessions have workers of their own, whose calls are nobody else's business."""
        return self._dispatcher.isolated

    @property
    def queued(self) -> int:
        """Calls that wait to be mirrored."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Mirrored calls that are not answered."""
        return len(self._unanswered.calls)

    @property
    def kept_bytes(self) -> int:
        """Bytes of calls and answers that are kept."""
        return self._queued_bytes + self._unanswered.kept_bytes

    def writing(self) -> bool:
        """Tell whether a call is under way that may change something."""
        return self._unanswered.writing()

    # --- calls that are over ------------------------------------------------------------------

    def answered(
        self, call: Call, link: WorkerLink, line: bytes, result: codec.ResultHead | UnsetType, now: float
    ) -> None:
        """Take note of an answer that is on its way to its client."""
        if call.method is not codec.CALL and call.method != codec.CALL:
            return
        outcome = ERROR if result is UNSET or result.failed else OK
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self._unanswered.wrote = now
            if self.on_written is not None:
                self.on_written(call, link, line, outcome)
            return
        if call.generation != self._served or call.number % RESOLUTION >= self._below:
            return
        if call.asked or call.pinned or call.task or (call.minded and call.era is HANDSHAKE):
            return  # it goes on with something that only its own worker knows
        if result is UNSET or (result.task is UNSET and result.state is UNSET):
            self._sample(call, line, outcome, result, now)

    def ended(self, call: Call, outcome: Outcome, now: float) -> None:
        """Take note of a call that was over without its worker's answer; the other version may have one."""
        link = call.link
        if call.method != codec.CALL or link is None:
            return
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self._unanswered.wrote = now
            if self.on_written is not None:
                self.on_written(call, link, b"", outcome)
        elif call.generation == self._served and call.number % RESOLUTION < self._below and outcome in FAILED:
            self._sample(call, b"", outcome, UNSET, now)

    def _sample(
        self, call: Call, line: bytes, outcome: Outcome, result: codec.ResultHead | UnsetType, now: float
    ) -> None:
        """Queue one call, if there is room."""
        self.flow.sampled += 1
        size = len(line) + len(call.tail)
        bounds, kept = self.bounds, self._queued_bytes + self._unanswered.kept_bytes
        if len(self._queue) >= bounds.queue or kept + size > bounds.queue_bytes:
            self.flow.dropped["queue"] += 1
            return
        self._queue.append(_Over(call, line, outcome, result, size, now))
        self._queued_bytes += size
        if not self._pumping or (self._timer is not None and len(self._queue) >= FULL):
            self._pump_soon()

    def _drop(self, reason: str) -> None:
        """Drop the call that waits longest."""
        self._queued_bytes -= self._queue.popleft().size
        self.flow.dropped[reason] += 1

    # --- sending ------------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        """Send a little later: answers go out first, and one write for many calls costs a fraction of one for each."""
        if len(self._unanswered.calls) >= self.bounds.in_flight:
            return
        self._pumping = True
        self._yields_until = self._now() + self.bounds.gather + PATIENCE
        loop = asyncio.get_running_loop()
        if len(self._queue) < FULL:
            self._timer = loop.call_later(self.bounds.gather, self._pump)
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send one slice; the next one has to wait until whoever came meanwhile is served."""
        self._timer, now = None, self._now()
        if self._yields(now):
            asyncio.get_running_loop().call_soon(self._pump)
            return
        queue, calls, most = self._queue, self._unanswered.calls, self.bounds.in_flight
        way: _Way | None = None
        left = SLICE
        while queue and left and len(calls) < most:
            over, left = queue[0], left - 1
            if way is None or way.era is not over.call.era:
                way = self._way(over.call.era)
            self._send(over, way, now)
        self._pumping = bool(queue) and len(calls) < most
        if self._pumping:
            asyncio.get_running_loop().call_soon(self._pump)

    def _yields(self, now: float) -> bool:
        """Tell whether somebody was served since the last slice or look, and there is time to wait for a lull."""
        flushes = self._dispatcher.turn.flushes
        if flushes != self._flushes and now < self._yields_until:
            self._flushes = flushes
            return True
        self._yields_until = now + PATIENCE
        return False

    def _way(self, era: Era) -> _Way:
        """Find who is asked by calls of an era."""
        place, links = Place(self._number, era), self._dispatcher.links
        link = links.get(place)
        if link is None:
            self._want(place)
            return _Way(era, None, None, "no_worker")
        if link.outbox.backlog > BACKLOG:
            return _Way(era, None, None, "clogged")
        older = link if self.target is PREVIOUS else links.get(Place(self._served, era))
        return _Way(era, link, older, "")

    def _send(self, over: _Over, way: _Way, now: float) -> None:
        """Send one call to its target, and where noise is to be learned once more to the older version."""
        call, (_, link, older, reason) = over.call, way
        if now - over.at > LATE:
            reason = "late"
        elif link is not None and link.clogged:
            reason = "clogged"
        elif link is not None:
            facts = link.tools.get(call.tool)
            if facts is None or not facts.read_only:
                self.flow.unfit.add(call.tool)
                reason = "not_read_only"
        if reason or link is None:
            self._drop(reason)
            return
        self._queue.popleft()
        self._queued_bytes -= over.size
        self._unanswered.kept_bytes += over.size
        one = self._mirrored(over)
        if older is not None and not older.clogged and self.repeat(one.tool, older.generation):
            one.repeated = True
            self.flow.repeated += 1
            self._unanswered.ask(one, older, now, control=True)
        self.flow.sent += 1
        self._unanswered.ask(one, link, now, control=False)
        one.tail = b""

    def _mirrored(self, over: _Over) -> Mirrored:
        call, result = over.call, over.result
        meta = b"" if result is UNSET else meta_of(result)
        took = (over.at - call.accepted) * 1000.0
        original = Heard(call.generation, ACTIVE, call.accepted, took, over.outcome, over.line, meta)
        to = CANARY if self.target is None else self.target
        return Mirrored(call.tool, call.key, call.era, call.tail, over.size, over.at, self._number, to, original)

    def _want(self, place: Place) -> None:
        """Have a worker of an era started that the target was not asked in before."""
        if place.era is Era.STATELESS and self._any_link(place.generation) and self._dispatcher.on_wanted is not None:
            self._dispatcher.on_wanted(place, None)

    def _any_link(self, generation: int) -> bool:
        return any(Place(generation, era) in self._dispatcher.links for era in Era)

    # --- hearing ------------------------------------------------------------------------------

    def heard(self, link: WorkerLink, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> bool:
        """Take the answer to a mirrored call; False when there is none of this number with this worker."""
        return self._unanswered.heard(link, line, number, result)

    def _room(self) -> None:
        """Go on: fewer calls are unanswered."""
        if self._queue and not self._pumping:
            self._pump_soon()
