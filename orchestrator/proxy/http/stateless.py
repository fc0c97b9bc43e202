"""What one connection's requests of the stateless era have in common: next to nothing, and that they end with it.

Each request says who asks and is answered on its POST alone; the client that closes the connection cancels it.  Above:
`door`.  Below: `posted`; `envelope` and `mirrored` decide what is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from orchestrator.domain.protocol import STATELESS_VERSION
from orchestrator.proxy import codec
from orchestrator.proxy.http import envelope, wire
from orchestrator.proxy.http.checks import VERSION, unsupported
from orchestrator.proxy.http.mirrored import Mirror, disagreement
from orchestrator.proxy.http.ports import Connection
from orchestrator.proxy.http.posted import Post, PostedSession, Reply
from orchestrator.proxy.http.refusal import BAD_REQUEST, HEADER_MISMATCH, Refusal
from orchestrator.proxy.http.request import Request
from orchestrator.proxy.session import SessionOwner
from orchestrator.proxy.session_value import SessionValue

Mirrors = Callable[[str, str], tuple[Mirror, ...]]
"""Tells which arguments a tool has mirrored as headers, for an assignment key and the tool's name."""


class StatelessReply:
    """The way back of one request: JSON with the status its outcome has, or events once something comes before it."""

    __slots__ = ("_connection", "_streaming", "client_id")

    def __init__(self, connection: Connection) -> None:
        self.client_id = b""
        self._connection = connection
        self._streaming = False

    def message(self, line: bytes) -> None:
        """Send something that belongs to the request."""
        if self._streaming:
            self._connection.more(wire.event(line))
        else:
            self._streaming = True
            self._connection.begin(b"", wire.event(line))

    def finish(self, head: bytes, rest: bytes | memoryview) -> None:
        """Send the answer."""
        if self._streaming:
            self._connection.end(wire.event(b"".join((head, rest))))
        else:
            self._connection.answer(envelope.status_of(rest), wire.JSON, head, rest)

    def lost(self, connection: Connection) -> None:
        """Do nothing: the session ends with the connection, and that cancels the request."""

    def quiet(self, connection: Connection) -> None:
        """Begin the stream, so that something can be said at all."""
        self._streaming = True
        connection.begin(b"", wire.KEEP_ALIVE)


class StatelessSession(PostedSession):
    """The requests of one connection."""

    def __init__(self, value: SessionValue, owner: SessionOwner, connection: Connection, mirrors: Mirrors) -> None:
        """Build a session that lives as long as its connection."""
        super().__init__(value, owner)
        self._connection = connection
        self._mirrors = mirrors

    def reply_to(self, connection: Connection, request: Request) -> Reply:  # noqa: ARG002 - the other era needs it
        """Make the way back for a request."""
        return StatelessReply(connection)

    def admit(self, post: Post, written_id: bytes, method: str, params: codec.Params) -> bool:
        """Take a request that holds what it must, and whose headers say the same."""
        request = post.request
        known = envelope.params_of(request.body)
        refusal = envelope.refuse(request, method, written_id, known)
        if refusal is None:
            self.subject = request.subject
            self.key = request.subject or self._sender(known)
            refusal = self._unmirrored(request, method, written_id, known, params)
        return refusal is None or post.refuse(refusal)

    def admit_notice(self, post: Post, message: codec.Message) -> bool:  # noqa: ARG002 - none has a meaning here
        """Accept and drop it: this era has no notifications from clients over HTTP."""
        version = post.request.headers[VERSION]
        return post.refuse(unsupported(version)) if version != STATELESS_VERSION.encode() else False

    def admit_answer(self, post: Post) -> bool:
        """Refuse it: this era's servers ask nothing."""
        return post.refuse(Refusal(BAD_REQUEST, "an answer was posted, and this version's servers send no requests"))

    def put_unbidden(self, line: bytes) -> None:
        """Drop what belongs to no request: this era hears of it by `subscriptions/listen` alone."""

    def close(self) -> None:
        """Hang up after what has been written is sent."""
        self._connection.close()

    def lost(self) -> None:
        """Cancel what the client has not waited for."""
        self.replies.clear()
        self._owner.closed(self)

    def _sender(self, params: envelope.Params) -> str:
        """Return what a sender without a token is told apart by: who it says it is, and from where."""
        meta = params.meta
        client = b"" if meta is UNSET or meta.client is UNSET else bytes(meta.client)
        return f"{self._connection.peer} {client.decode()}"

    def _unmirrored(
        self, request: Request, method: str, written_id: bytes, known: envelope.Params, params: codec.Params
    ) -> Refusal | None:
        """Refuse a call whose mirrored arguments and headers differ."""
        if method != codec.CALL or params.name is UNSET:
            return None
        key = self.key if params.meta is UNSET or params.meta.key is UNSET else params.meta.key
        expected = self._mirrors(key, params.name)
        if not expected:
            return None
        arguments: Any = None if known.arguments is UNSET else msgspec.json.decode(known.arguments)
        twice = next((mirror.header.decode() for mirror in expected if mirror.header in request.repeated), None)
        wrong = f"the header {twice} comes more than once" if twice else None
        wrong = wrong or disagreement(expected, arguments, request.headers)
        return None if wrong is None else Refusal(BAD_REQUEST, wrong, HEADER_MISMATCH, client_id=written_id)
