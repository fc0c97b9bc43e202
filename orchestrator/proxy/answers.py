"""The workers' side of the tool plane: each answer to the client that waits for it, each notification to its session.

Above: `link` hands messages in; fits `link.LinkOwner`.  Below: `dispatch` owns the calls.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.errors import Code
from orchestrator.domain.protocol import LIST_METHODS, Era
from orchestrator.proxy import codec, listening, mcp, tasks
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.gating import LIST as GATED_LIST
from orchestrator.proxy.gating import Gating
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.naming import id_at_ends
from orchestrator.proxy.session import Session
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")

STATELESS = Era.STATELESS


class Answers:
    """Takes what workers say."""

    def __init__(self, dispatcher: Dispatcher, movement: Movement, gating: Gating) -> None:
        self._gating = gating
        self._movement = movement
        self.on_list_changed: Callable[[WorkerLink, str], None] | None = None
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._ledger = dispatcher.ledger
        self._gap = dispatcher.gap
        self._sampling = dispatcher.sampling

    def answered(self, link: WorkerLink, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> None:
        """Give a worker's answer to the client that waits for it, once."""
        call = self._ledger.open.get(number)
        if call is None or call.link is not link:
            mirror = self._dispatcher.mirror
            if mirror is None or not mirror.heard(link, line, number, result):
                self._unexpected(link, number)
            return
        now = link.last_heard = self._now()
        if call.minded:
            if call.method == listening.LISTEN:
                self._listener_ended(link, line, call)
                return
            line = self._looked_into(link, line, call, result)
        failed = result is UNSET or result.failed
        if failed and call.method == codec.CALL:
            line = self._dispatcher.gone.explained(link, line, call)
        call.session.answer(line, call.client_id)
        self._ledger.close(call)
        link.tally.answered(now - call.accepted, failed=failed)
        if self._sampling.wanted > 0 or call.treated is not None:
            self._sampling.answered(call, now, result)
        else:
            self._sampling.passed += 1
        if self._dispatcher.mirror is not None:
            self._dispatcher.mirror.answered(call, link, line, result, now)
        if now < self._gap.until:
            self._gap.completed(now, busy=bool(self._ledger.open))

    def notified(self, link: WorkerLink, method: str, line: bytes) -> None:
        """Pass a worker's notification to the session it belongs to; drop what belongs to none."""
        if method == tasks.STATUS and self._task_told(link, line):
            return
        if method in mcp.LISTS and self.on_list_changed is not None:
            self.on_list_changed(link, mcp.LISTS[method])
        if link.era is STATELESS and method != "notifications/progress":
            self._to_listener(link, method, line)
            return
        sessions = self._dispatcher.sessions
        if method == "notifications/progress":
            self._progress(link, line)
        elif link.session is not None:
            self._to_own_session(link, method, line)
        elif method in mcp.LISTS:
            pass  # the sessions whose list it changed are told once it has been read again
        elif method == "notifications/resources/updated":
            self._to_subscribers(link, line)
        elif len(sessions) == 1:
            next(iter(sessions.values())).put(line + b"\n")
        else:
            log.debug("notification belongs to no session", generation=link.generation, method=method)

    def _to_subscribers(self, link: WorkerLink, line: bytes) -> None:
        """Give the news of a resource to the sessions that subscribed to it and that this worker serves."""
        params = codec.decode_message(line).params
        try:
            uri = codec.decode_notified(params).uri if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return
        for session in list(self._dispatcher.sessions.values()):
            if uri in session.value.subscriptions and self._dispatcher.link_of(session.key, link.era) is link:
                session.put(line + b"\n")

    def _looked_into(self, link: WorkerLink, line: bytes, call: Call, result: codec.ResultHead | UnsetType) -> bytes:
        """Return an answer as the client gets it, where that may not be as it came."""
        good, dispatcher = result is not UNSET, self._dispatcher
        made = result is not UNSET and (call.era is not STATELESS or result.task is not UNSET)
        makes = call.method == codec.CALL and made
        if makes or call.task or call.method == tasks.LIST:
            serving = dispatcher.chosen(call).generation
            line = dispatcher.tasks.answered(link, line, call, good=good, serving=serving)
        elif call.method == mcp.SUBSCRIBE and not good:
            mcp.forget(call.session.value, call.tail)
        elif call.method == GATED_LIST and good:
            line = self._gating.shown(line, call)
        if call.method in LIST_METHODS:
            dispatcher.cursors.given(line, call)
        return self._stateless(line, call, result) if call.era is STATELESS else line

    def _task_told(self, link: WorkerLink, line: bytes) -> bool:
        """Note a task's status; from a shared worker, pass it to the session the task was made for, and say so."""
        session = self._dispatcher.sessions.get(self._dispatcher.tasks.told(link, line))
        if session is None or link.session is not None or link.era is STATELESS:
            return False
        session.put(line + b"\n")
        return True

    def _stateless(self, line: bytes, call: Call, result: codec.ResultHead | UnsetType) -> bytes:
        """Mark what the client brings along with the generation it belongs to; keep no list while lists differ."""
        if result is not UNSET and result.state is not UNSET:
            marked = mcp.mark_state(result.state, call.generation)
            return codec.with_result_member(line, "requestState", msgspec.json.encode(marked))
        if call.method in LIST_METHODS and self._dispatcher.lists_differ():
            return codec.with_result_member(line, "ttlMs", b"0")
        return line

    def _to_listener(self, link: WorkerLink, method: str, line: bytes) -> None:
        """Give a notification to the listener whose subscription it names."""
        params = codec.decode_message(line).params
        try:
            meta = codec.decode_notified(params).meta if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return
        number = meta.id if meta is not UNSET else UNSET
        call = self._ledger.open.get(number) if isinstance(number, int) else None
        if call is None or call.link is not link or call.method != listening.LISTEN:
            log.debug("notification belongs to no listener", generation=link.generation, method=method)
            return
        if method == listening.ACKNOWLEDGED:
            if call.acknowledged:
                return
            call.acknowledged = True
        call.session.put(listening.tagged(line, call), call.client_id)

    def _listener_ended(self, link: WorkerLink, line: bytes, call: Call) -> None:
        """Pass the end of a listener on, unless only its worker ends: then it listens on at the next one."""
        if link.place in self._dispatcher.links or self._dispatcher.stopping:
            call.session.put(listening.ended(line, call), call.client_id)
            self._ledger.close(call)
        else:
            self._movement.listen_elsewhere(call)

    def asked(self, link: WorkerLink, line: bytes) -> None:
        """Pass a question of a session's own worker on to its client."""
        session = self._session_of(link)
        message = codec.decode_message(line)
        if session is None or message.id is UNSET or message.method is UNSET:
            return
        client_id = session.questions.add(link, bytes(message.id))
        latest = None
        for call in session.calls.values():
            if call.link is link:
                call.asked = True
                latest = call.client_id
        session.put(codec.PREFIX + client_id + codec.request_tail(message.method, message.params) + b"\n", latest)

    def unmet(self, link: WorkerLink, method: str) -> None:
        """Say which setting would give a worker what it asked for."""
        if method not in self._dispatcher.unmet:
            self._dispatcher.unmet.append(method)
            log.warning(
                "shared worker asked its client something",
                mend='set worker.isolation = "session"',
                generation=link.generation,
                method=method,
            )

    def _session_of(self, link: WorkerLink) -> Session | None:
        return self._dispatcher.sessions.get(link.place.session)

    def _to_own_session(self, link: WorkerLink, method: str, line: bytes) -> None:
        """Give a notification of a session's own worker to its client, beside the call it most likely belongs to."""
        session = self._session_of(link)
        if session is None:
            return
        latest = next((call.client_id for call in reversed(session.calls.values()) if call.link is link), None)
        if method == mcp.CANCELLED:
            told = self._cancelled_question(link, session, line)
            if told is not None:
                session.put(told)
            return
        session.put(line + b"\n", None if method in mcp.LISTS else latest)

    def _cancelled_question(self, link: WorkerLink, session: Session, line: bytes) -> bytes | None:
        params = codec.decode_message(line).params
        try:
            request = codec.decode_notified(params).request if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return None
        mine = session.questions.find(link, bytes(request)) if request is not UNSET else None
        if mine is None or params is UNSET:
            return None
        session.questions.take(mine)
        return codec.notification_line(mcp.CANCELLED, codec.with_member(params, "requestId", mine))

    def undeliverable(self, link: WorkerLink, head: bytes, tail: bytes) -> None:
        """Fail the call whose answer cannot be passed on: it is longer than a line may be, or not UTF-8."""
        written = id_at_ends(head, tail)
        number = int(written) if written is not None and written.isdigit() else None
        log.warning("worker sent a line that cannot be passed on", generation=link.generation, call=number)
        call = self._ledger.open.get(number) if number is not None else None
        if call is None and number is not None and self._dispatcher.mirror is not None:
            self._dispatcher.mirror.heard(link, b"", number, UNSET)
        if call is not None and call.link is link:
            reason = "the worker's answer is no readable JSON, or longer than a line may be (limits.line_bytes)"
            self._dispatcher.refuse(call, Code.REFUSED, reason, retryable=False)

    def _progress(self, link: WorkerLink, line: bytes) -> None:
        params = codec.decode_message(line).params
        try:
            token = codec.decode_notified(params).token if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return
        call = self._ledger.open.get(token) if isinstance(token, int) else None
        if call is not None and params is not UNSET and call.link is link and call.token is not None:
            told = codec.with_member(params, "progressToken", call.token)
            call.session.put(codec.notification_line("notifications/progress", told), call.client_id)

    def _unexpected(self, link: WorkerLink, number: int) -> None:
        if number in self._ledger.unanswered:
            log.debug("answer to a call that is over", generation=link.generation, call=number)
        else:
            log.warning("worker answered an id that no call has", generation=link.generation, call=number)
