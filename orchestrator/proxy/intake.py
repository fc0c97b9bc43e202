"""The clients' side of the tool plane: who may come in, what is accepted, what is answered on the spot.

Above: `session` hands messages in; fits `session.SessionOwner`.  Below: `dispatch` owns what has been accepted.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from orchestrator.domain.errors import INVALID_PARAMS, INVALID_REQUEST, Code
from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, LIST_METHODS, STATELESS_VERSION, Era
from orchestrator.proxy import codec, listening, mcp, restoring
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.gating import GATED, Gating
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.limits import ALL
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.session import Session, SessionOwner
from orchestrator.proxy.tasks import ABOUT_ONE, LIST
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")


class Intake:
    """Accepts clients and their messages.

    Attributes:
        attendant: says who else takes the messages of a session that has just come in; None where nobody does.
    """

    def __init__(self, dispatcher: Dispatcher, gating: Gating) -> None:
        self._gating = gating
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._ledger = dispatcher.ledger
        self._sampling = dispatcher.sampling
        self._route = dispatcher.route
        self.attendant: Callable[[Session], SessionOwner | None] = lambda _session: None

    def opened(self, session: Session) -> str | None:
        """Welcome a client unless there are too many."""
        value, sessions = session.value, self._dispatcher.sessions
        limit = self._dispatcher.limits.sessions
        if self._dispatcher.stopping:
            return "the daemon is stopping"
        if len(sessions) >= limit:
            log.warning("client refused: too many sessions", pid=value.pid, uid=value.uid, limit=limit)
            return f"{limit} clients are connected already (limits.sessions)"
        sessions[value.id] = session
        attendant = self.attendant(session)
        if attendant is not None:
            session.hand_to(attendant)
        log.info("session opened", session=value.id, pid=value.pid, uid=value.uid, gid=value.gid)
        return None

    def closed(self, session: Session) -> None:
        """Cancel what a client left behind."""
        if self._dispatcher.sessions.pop(session.value.id, None) is None:
            return
        for call in list(session.calls.values()):
            self._dispatcher.cancel(call, "the client disconnected")
        for link in self._dispatcher.links.values():
            link.blocked.discard(session)
        restoring.give_up(self._dispatcher, session)
        if self._dispatcher.on_closed is not None:
            self._dispatcher.on_closed(session)
        log.info("session closed", session=session.value.id)

    def requested(
        self, session: Session, written_id: bytes, method: str, params: codec.Params, tail: bytes | memoryview
    ) -> None:
        """Accept a request, or refuse it with its own clear error (see `session.SessionOwner`)."""
        calls, dispatcher, ledger = session.calls, self._dispatcher, self._ledger
        limits = dispatcher.limits
        if written_id in calls or len(calls) >= limits.calls_per_session or dispatcher.stopping:
            self._refuse(session, written_id)
            return
        if method == mcp.PING:
            session.put(codec.result_line(written_id, {}), written_id)
            return
        number = ledger.number()
        name = params.name
        now = self._now()
        call = Call(
            number,
            session,
            written_id,
            method,
            "" if name is UNSET else name,
            tail,
            session.key,
            now,
            now + limits.call_timeout,
        )
        if limits.by_call and method == codec.CALL and (call.tool in limits.by_call or ALL in limits.by_call):
            call.key = str(number)
        if (params.meta is not UNSET or method is not codec.CALL or params.augment is not UNSET) and not self._read(
            call, params
        ):
            session.put(codec.error_line(written_id, INVALID_PARAMS, f"there is no task {call.task}"), written_id)
            return
        if self._gating.keeper is not None and method in GATED and not self._gating.admits(call):
            return
        if self._sampling.on_trial and method == codec.CALL:
            self._name_key(call, params)
        ledger.add(call)
        self._route(call)

    def _read(self, call: Call, params: codec.Params) -> bool:
        """Read what a plain tool call does not have: `_meta`, and methods that concern the session or the daemon.

        Returns:
            False when it is about a task that is not there for its sender.
        """
        method = call.method
        if params.meta is not UNSET:
            self._read_meta(call, params.meta)
        elif method == mcp.INITIALIZE:
            call.local = True
        if call.era is Era.STATELESS:
            self._read_stateless(call, params)
        elif method in mcp.REMEMBERED:
            self._read_setting(call)
        if not self._read_task(call, params):
            return False
        if method in LIST_METHODS:
            call.minded = True
            call.pinned = self._dispatcher.cursors.giver(call)
            call.paged = bool(call.pinned)
        elif method == mcp.SUBSCRIBE:
            call.minded = True
        return True

    def _read_setting(self, call: Call) -> None:
        """Remember what a request sets, and have all workers know that may serve its session."""
        mcp.remember(call.session.value, call.method, call.tail)
        call.local = call.local or self._others_subscribe(call.session, call)
        if not call.local:
            restoring.spread(self._dispatcher, call)

    def _read_task(self, call: Call, params: codec.Params) -> bool:
        """Send what is about a task to its maker; have a call that may become one looked into when it is answered."""
        tasks = self._dispatcher.tasks
        call.minded = call.era is Era.STATELESS or params.augment is not UNSET
        if call.method == LIST:
            tasks.turn_page(call)
        elif call.method in ABOUT_ONE and params.task is not UNSET:
            return tasks.direct(call, params.task, serving=self._dispatcher.serves)
        return True

    def notified_by(self, session: Session, message: codec.Message) -> None:
        """Pass a client's notification on; a cancellation follows its call."""
        if message.method == mcp.INITIALIZED or message.method is UNSET:
            return
        if message.method in mcp.SWALLOWED and not self._dispatcher.isolated:
            return
        if message.method == mcp.CANCELLED:
            self._cancelled_by(session, message)
            return
        if self._dispatcher.isolated:
            links = self._dispatcher.own_links(session)
        else:
            link = self._dispatcher.link_of(session.key, Era.HANDSHAKE)
            links = [link] if link is not None else []
        for link in links:
            params = message.params if message.params is not UNSET else None
            link.outbox.put(codec.notification_line(message.method, params))
            link.hold_back(session)

    def replied(self, session: Session, message: codec.Message) -> None:
        """Give a client's answer to the worker that asked, under the id it gave."""
        question = session.questions.take(bytes(message.id)) if message.id is not UNSET else None
        if question is None:
            log.debug("client answered what nobody asks", session=session.value.id)
            return
        link, written_id = question
        if isinstance(link, WorkerLink):
            member, payload = ("result", message.result) if message.error is UNSET else ("error", message.error)
            link.outbox.put(codec.reply_line(written_id, member, payload))
            link.hold_back(session)

    def _refuse(self, session: Session, written_id: bytes) -> None:
        if written_id in session.calls:
            reason = f"id {written_id.decode()} belongs to a call that is not answered yet"
            session.complain(INVALID_REQUEST, reason)
            return
        if self._dispatcher.stopping:
            code, reason = Code.NO_WORKER, "the daemon is stopping"
        else:
            limit = self._dispatcher.limits.calls_per_session
            code, reason = Code.OVERLOADED, f"{limit} calls of this session are unanswered (limits.calls_per_session)"
        session.put(codec.refusal_line(written_id, code, reason, retryable=True, generation=None), written_id)

    def _others_subscribe(self, session: Session, call: Call) -> bool:
        """Say whether an end of a subscription must not reach a shared worker: another session still wants the news."""
        if call.method != mcp.UNSUBSCRIBE or self._dispatcher.isolated:
            return False
        uri = mcp.uri_of(call.tail)
        others = (one.value for one in self._dispatcher.sessions.values() if one is not session)
        return any(uri in value.subscriptions for value in others)

    def _read_meta(self, call: Call, meta: codec.Meta) -> None:
        """Take era, assignment key and progress token out of a request's `_meta`."""
        if meta.version is not UNSET and meta.version not in HANDSHAKE_VERSIONS:
            call.era = Era.STATELESS
            call.local = call.method == mcp.DISCOVER and meta.version == STATELESS_VERSION
        else:
            call.local = call.method == mcp.INITIALIZE
        if meta.key:
            call.key = meta.key
        if meta.attributes is not UNSET:
            call.attributes = meta.attributes
        if meta.token is not UNSET:
            call.token = bytes(meta.token)
            message = codec.decode_message(b"".join((b'{"id":0', call.tail)))
            if message.params is not UNSET:
                call.tail = codec.request_tail(call.method, codec.with_token(message.params, call.number))

    def _name_key(self, call: Call, params: codec.Params) -> None:
        """Tell the worker by which key a call is assigned, so that it has the flag on trial as its sample says."""
        if params.meta is UNSET or not params.meta.key:
            bare = params.meta is UNSET and params.name is not UNSET
            call.tail = codec.keyed_tail(call.tail, call.key, bare=bare)

    def _read_stateless(self, call: Call, params: codec.Params) -> None:
        """Give a listener no deadline; send what a client brings along to the generation that gave it."""
        if call.method == listening.LISTEN:
            listening.begin(call)
        unmarked = mcp.unmark_state(params.state) if params.state is not UNSET else None
        if unmarked is None:
            return
        call.pinned, state = unmarked
        message = codec.decode_message(b"".join((b'{"id":0', call.tail)))
        if message.params is not UNSET:
            restored = codec.with_member(message.params, "requestState", msgspec.json.encode(state))
            call.tail = codec.request_tail(call.method, restored)

    def _cancelled_by(self, session: Session, message: codec.Message) -> None:
        params = message.params
        try:
            request = codec.decode_notified(params).request if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return
        call = session.calls.get(bytes(request)) if request is not UNSET else None
        if call is None or params is UNSET:
            return
        link = call.link
        if self._dispatcher.close(call, Outcome.CANCELLED) and link is not None:
            told = codec.with_member(params, "requestId", b"%d" % call.number)
            link.outbox.put(codec.notification_line(mcp.CANCELLED, told))
