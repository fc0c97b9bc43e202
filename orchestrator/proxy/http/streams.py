"""Ways from one session of the handshake era to its client: a request's own, and the one for all that belongs to none.

A request's way is a JSON answer when that comes first and soon, else a stream of events, which outlives the connection
it began on.  Above: `handshake`.  Below: `connection` carries, `events` remembers.
"""

from __future__ import annotations

from typing import Final, Protocol

from orchestrator.proxy.codec import RESULT
from orchestrator.proxy.http import wire
from orchestrator.proxy.http.events import Event, EventLog
from orchestrator.proxy.http.ports import Connection

RETRY: Final = 1000
"""Milliseconds a client should wait before it resumes a stream it has lost."""
LISTENERS: Final = 8
"""Streams one session may have opened by GET at the same time; a client needs one, and a few while it reconnects."""
NOTICES: Final = 0
"""Number of the stream for what belongs to no request; the others count from 1."""


class StreamOwner(Protocol):
    """What the streams of one session share (the session).

    Attributes:
        log: what has been sent as events.
        fields: header lines that every stream of the session carries.
        live: streams of requests that are not answered yet, by number.
    """

    log: EventLog
    fields: bytes
    live: dict[int, RequestStream]

    @property
    def primed(self) -> bool:
        """Whether its client knows events without a message."""
        ...

    def next_stream(self) -> int:
        """Give a stream its number."""
        ...

    def stillborn(self) -> None:
        """The session never came to be: its `initialize` failed, or nobody waits for the answer."""
        ...


class RequestStream:
    """The way back of one request.

    Attributes:
        client_id: the request's id as written, empty until it is known to be a request.
        opening: whether it is the `initialize` that begins the session.
        done: whether it is answered.
    """

    __slots__ = ("_connection", "_number", "_owner", "client_id", "done", "opening")

    def __init__(self, owner: StreamOwner, connection: Connection) -> None:
        self.client_id = b""
        self.opening = False
        self.done = False
        self._owner = owner
        self._connection: Connection | None = connection
        self._number = 0

    def message(self, line: bytes) -> None:
        """Send something that belongs to the request; from here on its answer is a stream."""
        if not self._number and not self._commit():
            return
        event = self._owner.log.add(self._number, line)
        if self._connection is not None:
            self._connection.more(_written(event))

    def finish(self, head: bytes, rest: bytes | memoryview) -> None:
        """Send the answer."""
        self.done = True
        connection, owner = self._connection, self._owner
        failed = self.opening and bytes(rest[: len(RESULT)]) != RESULT
        if self._number:
            event = owner.log.add(self._number, b"".join((head, rest)))
            del owner.live[self._number]
            if connection is not None:
                connection.end(_written(event))
        elif connection is not None:
            fields = wire.JSON + owner.fields if self.opening and not failed else wire.JSON
            connection.answer(200, fields, head, rest)
        if failed:
            owner.stillborn()

    def prime(self) -> None:
        """Become a stream that can be resumed, if there is no answer yet."""
        if not self.done and not self._number:
            self._commit()

    def lost(self, connection: Connection) -> None:
        """Go on without a connection; the request is not cancelled by its loss."""
        if self._connection is connection:
            self._connection = None
            if self.opening and not self.done:
                self._owner.stillborn()

    def quiet(self, connection: Connection) -> None:  # noqa: ARG002 - there is but one
        """Show that the request is alive by beginning the stream."""
        self.prime()

    def resume(self, connection: Connection, after: int) -> None:
        """Go on on another connection, with what was sent after an event first."""
        old, self._connection = self._connection, connection
        if old is not None:
            old.end()
        connection.holder = self
        replay(connection, self._owner, self._number, after)

    def _commit(self) -> bool:
        """Begin the stream; without a connection there is nobody who could ever ask for it."""
        connection, owner = self._connection, self._owner
        if connection is None:
            return False
        self._number = owner.next_stream()
        owner.live[self._number] = self
        first = wire.priming(owner.log.add(self._number, b"").id, RETRY) if owner.primed else b""
        connection.begin(owner.fields, first)
        return True


class NoticeStream:
    """The way for what belongs to no request: the connection opened last by GET, or the log until there is one.

    Attributes:
        connections: those open, oldest first; the last one is spoken to.
    """

    __slots__ = ("_owner", "_told", "connections")

    def __init__(self, owner: StreamOwner) -> None:
        self.connections: list[Connection] = []
        self._owner = owner
        self._told = 0

    def send(self, line: bytes) -> None:
        """Send a message, or keep it for the next one who listens."""
        event = self._owner.log.add(NOTICES, line)
        if self.connections:
            self._told = event.number
            self.connections[-1].more(_written(event))

    def open(self, connection: Connection, after: int | None) -> None:
        """Send on this connection from now on, what was missed first.

        Args:
            connection: the new one.
            after: number of the last event the client has had; None for what nobody has had yet.
        """
        connection.holder = self
        self.connections.append(connection)
        owner = self._owner
        missed = owner.log.after(NOTICES, self._told if after is None else after)
        first = b"".join(map(_written, missed))
        if owner.primed:
            event = owner.log.add(NOTICES, b"")
            first += wire.priming(event.id, RETRY)
        connection.begin(owner.fields, first)
        self._told = max(self._told, missed[-1].number if missed else 0)

    def lost(self, connection: Connection) -> None:
        """Send on the one opened before, if any."""
        self.connections.remove(connection)

    def quiet(self, connection: Connection) -> None:
        """Do nothing: it is a stream from the start."""

    def close(self) -> None:
        """End all."""
        connections, self.connections = self.connections, []
        for connection in connections:
            connection.end()


def replay(connection: Connection, owner: StreamOwner, stream: int, after: int) -> None:
    """Begin a stream on a connection with what another one has carried after an event."""
    connection.begin(owner.fields, b"".join(map(_written, owner.log.after(stream, after))))


def _written(event: Event) -> bytes:
    return wire.event(event.data, event.id)
