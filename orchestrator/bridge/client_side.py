"""What the client says: passed on, kept for the next daemon, or known to be of no use to it.

Above: `relay` hands in lines.  Below: `conversation`.
"""

from __future__ import annotations

from msgspec import UNSET

from orchestrator.bridge import messages
from orchestrator.bridge.books import HOLD
from orchestrator.bridge.calls import INITIALIZE, LISTEN, Request
from orchestrator.bridge.conversation import Conversation, Link
from orchestrator.domain.errors import INVALID_REQUEST, Code
from orchestrator.proxy import codec
from orchestrator.proxy.batch import VERSIONS, Batch, BatchError, is_batch, messages_in, refusal_of


class ClientSide:
    """Takes the client's lines."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._books = conversation.books

    def take(self, line: bytes, now: float) -> None:
        """Take one line, without newline; `now` in seconds on a clock that only goes forward."""
        message = messages.read(line)
        if message is None and is_batch(line) and self._conversation.memory.told.version in VERSIONS:
            self._batched(line, now)
        elif message is None:
            self._pass_on(line)  # the daemon has the words for nonsense
        elif message.method is UNSET:
            self._answered(line, message)
        elif message.id is UNSET:
            self._notified(line, message)
        elif messages.is_id(message.id):
            self._requested(Request(bytes(message.id), message.method, line), now)
        else:
            self._pass_on(line)

    def _batched(self, line: bytes, now: float) -> None:
        """Take a batch's messages one by one, so that each fares as it would alone; answer them together."""
        conversation, books = self._conversation, self._books
        try:
            members = messages_in(line, conversation.memory.told.version)
        except BatchError as error:
            conversation.to_client.append(codec.error_line(b"null", error.code, str(error))[:-1])
            return
        batch = Batch(conversation.to_client.append)
        for member in members:
            before, said = set(books.pending), len(conversation.to_client)
            refusal = refusal_of(member) or self._unreadable(member)
            if refusal is None:
                self.take(member, now)
                for error_said in conversation.to_client[said:]:
                    batch.add([error_said], b"null")
                del conversation.to_client[said:]
            else:
                batch.add([codec.error_line(refusal[0], INVALID_REQUEST, refusal[1])[:-1]], refusal[0])
            for client_id in books.pending.keys() - before:
                batch.expect()
                conversation.batches[client_id] = batch
        batch.seal()

    def _unreadable(self, message: bytes) -> tuple[bytes, str] | None:
        """Say what is wrong with a message the daemon would only answer by itself, outside of the batch."""
        known = messages.read(message)
        if known is None or (known.id is not UNSET and not messages.is_id(known.id)):
            return b"null", "not a JSON-RPC message"
        if known.method is UNSET and (known.id is UNSET or (known.result is UNSET and known.error is UNSET)):
            return b"null", "the message has no method"
        return None

    def _requested(self, request: Request, now: float) -> None:
        conversation, books = self._conversation, self._books
        if request.id in books.pending:
            reason = f"id {request.id.decode()} belongs to a call that is not answered yet"
            conversation.to_client.append(codec.error_line(b"null", INVALID_REQUEST, reason)[:-1])
        elif conversation.link is Link.LIVE:
            books.pending[request.id] = request
            conversation.send(request)
        elif books.has_room(request.line):
            books.pending[request.id] = request
            books.hold(request, now + HOLD)
        else:
            reason = "there is no daemon, and too much waits for one already"
            conversation.to_client.append(messages.refusal(request.id, Code.OVERLOADED, reason, retryable=True))

    def _answered(self, line: bytes, message: codec.Message) -> None:
        """Pass an answer on to whoever asked; a daemon that is gone wants none."""
        if message.id is UNSET or (message.result is UNSET and message.error is UNSET):
            self._pass_on(line)
            return
        answer = self._conversation.asked.answered(line, bytes(message.id))
        if answer is not None and self._conversation.link is not Link.AWAY:
            self._conversation.to_daemon.append(answer)

    def _notified(self, line: bytes, message: codec.Message) -> None:
        live = self._conversation.link is Link.LIVE
        if message.method == messages.CANCELLED:
            self._cancelled(line, message)
        elif message.method == "notifications/initialized":
            self._conversation.memory.initialized = line
            if live:  # else it is said once the handshake is done
                self._conversation.to_daemon.append(line)
        elif live or message.method != "notifications/progress":  # which is about a request of a daemon that is gone
            self._pass_on(line)

    def _cancelled(self, line: bytes, message: codec.Message) -> None:
        """Forget the request, as the daemon will: it is not answered.  A subscription may still get its result."""
        named = messages.params_of(message).request
        request = None if named is UNSET else self._books.pending.get(bytes(named))
        if request.sent if request is not None else self._conversation.link is Link.LIVE:
            self._conversation.to_daemon.append(line)
        if request is None or request.method == INITIALIZE:  # which must not be cancelled
            return
        if request.sent and request.method == LISTEN:
            request.cancelled = True
        else:
            self._books.forget(request)
            batch = self._conversation.batches.pop(request.id, None)
            if batch is not None:
                batch.dropped()

    def _pass_on(self, line: bytes) -> None:
        """Send what has no answer of its own, or keep it for the next daemon."""
        if self._conversation.link is Link.LIVE:
            self._conversation.to_daemon.append(line)
        elif self._books.has_room(line):
            self._books.held.append(line)
