"""The dispatcher: reads the routing table once per call, sends it to a link, and sees to its one answer.

Above: `daemon` attaches links and replaces tables.  Below: `ledger`, `link`, `session`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from orchestrator.domain.errors import INVALID_REQUEST, Code
from orchestrator.domain.protocol import READ_ONLY_METHODS
from orchestrator.domain.routing import Choice, Lane, RoutingTable, choose
from orchestrator.proxy import codec, mcp
from orchestrator.proxy.ledger import MAX_ATTEMPTS, Call, Ledger
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.outbox import Turn
from orchestrator.proxy.session import ClientSession
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.tally import GapMeter, Tally

log = get_logger("proxy")


@dataclass(slots=True)
class Limits:
    """Bounds of the tool plane; replaced on reload.

    Attributes:
        call_timeout: seconds from a call's acceptance to its answer.
        calls_per_session: calls one session may have unanswered.
        sessions: clients connected at once.
        replay_idempotent: whether `idempotentHint` tools, too, are sent again when their worker dies.
    """

    call_timeout: float = 300.0
    calls_per_session: int = 256
    sessions: int = 1024
    replay_idempotent: bool = False


class Dispatcher:
    """Routes calls; fits `domain.ports.Router`, `session.SessionOwner` and `link.LinkOwner`.

    Attributes:
        table: the routing table in force.
        links: the ready worker of each generation.
        sessions: the connected clients by id.
        tallies: what was counted, by generation.
        gap: the longest gap around the last switch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, now: Callable[[], float]) -> None:
        """Build a dispatcher on `loop`; `now` gives monotonic seconds on the same clock as the loop's timers."""
        self.table = RoutingTable()
        self.limits = limits
        self.links: dict[int, WorkerLink] = {}
        self.hopeless: dict[int, str] = {}
        self.sessions: dict[str, ClientSession] = {}
        self.tallies: dict[int, Tally] = {}
        self.gap = GapMeter()
        self.turn = Turn(loop)
        self.ledger = Ledger(loop, self._expired)
        self.stopping = False
        self.on_suspect: Callable[[WorkerLink], None] | None = None
        self.on_list_changed: Callable[[WorkerLink, str], None] | None = None
        self._now = now
        self._waiting: dict[int, Call] = {}
        self._idle: list[asyncio.Future[None]] = []

    # --- the router's side --------------------------------------------------------------------

    def replace(self, table: RoutingTable) -> RoutingTable:
        """Route by `table` from now on; calls in flight finish where they are."""
        replaced = self.table
        if table.revision >= replaced.revision:
            self.table = table
            self.gap.switched(self._now(), busy=bool(self.ledger.open))
            self._route_waiting()
        return replaced

    def attach(self, link: WorkerLink) -> None:
        """Take a ready worker into service for its generation."""
        self.links[link.generation] = link
        self.hopeless.pop(link.generation, None)
        self._route_waiting()

    def suspend(self, link: WorkerLink) -> None:
        """Send a worker nothing more; what it still says is heard until `detach`."""
        if self.links.get(link.generation) is link:
            del self.links[link.generation]

    def detach(self, link: WorkerLink, reason: str) -> None:
        """Account for the calls of a worker that is gone: once more if that is safe, else `worker_lost`."""
        self.suspend(link)
        link.close(reason)
        for call in self.ledger.with_link(link):
            if self._replayable(call, link):
                self._tally(call.generation).replayed += 1
                link.settled()
                call.link = None
                self._route(call)
            else:
                self._lost(call, reason)

    def give_up(self, generation: int, reason: str) -> None:
        """Fail the calls that wait for a generation which cannot be brought up; so will those that come."""
        self.hopeless[generation] = reason
        self._route_waiting()

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation."""
        self.hopeless.pop(generation, None)
        self.tallies.pop(generation, None)

    async def drained(self) -> None:
        """Wait until every accepted call is answered."""
        if self.ledger.open:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    def abandon(self, reason: str) -> None:
        """Answer every open call: the daemon is about to stop."""
        for call in list(self.ledger.open.values()):
            self._refuse(call, Code.WORKER_LOST, reason, retryable=False)
        self.turn.flush()

    # --- the clients' side --------------------------------------------------------------------

    def opened(self, session: ClientSession) -> str | None:
        """Welcome a client unless there are too many."""
        value = session.value
        if self.stopping:
            return "the daemon is stopping"
        if len(self.sessions) >= self.limits.sessions:
            log.warning("client refused: too many sessions", pid=value.pid, uid=value.uid, limit=self.limits.sessions)
            return f"{self.limits.sessions} clients are connected already (limits.sessions)"
        self.sessions[value.id] = session
        log.info("session opened", session=value.id, pid=value.pid, uid=value.uid, gid=value.gid)
        return None

    def closed(self, session: ClientSession) -> None:
        """Cancel what a client left behind."""
        if self.sessions.pop(session.value.id, None) is None:
            return
        for call in list(session.calls.values()):
            self._cancel(call, "the client disconnected")
        for link in self.links.values():
            link.blocked.discard(session)
        log.info("session closed", session=session.value.id)

    def requested(self, session: ClientSession, message: codec.Message) -> None:
        """Accept a request, or refuse it with its own clear error."""
        client_id = bytes(message.id)  # type: ignore[arg-type]  # the session checked that there is one
        method: str = message.method  # type: ignore[assignment]  # likewise
        if method == mcp.PING:
            session.put(codec.result_line(client_id, {}))
            return
        if client_id in session.calls:
            reason = f"id {client_id.decode()} belongs to a call that is not answered yet"
            session.put(codec.error_line(b"null", INVALID_REQUEST, reason))
            return
        if len(session.calls) >= self.limits.calls_per_session:
            reason = f"{self.limits.calls_per_session} calls of this session are unanswered (limits.calls_per_session)"
            session.put(codec.refusal_line(client_id, Code.OVERLOADED, reason, retryable=True, generation=None))
            return
        if self.stopping:
            reason = "the daemon is stopping"
            session.put(codec.refusal_line(client_id, Code.NO_WORKER, reason, retryable=True, generation=None))
            return
        call = self._accept(session, client_id, method, message.params)
        self._route(call)

    def _accept(
        self, session: ClientSession, client_id: bytes, method: str, params: msgspec.Raw | msgspec.UnsetType
    ) -> Call:
        try:
            known = codec.decode_params(params) if params is not UNSET else codec.NO_PARAMS
        except msgspec.MsgspecError:
            known = codec.NO_PARAMS
        key = session.value.id
        ledger = self.ledger
        number = ledger.next_number
        token = None
        if known.meta is not UNSET and params is not UNSET:
            if known.meta.key is not UNSET:
                key = known.meta.key
            if known.meta.token is not UNSET:
                token = bytes(known.meta.token)
                params = codec.with_token(params, number)
        tool = known.name if known.name is not UNSET else ""
        call = Call(number, session, client_id, method, tool, params, key, self._now(), self.limits.call_timeout)
        call.token = token
        ledger.add(call)
        return call

    def notified_by(self, session: ClientSession, message: codec.Message) -> None:
        """Pass a client's notification on; a cancellation follows its call."""
        if message.method in mcp.SWALLOWED:
            return
        if message.method == "notifications/cancelled":
            self._cancelled_by(session, message)
            return
        generation, _lane = choose(self.table, session.value.id)
        link = self.links.get(generation) if generation is not None else None
        if link is not None and isinstance(message.method, str):
            params = message.params if message.params is not UNSET else None
            link.outbox.put(codec.notification_line(message.method, params))

    def _cancelled_by(self, session: ClientSession, message: codec.Message) -> None:
        try:
            named = codec.decode_notified(message.params) if message.params is not UNSET else None
        except msgspec.MsgspecError:
            return
        if named is None or named.request is UNSET:
            return
        call = session.calls.get(bytes(named.request))
        if call is None:
            return
        link = call.link
        if self._close(call) and link is not None:
            params = codec.with_member(message.params, "requestId", b"%d" % call.number)  # type: ignore[arg-type]
            link.outbox.put(codec.notification_line("notifications/cancelled", params))

    # --- the workers' side --------------------------------------------------------------------

    def answered(self, link: WorkerLink, line: bytes, number: int, *, failed: bool) -> None:
        """Give a worker's answer to the client that waits for it, once."""
        call = self.ledger.open.get(number)
        if call is None or call.link is not link:
            self._unexpected(link, number)
            return
        now = self._now()
        link.last_heard = now
        call.session.put(codec.with_id(line, call.client_id))
        self._close(call)
        self._tally(call.generation).answered(now - call.accepted, failed=failed)
        self.gap.completed(now, busy=bool(self.ledger.open))

    def notified(self, link: WorkerLink, method: str, line: bytes) -> None:
        """Pass a worker's notification to the session it belongs to; drop what belongs to none."""
        if method == "notifications/progress":
            self._progress(link, line)
        elif method in mcp.LISTS:
            if self.on_list_changed is not None:
                self.on_list_changed(link, mcp.LISTS[method])
            for session in list(self.sessions.values()):
                session.put(line + b"\n")
        elif len(self.sessions) == 1:
            for session in list(self.sessions.values()):
                session.put(line + b"\n")
        else:
            log.debug("notification belongs to no session", generation=link.generation, method=method)

    def overlong(self, link: WorkerLink, head: bytes) -> None:
        """Fail the call whose answer is longer than a line may be."""
        log.warning("worker sent a line over the limit", generation=link.generation)
        if not head.startswith(codec.PREFIX):
            return
        digits = head[len(codec.PREFIX) : head.find(b",", len(codec.PREFIX))]
        call = self.ledger.open.get(int(digits)) if digits.isdigit() else None
        if call is not None and call.link is link:
            reason = "the worker's answer is longer than a line may be (limits.line_bytes)"
            self._refuse(call, Code.REFUSED, reason, retryable=False)

    def _progress(self, link: WorkerLink, line: bytes) -> None:
        message = codec.decode_message(line)
        if message.params is UNSET:
            return
        try:
            token = codec.decode_notified(message.params).token
        except msgspec.MsgspecError:
            return
        call = self.ledger.open.get(token) if isinstance(token, int) else None
        if call is not None and call.link is link and call.token is not None:
            params = codec.with_member(message.params, "progressToken", call.token)
            call.session.put(codec.notification_line("notifications/progress", params))

    def _unexpected(self, link: WorkerLink, number: int) -> None:
        if 0 < number < self.ledger.next_number:
            log.debug("answer to a call that is over", generation=link.generation, call=number)
        else:
            log.warning("worker answered an id it was never given", generation=link.generation, call=number)

    # --- one call -----------------------------------------------------------------------------

    def _route(self, call: Call) -> None:
        """Send a call where the table says, or let it wait for that worker."""
        table = self.table
        plain = not table.weight and not table.kill_switch
        choice = Choice(table.active, Lane.ACTIVE) if plain else choose(table, call.key)
        generation = choice.generation
        link = self.links.get(generation) if generation is not None else None
        call.revision = table.revision
        call.lane = choice.lane
        call.generation = generation or 0
        if link is None:
            self._wait(call)
        elif call.method == mcp.INITIALIZE:
            result = mcp.initialize(call.session.value, call.params, link.handshake)
            call.session.put(codec.result_line(call.client_id, result))
            self._close(call)
        else:
            self._send(call, link)

    def _send(self, call: Call, link: WorkerLink) -> None:
        call.link = link
        call.attempts += 1
        link.in_flight += 1
        link.outbox.put(codec.request_line(call.number, call.method, call.params))
        if link.paused and call.session not in link.blocked:
            link.blocked.add(call.session)
            call.session.block()

    def _wait(self, call: Call) -> None:
        reason = self.hopeless.get(call.generation)
        if reason is not None:
            self._refuse(call, Code.NO_WORKER, reason, retryable=True)
        else:
            self._waiting[call.number] = call

    def _route_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for call in waiting.values():
            if call.number in self.ledger.open:
                self._route(call)

    def _replayable(self, call: Call, link: WorkerLink) -> bool:
        if call.attempts >= MAX_ATTEMPTS or self.stopping:
            return False
        if call.method != "tools/call":
            return call.method in READ_ONLY_METHODS
        facts = link.tools.get(call.tool)
        if facts is None:
            return False
        return facts.read_only or (facts.idempotent and self.limits.replay_idempotent)

    def _lost(self, call: Call, reason: str) -> None:
        tally = self._tally(call.generation)
        tally.lost += 1
        blocked = call.attempts >= MAX_ATTEMPTS
        if blocked:
            log.error("call blocked: two workers died with it", call=call.number, tool=call.tool)
            reason = f"two workers died with this call; it is not sent a third time ({reason})"
        self._refuse(call, Code.WORKER_LOST, reason, retryable=False)

    def _expired(self, call: Call) -> None:
        """Answer a call that met its deadline, and have its worker looked at."""
        link = call.link
        if link is None:
            reason = f"no worker of generation {call.generation} became ready within {self.limits.call_timeout:g} s"
        else:
            reason = f"generation {call.generation} did not answer within {self.limits.call_timeout:g} s"
        self._tally(call.generation).expired += 1
        if self._refuse(call, Code.DEADLINE_EXCEEDED, reason, retryable=link is None) and link is not None:
            self._tell_cancelled(link, call, "deadline exceeded")
            if self.on_suspect is not None:
                self.on_suspect(link)

    def _cancel(self, call: Call, reason: str) -> None:
        """Drop a call nobody waits for any more."""
        link = call.link
        if self._close(call) and link is not None:
            self._tell_cancelled(link, call, reason)

    def _tell_cancelled(self, link: WorkerLink, call: Call, reason: str) -> None:
        params = {"requestId": call.number, "reason": reason}
        link.outbox.put(codec.notification_line("notifications/cancelled", params))

    def _refuse(self, call: Call, code: Code, reason: str, *, retryable: bool) -> bool:
        """Close a call and answer it in the daemon's own name; False when it was closed before."""
        if not self._close(call):
            return False
        generation = call.generation or None
        call.session.put(codec.refusal_line(call.client_id, code, reason, retryable=retryable, generation=generation))
        self._tally(call.generation).answered(self._now() - call.accepted, failed=True)
        log.warning(
            "call refused", code=code.name.lower(), reason=reason, call=call.number, method=call.method,
            tool=call.tool, session=call.session.value.id, generation=generation, revision=call.revision,
        )  # fmt: skip
        return True

    def _close(self, call: Call) -> bool:
        closed = self.ledger.close(call)
        if closed:
            self._waiting.pop(call.number, None)
            if self._idle and not self.ledger.open:
                for future in self._idle:
                    if not future.done():
                        future.set_result(None)
                self._idle.clear()
        return closed

    def _tally(self, generation: int) -> Tally:
        tally = self.tallies.get(generation)
        if tally is None:
            tally = self.tallies[generation] = Tally()
        return tally
