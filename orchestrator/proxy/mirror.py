"""The mirror: calls that only read are asked of another generation as well, after their clients have their answers.

A mirrored call is the daemon's own: it is in no ledger, has a number of its own, its answer reaches no client, and
nobody waits for it.  What is too much is dropped and counted.  Above: `answers` and `dispatch` tell of calls that are
over, `orchestrator.mirroring` sets the target and takes what was said.  Below: `link`, `mirrored`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.evidence.samples import FAILED, Outcome
from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.routing import Lane
from orchestrator.proxy import codec, mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirrored import Bounds, Flow, Heard, Mirrored

LATE = 1.0
"""Seconds after its original's end in which a mirrored call has to be sent: the later, the more differs by itself."""
BACKLOG = 256 << 10
"""Bytes waiting for a worker's stdin above which it is mirrored nothing: its own calls come first."""
RESOLUTION = 10_000
"""Of the share: a hundredth of a percent."""
ALONE = 'each session has workers of its own (worker.isolation = "session"): none of them can be asked for another'
"""Why nothing is mirrored there."""

Written = Callable[[Call, WorkerLink | None, bytes, Outcome], None]
"""Is told of each call's end that may have changed something, in the order of their ends; the line is b"" where there
is no answer."""


class _Asked(msgspec.Struct, gc=False, eq=False):
    """One call in the daemon's own name."""

    one: Mirrored
    link: WorkerLink
    sent: float
    deadline: float
    control: bool


class Mirror:
    """Mirrors what is sampled; fits `mirrored.Tap`.

    Attributes:
        target: the lane that is asked as well, None while nothing is mirrored.
        share: percent of the calls that are, 0 to 100.
        bounds: what it may take.
        flow: what became of the calls.
        on_written: is told of calls that may have changed something; None when nobody wants to know.
        repeat: says whether a tool's call is to be asked once more of the older version.
    """

    def __init__(self, dispatcher: Dispatcher, bounds: Bounds, take: Callable[[Mirrored], None]) -> None:
        """Build it; `take` is handed what is to be compared, on the loop."""
        self.target: Lane | None = None
        self.share = 100.0
        self.bounds = bounds
        self.flow = Flow()
        self.on_written: Written | None = None
        self.repeat: Callable[[str, int], bool] = lambda _tool, _generation: False
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._take = take
        self._below = RESOLUTION
        self._queue: deque[Mirrored] = deque()
        self._asked: dict[int, _Asked] = {}
        self._bytes = 0
        self._wrote = 0.0
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        dispatcher.on_lost.append(self._lost)

    # --- what is mirrored ---------------------------------------------------------------------

    def set(self, target: Lane | None, share: float = 100.0) -> None:
        """Mirror a share of the calls to whoever holds a lane, or (None) nothing; what is under way is given up.

        Args:
            target: `canary` or `previous`; the lane may be empty for now.
            share: percent, 0 to 100.
        """
        if target is not self.target:
            self._give_up("moved")
        self.target, self.share = target, share
        self._below = round(share * RESOLUTION / 100)
        self.tapped()

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
        return len(self._asked)

    @property
    def kept_bytes(self) -> int:
        """Bytes of calls and answers that are kept."""
        return self._bytes

    # --- calls that are over ------------------------------------------------------------------

    def answered(
        self, call: Call, link: WorkerLink, line: bytes, result: codec.ResultHead | UnsetType, now: float
    ) -> None:
        """Take note of an answer that is on its way to its client."""
        if call.method is not codec.CALL and call.method != codec.CALL:
            return
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self._wrote = now
            if self.on_written is not None:
                outcome = Outcome.ERROR if result is UNSET or result.failed else Outcome.OK
                self.on_written(call, link, line, outcome)
            return
        if self.target is None or call.number % RESOLUTION >= self._below:
            return
        if call.asked or call.pinned or call.task or (call.minded and call.era is Era.HANDSHAKE):
            return  # it goes on with something that only its own worker knows
        meta = b""
        outcome = Outcome.ERROR
        if result is not UNSET:
            if result.task is not UNSET or result.state is not UNSET:
                return
            outcome = Outcome.ERROR if result.failed else Outcome.OK
            meta = meta_of(result)
        self._sample(call, line, outcome, meta, now)

    def ended(self, call: Call, outcome: Outcome, now: float) -> None:
        """Take note of a call that was over without its worker's answer; the other version may have one."""
        link = call.link
        if call.method != codec.CALL or link is None:
            return
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self._wrote = now
            if self.on_written is not None:
                self.on_written(call, link, b"", outcome)
        elif self.target is not None and call.number % RESOLUTION < self._below and outcome in FAILED:
            self._sample(call, b"", outcome, b"", now)

    def _sample(self, call: Call, line: bytes, outcome: Outcome, meta: bytes, now: float) -> None:
        """Queue one call, if there is somebody to mirror it to and room."""
        table, target = self._dispatcher.table, self.target
        number = table.canary if target is Lane.CANARY else table.previous
        if number is None or call.generation != table.active or table.kill_switch or self._dispatcher.isolated:
            return
        self.flow.sampled += 1
        size = len(line) + len(call.tail)
        if len(self._queue) >= self.bounds.queue or self._bytes + size > self.bounds.queue_bytes:
            self.flow.dropped["queue"] += 1
            return
        original = Heard(
            call.generation, Lane.ACTIVE, call.accepted, (now - call.accepted) * 1000.0, outcome, line, meta
        )
        self._queue.append(
            Mirrored(call.tool, call.key, call.era, call.tail, size, now, number, target or Lane.CANARY, original)
        )
        self._bytes += size
        self._pump_soon()

    # --- sending ------------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        """Send a little later: answers go out first, and one write for many calls costs the daemon a third less."""
        if not self._pumping and len(self._asked) < self.bounds.in_flight:
            self._pumping = True
            asyncio.get_running_loop().call_later(self.bounds.gather, self._pump)

    def _pump(self) -> None:
        self._pumping = False
        queue, now, most = self._queue, self._now(), self.bounds.in_flight
        while queue and len(self._asked) < most:
            self._send(queue.popleft(), now)

    def _send(self, one: Mirrored, now: float) -> None:
        """Send one call to its target, and where noise is to be learned once more to the older version."""
        reason = ""
        place = Place(one.target, one.era)
        link = self._dispatcher.links.get(place)
        if one.target != self._dispatcher.table.lanes().get(one.to):
            reason = "moved"
        elif now - one.ended > LATE:
            reason = "late"
        elif link is None:
            self._want(place)
            reason = "no_worker"
        elif link.clogged or link.outbox.backlog > BACKLOG:
            reason = "clogged"
        else:
            facts = link.tools.get(one.tool)
            if facts is None or not facts.read_only:
                self.flow.unfit.add(one.tool)
                reason = "not_read_only"
        if reason or link is None:
            self._drop(one, reason)
            return
        older = link if one.to is Lane.PREVIOUS else self._dispatcher.links.get(Place(one.original.generation, one.era))
        if older is not None and not older.clogged and self.repeat(one.tool, older.generation):
            one.repeated = True
            self.flow.repeated += 1
            self._ask(one, older, now, control=True)
        self.flow.sent += 1
        self._ask(one, link, now, control=False)
        one.tail = b""

    def _ask(self, one: Mirrored, link: WorkerLink, now: float, *, control: bool) -> None:
        number = self._dispatcher.ledger.number()
        self._asked[number] = _Asked(one, link, now, now + self.bounds.timeout, control)
        link.outbox.put_spliced(b'{"jsonrpc":"2.0","id":%d' % number, one.tail)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.bounds.timeout, self._sweep)

    def _want(self, place: Place) -> None:
        """Have a worker of an era started that the target was not asked in before."""
        if place.era is Era.STATELESS and self._any_link(place.generation) and self._dispatcher.on_wanted is not None:
            self._dispatcher.on_wanted(place, None)

    def _any_link(self, generation: int) -> bool:
        return any(Place(generation, era) in self._dispatcher.links for era in Era)

    # --- hearing ------------------------------------------------------------------------------

    def heard(self, link: WorkerLink, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> bool:
        """Take the answer to a mirrored call; False when there is none of this number with this worker."""
        asked = self._asked.get(number)
        if asked is None or asked.link is not link:
            return False
        del self._asked[number]
        link.last_heard = self._now()
        failed = result is UNSET or result.failed
        meta = b"" if result is UNSET else meta_of(result)
        self._settle(asked, Outcome.ERROR if failed else Outcome.OK, line, meta)
        if self._queue:
            self._pump_soon()
        return True

    def _settle(self, asked: _Asked, outcome: Outcome, line: bytes, meta: bytes = b"") -> None:
        """Note what one of those asked has said; when all have, hand the pair over."""
        one, now = asked.one, self._now()
        self._bytes += len(line)
        one.size += len(line)
        lane = one.to if asked.link.generation == one.target else Lane.ACTIVE
        said = Heard(asked.link.generation, lane, asked.sent, (now - asked.sent) * 1000.0, outcome, line, meta)
        if asked.control:
            one.control = said
        else:
            one.mirrored = said
        if not one.over:
            return
        self._bytes -= one.size
        if line != one.original.line:  # they differ at least in their ids; whether in more is looked at later
            one.disturbed = self._wrote >= one.original.at or self.writing()
        self._take(one)

    def writing(self) -> bool:
        """Tell whether a call is under way that may change something."""
        for call in self._dispatcher.ledger.open.values():
            if call.method == codec.CALL and call.link is not None:
                facts = call.link.tools.get(call.tool)
                if facts is None or not facts.read_only:
                    return True
        return False

    def _sweep(self) -> None:
        """Give up what was not answered in time: a failure, unless the original needed nearly as long."""
        self._timer = None
        now = self._now()
        for number in [number for number, asked in self._asked.items() if asked.deadline <= now]:
            asked = self._asked.pop(number)
            self._forget(number, asked, "it took too long")
            if asked.control or asked.one.original.duration > self.bounds.timeout * 500:
                self._abandon(asked.one, "expired")
            else:
                self._settle(asked, Outcome.EXPIRED, b"")
        if self._asked:
            wait = min(asked.deadline for asked in self._asked.values()) - now
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0), self._sweep)
        if self._queue:
            self._pump_soon()

    def _forget(self, number: int, asked: _Asked, reason: str) -> None:
        """Tell a worker that its answer is not wanted any more."""
        self._dispatcher.ledger.unanswered.append(number)
        if not asked.link.dead and not asked.link.clogged:
            params = {"requestId": number, "reason": reason}
            asked.link.outbox.put(codec.notification_line(mcp.CANCELLED, params))

    def _lost(self, link: WorkerLink) -> None:
        """Account for what a lost worker was asked: a failure while it held its lane, nothing otherwise."""
        lost = [number for number, asked in self._asked.items() if asked.link is link]
        for number in lost:
            asked = self._asked.pop(number, None)
            if asked is None:
                continue
            holds = self._dispatcher.table.lane_of(link.generation) is not None and not self._dispatcher.stopping
            if holds and not asked.control:
                self._settle(asked, Outcome.LOST, b"")
            else:
                self._abandon(asked.one, "lost")
        if self._queue:
            self._pump_soon()

    # --- giving up ----------------------------------------------------------------------------

    def _abandon(self, one: Mirrored, reason: str) -> None:
        """Drop a call of which something is under way still."""
        for number in [number for number, asked in self._asked.items() if asked.one is one]:
            self._forget(number, self._asked.pop(number), "nobody waits for it")
        self._drop(one, reason)

    def _drop(self, one: Mirrored, reason: str) -> None:
        self._bytes -= one.size
        self.flow.dropped[reason] += 1

    def _give_up(self, reason: str) -> None:
        """Drop everything."""
        while self._queue:
            self._drop(self._queue.popleft(), reason)
        while self._asked:
            self._abandon(next(iter(self._asked.values())).one, reason)


def meta_of(result: codec.ResultHead) -> bytes:
    """Return a result's `_meta` as it came, b"" when there is none."""
    return b"" if result.meta is UNSET else bytes(result.meta)
