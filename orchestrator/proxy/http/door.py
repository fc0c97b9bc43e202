"""The door itself: which session a request is for, and who is still there.

Above: `doors` opens it.  Below: `checks` decide what is served, `handshake` and `stateless` serve it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque

from orchestrator.domain.protocol import Era
from orchestrator.proxy.http import checks, wire
from orchestrator.proxy.http.access import Access
from orchestrator.proxy.http.checks import SESSION
from orchestrator.proxy.http.connection import HttpConnection
from orchestrator.proxy.http.handshake import ENDED, NO_SESSION, HandshakeSession
from orchestrator.proxy.http.ports import Bounds, Connection
from orchestrator.proxy.http.posted import Clerk
from orchestrator.proxy.http.refusal import BAD_REQUEST, Refusal
from orchestrator.proxy.http.request import Request
from orchestrator.proxy.http.stateless import Mirrors, StatelessSession
from orchestrator.proxy.http.streams import RequestStream
from orchestrator.proxy.session import SessionOwner
from orchestrator.proxy.session_value import SessionValue
from orchestrator.telemetry.clock import SystemClock
from orchestrator.telemetry.logging import get_logger

log = get_logger("http")

PATIENCE = 0.1
"""Seconds a request may take before its answer becomes a stream from which a client can resume: most are faster, and a
lost connection costs little before."""
TICK = 1.0
"""Seconds between two looks at what has lasted too long; shorter where a bound is."""


class HttpDoor:
    """Serves all connections; fits `ports.Server` and `handshake.Registry`.

    Attributes:
        bounds: what clients may cost.
        access: who may call.
    """

    def __init__(self, owner: SessionOwner, bounds: Bounds, access: Access, mirrors: Mirrors) -> None:
        """Build a closed door; `owner` takes the sessions' messages."""
        self.bounds = bounds
        self.access = access
        self._clerk = Clerk(owner)
        self._mirrors = mirrors
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._sessions: dict[bytes, HandshakeSession] = {}
        self._stateless: dict[Connection, StatelessSession] = {}
        self._young: deque[tuple[float, RequestStream]] = deque()
        self._young_timer: asyncio.TimerHandle | None = None
        self._tick_timer = self._loop.call_later(self._period, self._tick)

    def connect(self) -> HttpConnection:
        """Make the end of a new connection."""
        return HttpConnection(self)

    def close(self) -> None:
        """End all sessions, and hang up once everything is sent."""
        self._tick_timer.cancel()
        if self._young_timer is not None:
            self._young_timer.cancel()
        for session in list(self._sessions.values()):
            session.close()
        for connection in list(self._connections):
            connection.close()

    # --- the connections' side ----------------------------------------------------------------

    def connected(self, connection: Connection) -> Refusal | None:
        """Welcome a client unless there are too many."""
        self._connections.add(connection)
        limit = self.bounds.connections
        if len(self._connections) <= limit:
            return None
        log.warning("client refused: too many connections", peer=connection.peer, limit=limit)
        reason = f"{limit} connections are open already (http.connections)"
        return Refusal(503, reason, fields=b"Retry-After: 1\r\n")

    def disconnected(self, connection: Connection) -> None:
        """Forget a client, and cancel what ends with its connection."""
        self._connections.discard(connection)
        session = self._stateless.pop(connection, None)
        if session is not None:
            session.lost()

    def screen(self, request: Request) -> Refusal | None:
        """Decide about a request's head."""
        request.limit = self.bounds.body_bytes
        refusal = checks.screen(request, self.access, request.limit)
        origin = request.headers.get(b"origin")
        if origin is not None and (refusal is None or refusal.status not in {403, 421}):
            request.extra = wire.shared_with(origin)
        return refusal

    def serve(self, connection: Connection, request: Request) -> None:
        """Have a request answered by its session."""
        if request.method == b"POST":
            self._post(connection, request)
        elif checks.preflight(request):
            connection.done(200, wire.PREFLIGHT)
        else:
            self._without_body(connection, request)

    def _post(self, connection: Connection, request: Request) -> None:
        if checks.era_of(request) is Era.STATELESS:
            self._post_stateless(connection, request)
            return
        session = self._find(connection, request) if SESSION in request.headers else self._new(request)
        if session is not None:
            session.post(connection, request)

    def _without_body(self, connection: Connection, request: Request) -> None:
        """Answer GET and DELETE."""
        refusal = checks.refuse_version(request)
        if refusal is None and SESSION not in request.headers:
            refusal = NO_SESSION
        if refusal is not None:
            connection.refuse(refusal)
            return
        session = self._find(connection, request)
        if session is None:
            return
        if request.method == b"GET":
            session.listen(connection, request.headers.get(b"last-event-id"))
        else:
            session.close()
            connection.done(200)

    # --- sessions -----------------------------------------------------------------------------

    def registered(self, session: HandshakeSession) -> str | None:
        """Take a session in, unless its owner will not have it."""
        refusal = self._clerk.opened(session)
        if refusal is None:
            self._sessions[session.name] = session
        return refusal

    def dropped(self, session: HandshakeSession) -> None:
        """Forget a session."""
        self._sessions.pop(session.name, None)

    def _find(self, connection: Connection, request: Request) -> HandshakeSession | None:
        """Return the session a request names; a wrong name, or another's, is answered."""
        if SESSION in request.repeated:
            connection.refuse(Refusal(BAD_REQUEST, "the header Mcp-Session-Id comes more than once"))
            return None
        session = self._sessions.get(request.headers[SESSION])
        if session is None or session.subject != request.subject:
            connection.refuse(ENDED)
            return None
        return session

    def _new(self, request: Request) -> HandshakeSession:
        """Make a session that is open once the request proves to be an `initialize`."""
        bytes_kept = self.bounds.event_bytes
        return HandshakeSession(_value(), self._clerk, self, subject=request.subject, event_bytes=bytes_kept)

    def _post_stateless(self, connection: Connection, request: Request) -> None:
        session = self._stateless.get(connection)
        if session is None:
            session = StatelessSession(_value(), self._clerk, connection, self._mirrors)
            reason = self._clerk.opened(session)
            if reason is not None:
                connection.refuse(Refusal(503, reason, fields=b"Retry-After: 1\r\n"))
                return
            self._stateless[connection] = session
        session.post(connection, request)

    # --- time ---------------------------------------------------------------------------------

    def soon(self, stream: RequestStream) -> None:
        """Look at a request again in `PATIENCE` seconds."""
        self._young.append((self._loop.time() + PATIENCE, stream))
        if self._young_timer is None:
            self._young_timer = self._loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        young, now = self._young, self._loop.time()
        while young and young[0][0] <= now:
            young.popleft()[1].prime()
        self._young_timer = self._loop.call_at(young[0][0], self._look) if young else None

    @property
    def _period(self) -> float:
        bounds = self.bounds
        return min(TICK, bounds.header_timeout / 4, bounds.body_timeout / 4, bounds.session_timeout / 4)

    def _tick(self) -> None:
        now = self._loop.time()
        for connection in list(self._connections):
            connection.tick(now)
        for session in list(self._sessions.values()):
            session.tick(now, self.bounds.session_timeout)
        self._tick_timer = self._loop.call_later(self._period, self._tick)


def _value() -> SessionValue:
    return SessionValue(id=uuid.uuid4().hex[:12], opened=SystemClock().wall())
