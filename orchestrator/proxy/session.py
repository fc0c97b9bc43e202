"""A client's session: a plain value, and what every door it may have come in by has in common.

The value outlives any worker and can be written down; the transport is a subclass's affair (`socket_session`).
Above: a door hands in messages.  Below: `intake`, the owner, takes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import UNSET

from orchestrator.domain.access import NOBODY
from orchestrator.domain.errors import INVALID_REQUEST, PARSE_ERROR
from orchestrator.proxy import codec
from orchestrator.proxy.batch import BatchError, is_batch, messages_in, refusal_of
from orchestrator.proxy.naming import id_at_ends
from orchestrator.proxy.questions import Questions
from orchestrator.proxy.session_value import SessionValue
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    from orchestrator.proxy.ledger import Call

log = get_logger("proxy")

NUMBER_OR_STRING = frozenset(b'"-0123456789')
"""First bytes of the ids JSON-RPC allows."""


class SessionOwner(Protocol):
    """Who takes a session's messages (the dispatcher)."""

    def opened(self, session: Session) -> str | None:
        """A client connected; the answer is the reason to refuse it, None to welcome it."""
        ...

    def requested(
        self, session: Session, written_id: bytes, method: str, params: codec.Params, tail: bytes | memoryview
    ) -> None:
        """A client sent a request.

        Args:
            session: who.
            written_id: the id exactly as the client wrote it.
            method: the JSON-RPC method.
            params: what routing reads of the parameters.
            tail: the request from after its id on (see `codec.plain_call`).
        """
        ...

    def notified_by(self, session: Session, message: codec.Message) -> None:
        """A client sent a notification."""
        ...

    def replied(self, session: Session, message: codec.Message) -> None:
        """A client answered what a worker had asked it."""
        ...

    def closed(self, session: Session) -> None:
        """A client is gone."""
        ...


class Session(ABC):
    """One client, whatever it is connected by.

    Attributes:
        value: the serialisable part.
        key: what its calls stick by unless they name a key themselves.
        questions: what workers of its own asked it and it has not answered.
        subject: whose bearer token its client has shown, "" for none.
        caller: the same with what its token carries; nobody without one.
        parked: whether its worker was stopped because it was idle.
        shown: the digests of the lists its own worker showed last, None before it had one.
        calls: its calls that are not answered yet, by their ids as the client wrote them.
    """

    def __init__(self, value: SessionValue, owner: SessionOwner) -> None:
        """Build a session whose messages go to `owner`."""
        self.value = value
        self.key = value.key or value.id
        self.subject = ""
        self.parked = False
        self.shown: dict[str, bytes] | None = None
        self.caller = NOBODY
        self.calls: dict[bytes, Call] = {}
        self.questions = Questions()
        self._owner = owner

    def hand_to(self, owner: SessionOwner) -> None:
        """Have somebody else take its messages from now on."""
        self._owner = owner

    # --- what a door provides -----------------------------------------------------------------

    @abstractmethod
    def put(self, line: bytes, of: bytes | None = None) -> None:
        """Send a message (newline included); `of` is the id of the client's call it belongs to, if to any."""

    @abstractmethod
    def answer(self, line: bytes, client_id: bytes) -> None:
        """Send a worker's answer (its line, without newline) under the client's own id."""

    @abstractmethod
    def block(self) -> None:
        """Stop reading this client because the worker it calls does not keep up."""

    @abstractmethod
    def unblock(self) -> None:
        """Go on reading."""

    @abstractmethod
    def close(self) -> None:
        """Hang up after what has been written is sent."""

    @abstractmethod
    def take_members(self, members: list[bytes]) -> None:
        """Take the messages of a batch by `take_member`, and see to it that their answers go out together."""

    def noticed(self, message: codec.Message) -> None:  # noqa: B027 - not every door has something to do
        """Look at a notification after it has taken effect."""

    # --- what all doors share -----------------------------------------------------------------

    def complain(self, code: int, reason: str, written: bytes = b"null") -> None:
        """Answer a message that cannot be taken; `written` is its id as far as it has one that can be named."""
        self.put(codec.error_line(written, code, reason))

    def nameable(self, head: bytes, tail: bytes) -> bytes:
        """Find the id under which an unreadable line may be answered, so that nobody waits for its own time-out.

        An id that is in use has its one answer still to come; it is not named.
        """
        written = id_at_ends(head, tail)
        return b"null" if written is None or written in self.calls else written

    def take(self, line: bytes) -> None:
        """Read one message of the client and hand it on; nonsense is answered, never ignored."""
        plain = codec.plain_call(line)
        if plain is not None:
            written, params, tail = plain
            self._owner.requested(self, written, codec.CALL, params, tail)
            return
        try:
            request = codec.decode_request(line)
        except (msgspec.MsgspecError, RecursionError):
            self._odd_line(line)
            return
        if request.id is UNSET or request.method is UNSET:
            self._odd_line(line)
            return
        written = bytes(request.id)
        if written[0] in NUMBER_OR_STRING:
            known = codec.NO_PARAMS if request.params is UNSET else request.params
            self._owner.requested(self, written, request.method, known, codec.tail_of(line))
        else:
            self._bad_id()

    def _odd_line(self, line: bytes) -> None:
        """Handle what is no plain request: a notification, an answer, unusual parameters, or nonsense."""
        try:
            message = codec.decode_message(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            self._bad_line(line, error)
            return
        if message.method is UNSET:
            self._no_method(message)
        elif message.id is UNSET:
            self._owner.notified_by(self, message)
            self.noticed(message)
        elif bytes(message.id)[0] in NUMBER_OR_STRING:
            tail = codec.request_tail(message.method, message.params)
            known = codec.lenient_params(message.params)
            self._owner.requested(self, bytes(message.id), message.method, known, tail)
        else:
            self._bad_id()

    def _bad_id(self) -> None:
        self.complain(INVALID_REQUEST, "a request's id is a string or a number")

    def _bad_line(self, line: bytes, error: Exception) -> None:
        if is_batch(line):
            self._batched(line)
            return
        written = self.nameable(line, line)
        if isinstance(error, RecursionError):
            self.complain(PARSE_ERROR, "the line is nested too deeply to be read", written)
        elif isinstance(error, msgspec.ValidationError):
            self.complain(INVALID_REQUEST, f"not a JSON-RPC message: {error}", written)
        else:
            self.complain(PARSE_ERROR, f"the line is not JSON: {error}", written)

    def _batched(self, line: bytes) -> None:
        """Take a batch, where the session's version has them."""
        try:
            members = messages_in(line, self.value.version)
        except BatchError as error:
            self.complain(error.code, str(error))
        else:
            self.take_members(members)

    def take_member(self, message: bytes) -> None:
        """Take one message of a batch."""
        refusal = refusal_of(message)
        if refusal is None:
            self.take(message)
        else:
            named, reason = refusal
            known = named[0] in NUMBER_OR_STRING and named not in self.calls
            self.complain(INVALID_REQUEST, reason, named if known else b"null")

    def _no_method(self, message: codec.Message) -> None:
        """Handle a message that is no request: an answer to what a worker asked, or no message at all."""
        if message.id is not UNSET and (message.result is not UNSET or message.error is not UNSET):
            self._owner.replied(self, message)
            return
        named = b"null" if message.id is UNSET else bytes(message.id)
        answerable = named[0] in NUMBER_OR_STRING and named not in self.calls
        self.complain(INVALID_REQUEST, "the message has no method", named if answerable else b"null")
