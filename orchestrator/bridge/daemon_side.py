"""What the daemon says: to the client, or to the bridge alone.

Above: `relay` hands in lines.  Below: `conversation`.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from orchestrator.bridge import listening, messages
from orchestrator.bridge.books import HOLD
from orchestrator.bridge.calls import LISTEN, SESSION_METHODS, Request
from orchestrator.bridge.conversation import Conversation
from orchestrator.domain.errors import Code
from orchestrator.proxy import codec

PARTING: Final = 1.0
"""Seconds within which a daemon that ended a subscription in its own name must be gone to be forgiven for it."""


class DaemonSide:
    """Takes the daemon's lines."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._pending = conversation.books.pending

    def take(self, line: bytes, now: float) -> None:
        """Take one line, without newline; `now` in seconds on a clock that only goes forward."""
        written = messages.id_of_result(line)
        request = None if written is None else self._pending.get(written)
        if request is not None:
            self._answered(request, line, good=True)
            return
        message = messages.read(line)
        if message is None:
            self._conversation.notes.append("the daemon sent a line that is no JSON-RPC message; it was dropped")
        elif message.method is UNSET:
            self._answer(line, message, now)
        elif message.id is UNSET:
            self._notified(line, message)
        else:
            if message.method != "ping":
                self._conversation.books.client_asked()
            self._conversation.to_client.append(self._conversation.asked.asked(line, message))

    def _answer(self, line: bytes, message: codec.Message, now: float) -> None:
        """Take an answer: the bridge's own, the client's, or a complaint that names no request."""
        written = b"null" if message.id is UNSET else bytes(message.id)
        handler = self._conversation.questions.pop(written, None)
        request = self._pending.get(written)
        if handler is not None:
            handler(message)
        elif request is not None:
            if message.error is UNSET or not self._forgiven(request, line, message, now):
                self._answered(request, line, good=message.error is UNSET)
        elif written == b"null":
            self._complained(line, message)

    def _answered(self, request: Request, line: bytes, *, good: bool) -> None:
        if not request.sent:  # what this daemon does not have it cannot answer
            return
        if good and request.method in SESSION_METHODS:
            self._conversation.memory.learn(request, line)
        self._conversation.answer(request, line)

    def _forgiven(self, request: Request, line: bytes, message: codec.Message, now: float) -> bool:
        """Tell whether an error only says that the daemon is about to leave; then the next one gets the request."""
        if messages.is_farewell(message):
            until = now + HOLD
        elif request.method == LISTEN and messages.failure_of(message).code in {Code.NO_WORKER, Code.WORKER_LOST}:
            until = now + PARTING
        else:
            return False
        if not request.sent or request.cancelled:
            return False
        self._conversation.leaves(request, until, line)
        return True

    def _complained(self, line: bytes, message: codec.Message) -> None:
        """Pass a complaint on; that the daemon takes no more clients concerns the bridge alone."""
        failure = messages.failure_of(message)
        if failure.code == Code.OVERLOADED and messages.why_of(failure).retryable:
            self._conversation.refusal = messages.why_of(failure).reason
        else:
            self._conversation.to_client.append(line)

    def _notified(self, line: bytes, message: codec.Message) -> None:
        if message.method == listening.ACKNOWLEDGED:
            request = self._pending.get(listening.subscription_of(message))
            if request is not None and request.acknowledged:
                self._conversation.to_client += listening.changes(message)
                return
            if request is not None:
                request.acknowledged = True
        elif message.method == messages.CANCELLED:
            line = self._cancelled(line, message)
        self._conversation.to_client.append(line)

    def _cancelled(self, line: bytes, message: codec.Message) -> bytes:
        """Follow a cancellation: of a request of the daemon's own, or of a subscription it ends."""
        named = messages.params_of(message).request
        if named is UNSET or message.params is UNSET:
            return line
        told = self._conversation.asked.withdrawn(bytes(named))
        if told is None:
            request = self._pending.get(bytes(named))
            if request is not None and request.method == LISTEN:
                self._conversation.books.forget(request)
        elif told != bytes(named):
            return messages.notification(messages.CANCELLED, codec.with_member(message.params, "requestId", told))
        return line
