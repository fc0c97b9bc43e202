"""The workers' side of the tool plane: each answer to the client that waits for it, each notification to its session.

Above: `link` hands messages in; fits `link.LinkOwner`.  Below: `dispatch` owns the calls.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from orchestrator.domain.errors import Code
from orchestrator.proxy import codec, mcp
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.link import WorkerLink
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")


class Answers:
    """Takes what workers say."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.on_list_changed: Callable[[WorkerLink, str], None] | None = None
        self._dispatcher = dispatcher
        self._now = dispatcher.now
        self._ledger = dispatcher.ledger
        self._gap = dispatcher.gap

    def answered(self, link: WorkerLink, line: bytes, number: int, *, failed: bool) -> None:
        """Give a worker's answer to the client that waits for it, once."""
        call = self._ledger.open.get(number)
        if call is None or call.link is not link:
            self._unexpected(link, number)
            return
        now = link.last_heard = self._now()
        call.session.answer(line, call.client_id)
        self._ledger.close(call)
        link.tally.answered(now - call.accepted, failed=failed)
        if now < self._gap.until:
            self._gap.completed(now, busy=bool(self._ledger.open))

    def notified(self, link: WorkerLink, method: str, line: bytes) -> None:
        """Pass a worker's notification to the session it belongs to; drop what belongs to none."""
        sessions = self._dispatcher.sessions
        if method == "notifications/progress":
            self._progress(link, line)
        elif method in mcp.LISTS:
            if self.on_list_changed is not None:
                self.on_list_changed(link, mcp.LISTS[method])
        elif len(sessions) == 1:
            next(iter(sessions.values())).put(line + b"\n")
        else:
            log.debug("notification belongs to no session", generation=link.generation, method=method)

    def undeliverable(self, link: WorkerLink, head: bytes) -> None:
        """Fail the call whose answer cannot be passed on: it is longer than a line may be, or not UTF-8."""
        number = codec.id_in(head)
        log.warning("worker sent a line that cannot be passed on", generation=link.generation, call=number)
        call = self._ledger.open.get(number) if number is not None else None
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
