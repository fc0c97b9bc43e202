"""Mirrored calls that are with a worker: asked under numbers of their own, answered, given up or lost.

Above: `mirror` decides who is asked what.  Below: `link` carries the calls, `mirrored` is what they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.evidence.samples import Outcome
from orchestrator.proxy import codec, mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirrored import ACTIVE, ERROR, OK, Bounds, Flow, Heard, Mirrored, alike, meta_of


class _Asked(msgspec.Struct, gc=False, eq=False):
    """One call in the daemon's own name."""

    one: Mirrored
    link: WorkerLink
    sent: float
    control: bool


class Unanswered:
    """What was asked and is not answered.

    Attributes:
        calls: by number, in the order in which they were sent.
        kept_bytes: bytes of the calls and of what was said to them so far.
        wrote: when a call was over last that may have changed something, monotonic seconds.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        flow: Flow,
        bounds: Callable[[], Bounds],
        take: Callable[[Mirrored], None],
        room: Callable[[], None],
    ) -> None:
        """Build it.

        Args:
            dispatcher: whose workers are asked.
            flow: where what is dropped is counted.
            bounds: those in force.
            take: is handed each call to which all have said what they had to say.
            room: is told when fewer calls are unanswered.
        """
        self.calls: dict[int, _Asked] = {}
        self.kept_bytes = 0
        self.wrote = 0.0
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._number = dispatcher.ledger.number
        self._flow = flow
        self._bounds = bounds
        self._take = take
        self._room = room
        self._timer: asyncio.TimerHandle | None = None
        self._writing: bool | None = None

    def ask(self, one: Mirrored, link: WorkerLink, now: float, *, control: bool) -> None:
        """Send a call to a worker."""
        number = self._number()
        self.calls[number] = _Asked(one, link, now, control)
        tail = one.tail
        if isinstance(tail, bytes):
            link.outbox.put(b'{"jsonrpc":"2.0","id":%d%b\n' % (number, tail))
        else:
            link.outbox.put_spliced(b'{"jsonrpc":"2.0","id":%d' % number, tail)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._bounds().timeout, self._sweep)

    def heard(self, link: WorkerLink, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> bool:
        """Take an answer; False when nothing of this number was asked of this worker."""
        asked = self.calls.get(number)
        if asked is None or asked.link is not link:
            return False
        del self.calls[number]
        now = link.last_heard = self._now()
        if result is UNSET:
            self._settle(asked, ERROR, line, b"", now)
        else:
            self._settle(asked, ERROR if result.failed else OK, line, meta_of(result), now)
        self._room()
        return True

    def _settle(self, asked: _Asked, outcome: Outcome, line: bytes, meta: bytes, now: float) -> None:
        """Note what one of those asked has said; when all have, hand the pair over."""
        one, generation, sent = asked.one, asked.link.generation, asked.sent
        lane = one.to if generation == one.target else ACTIVE
        said = Heard(generation, lane, sent, (now - sent) * 1000.0, outcome, line, meta)
        if asked.control:
            one.control = said
        else:
            one.mirrored = said
        if one.mirrored is None or (one.repeated and one.control is None):
            one.size += len(line)
            self.kept_bytes += len(line)
            return
        self.kept_bytes -= one.size
        one.same = alike(one.original.line, one.mirrored.line)
        if not one.same:
            one.disturbed = self.wrote >= one.original.at or self._writing_now()
        self._take(one)

    # --- what may change something ------------------------------------------------------------

    def _writing_now(self) -> bool:
        """Tell so once for all that is heard in one turn of the loop."""
        if self._writing is None:
            self._writing = self.writing()
            asyncio.get_running_loop().call_soon(self._look_again)
        return self._writing

    def _look_again(self) -> None:
        self._writing = None

    def writing(self) -> bool:
        """Tell whether a call is under way that may change something."""
        for call in self._dispatcher.ledger.open.values():
            if call.method == codec.CALL and call.link is not None:
                facts = call.link.tools.get(call.tool)
                if facts is None or not facts.read_only:
                    return True
        return False

    # --- no answer ----------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Give up what was not answered in time: a failure, unless the original needed nearly as long."""
        self._timer = None
        now, timeout = self._now(), self._bounds().timeout
        for number in [number for number, asked in self.calls.items() if asked.sent + timeout <= now]:
            asked = self.calls.pop(number, None)
            if asked is None:
                continue  # the other half of a call that was dropped just now
            self._forget(number, asked, "it took too long")
            if asked.control or asked.one.original.duration > timeout * 500:
                self._abandon(asked.one, "expired")
            else:
                self._settle(asked, Outcome.EXPIRED, b"", b"", now)
        if self.calls:
            wait = next(iter(self.calls.values())).sent + timeout - now
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0), self._sweep)
        self._room()

    def lost(self, link: WorkerLink) -> None:
        """Account for what a lost worker was asked: a failure while it held its lane, nothing otherwise."""
        holds = self._dispatcher.table.lane_of(link.generation) is not None and not self._dispatcher.stopping
        for number in [number for number, asked in self.calls.items() if asked.link is link]:
            asked = self.calls.pop(number, None)
            if asked is None:
                continue
            if holds and not asked.control:
                self._settle(asked, Outcome.LOST, b"", b"", self._now())
            else:
                self._abandon(asked.one, "lost")
        self._room()

    def give_up(self, reason: str) -> None:
        """Drop everything."""
        while self.calls:
            self._abandon(next(iter(self.calls.values())).one, reason)

    def _abandon(self, one: Mirrored, reason: str) -> None:
        """Drop a call of which something may be under way still."""
        for number in [number for number, asked in self.calls.items() if asked.one is one]:
            self._forget(number, self.calls.pop(number), "nobody waits for it")
        self.kept_bytes -= one.size
        self._flow.dropped[reason] += 1

    def _forget(self, number: int, asked: _Asked, reason: str) -> None:
        """Tell a worker that its answer is not wanted any more."""
        self._dispatcher.ledger.unanswered.append(number)
        if not asked.link.dead and not asked.link.clogged:
            params = {"requestId": number, "reason": reason}
            asked.link.outbox.put(codec.notification_line(mcp.CANCELLED, params))
