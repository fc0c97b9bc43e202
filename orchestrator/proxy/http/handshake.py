"""A session of the handshake era over HTTP: named by `Mcp-Session-Id`, and independent of connections.

Above: `door` finds it by its name.  Below: `posted` for what all POSTs have in common, `streams` for what goes back.
"""

from __future__ import annotations

import secrets
from typing import Final, Protocol

from msgspec import UNSET

from orchestrator.domain.errors import Code
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS
from orchestrator.proxy import codec, mcp
from orchestrator.proxy.http.events import EventLog, parse_id
from orchestrator.proxy.http.ports import Connection
from orchestrator.proxy.http.posted import Post, PostedSession, Reply
from orchestrator.proxy.http.refusal import BAD_REQUEST, CANCELLED, HEADER_MISMATCH, NOT_FOUND, Refusal
from orchestrator.proxy.http.request import Request
from orchestrator.proxy.http.streams import LISTENERS, NOTICES, NoticeStream, RequestStream, replay
from orchestrator.proxy.session import SessionOwner
from orchestrator.proxy.session_value import SessionValue

PRIMED: Final = "2025-11-25"
"""First version whose clients know an event without a message, by which a stream can be resumed from its beginning."""

UNUSED: Final = 60.0
"""Seconds after which a session ends whose client has never come back after `initialize`: it probably never heard."""

NO_SESSION: Final = Refusal(BAD_REQUEST, "the header Mcp-Session-Id is missing; the answer to `initialize` has it")
ENDED: Final = Refusal(NOT_FOUND, "there is no such session (any more); begin one with `initialize`")


class Registry(Protocol):
    """Who keeps the sessions (the door)."""

    def registered(self, session: HandshakeSession) -> str | None:
        """A client begins a session; the answer is the reason to refuse it."""
        ...

    def dropped(self, session: HandshakeSession) -> None:
        """A session is over."""
        ...

    def soon(self, stream: RequestStream) -> None:
        """Have `stream.prime` called unless it is done within moments."""
        ...


class HandshakeSession(PostedSession):
    """One client that has shaken hands, or is about to; fits `streams.StreamOwner`.

    Attributes:
        name: `Mcp-Session-Id`; whoever knows it speaks for the client, so it is nowhere logged.
        subject: whose bearer token began it; another's does not reach it.
    """

    def __init__(
        self, value: SessionValue, owner: SessionOwner, registry: Registry, *, subject: str, event_bytes: int
    ) -> None:
        """Build a session that is open once its `initialize` has been taken."""
        super().__init__(value, owner)
        self.name = secrets.token_urlsafe(24).encode()
        self.subject = subject
        self.log = EventLog(event_bytes)
        self.fields = b"Mcp-Session-Id: %b\r\n" % self.name
        self.live: dict[int, RequestStream] = {}
        self._registry = registry
        self._notices = NoticeStream(self)
        self._streams = 0
        self._open = False
        self._used = False
        self._over = False
        self._since: float | None = None

    # --- HTTP's side --------------------------------------------------------------------------

    def post(self, connection: Connection, request: Request) -> None:
        """Take a posted message."""
        self._since = None
        self._used = self._open
        super().post(connection, request)

    def listen(self, connection: Connection, last_event: bytes | None) -> None:
        """Answer a GET: with what belongs to no request, or with the stream that a connection was lost from."""
        self._since = None
        place = (NOTICES, None) if last_event is None else parse_id(last_event)
        if place is None:
            connection.refuse(Refusal(BAD_REQUEST, "the header Last-Event-ID names no event of this session"))
            return
        stream, after = place
        if stream == NOTICES:
            if len(self._notices.connections) >= LISTENERS:
                connection.refuse(Refusal(409, f"this session has {LISTENERS} streams open already; close one"))
            else:
                self._notices.open(connection, after)
        elif stream in self.live:
            self.live[stream].resume(connection, after or 0)
        elif self.log.holds(after or 0):
            replay(connection, self, stream, after or 0)
            connection.end()
        else:
            connection.refuse(Refusal(BAD_REQUEST, "what followed this event is not kept any more"))

    def tick(self, now: float, timeout: float) -> None:
        """End a session nobody has used for `timeout` seconds."""
        if self.replies or self._notices.connections:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since > (timeout if self._used else min(timeout, UNUSED)):
            self.close()

    # --- what is taken ------------------------------------------------------------------------

    def reply_to(self, connection: Connection, request: Request) -> Reply:  # noqa: ARG002 - the other era needs it
        """Make the way back for a request."""
        return RequestStream(self, connection)

    def admit(self, post: Post, written_id: bytes, method: str, params: codec.Params) -> bool:
        """Take a request of this era with an id that is free, and as the first one only `initialize`."""
        meta = params.meta
        if meta is not UNSET and meta.version is not UNSET and meta.version not in HANDSHAKE_VERSIONS:
            reason = "the message's _meta names a version that needs the header MCP-Protocol-Version to say the same"
            return post.refuse(Refusal(BAD_REQUEST, reason, HEADER_MISMATCH, client_id=written_id))
        if written_id in self.replies:
            reason = f"id {written_id.decode()} belongs to a request that is not answered yet"
            return post.refuse(Refusal(BAD_REQUEST, reason))
        stream = post.reply
        if isinstance(stream, RequestStream):
            stream.opening = not self._open
            if self.primed:
                self._registry.soon(stream)
        return self._open or self._begin(post, written_id, method)

    def admit_notice(self, post: Post, message: codec.Message) -> bool:  # noqa: ARG002 - all are alike
        """Take any notification of an open session."""
        return self._open or post.refuse(NO_SESSION)

    def admit_answer(self, post: Post) -> bool:
        """Take an answer likewise."""
        return self._open or post.refuse(NO_SESSION)

    def noticed(self, message: codec.Message) -> None:
        """End the streams of requests that were cancelled: they get no answer, and a POST has to have one."""
        if message.method == "notifications/cancelled":
            for client_id in [each for each in self.replies if each not in self.calls]:
                self._break_off(client_id, "the request was cancelled")

    def _begin(self, post: Post, written_id: bytes, method: str) -> bool:
        if method != mcp.INITIALIZE:
            return post.refuse(NO_SESSION)
        reason = self._registry.registered(self)
        if reason is None:
            self._open = True
            return True
        data = {"reason": reason, "retryable": True, "generation": None}
        said = f"{Code.OVERLOADED.name.lower()}: {reason}"
        return post.refuse(Refusal(503, said, Code.OVERLOADED, data, written_id, b"Retry-After: 1\r\n"))

    # --- the streams' side --------------------------------------------------------------------

    @property
    def primed(self) -> bool:
        """Whether its client knows events without a message; versions sort by date."""
        return self.value.version >= PRIMED

    def next_stream(self) -> int:
        """Give a stream its number."""
        self._streams += 1
        return self._streams

    def stillborn(self) -> None:
        """Forget a session whose `initialize` came to nothing."""
        self.close()

    # --- the proxy's side ---------------------------------------------------------------------

    def put_unbidden(self, line: bytes) -> None:
        """Send a message that belongs to no request."""
        self._notices.send(line.rstrip())

    def close(self) -> None:
        """End the session: its streams, and whatever its client still waits for."""
        if self._over:
            return
        self._over = True
        for client_id in list(self.replies):
            self._break_off(client_id, "the session has ended")
        self._notices.close()
        self._registry.dropped(self)
        if self._open:
            self._owner.closed(self)
        while self._held:
            connection, _ = self._held.popleft()
            connection.refuse(ENDED)

    def _break_off(self, client_id: bytes, reason: str) -> None:
        self.put(codec.error_line(client_id, CANCELLED, reason), client_id)
