"""The tool plane put together: what takes in clients' calls, sends them to workers and brings the answers back.

Above: `daemon` and the joints that move, gate or count calls.  Below: `proxy`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from orchestrator.domain.ports import Clock
from orchestrator.domain.protocol import Era, Place
from orchestrator.in_force import take_over
from orchestrator.proxy.answers import Answers
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.gating import Gating
from orchestrator.proxy.intake import Intake
from orchestrator.proxy.limits import Limits
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.lists import Lists
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.own import OwnIntake
from orchestrator.proxy.session import Session
from orchestrator.proxy.session_value import SessionValue
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.settings import Settings
from orchestrator.telemetry.clock import SystemClock


class ToolPlane:
    """The proxy's parts, which know each other from here on.

    Attributes:
        dispatcher: routes calls.
        movement: has what lasts follow when routing changes.
        gating: keeps tools from those who may not use them.
        intake: takes in what clients say.
        own: takes in what the daemon's own program says.
        answers: takes in what workers say.
        lists: tells sessions of lists that differ.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Put it together on the running loop; nobody is connected."""
        self.dispatcher = Dispatcher(asyncio.get_running_loop(), limits_of(settings), clock.monotonic)
        self.dispatcher.isolated = settings.worker.isolation == "session"
        self.movement = Movement(self.dispatcher)
        self.gating = Gating(self.dispatcher, self.movement)
        self.intake = Intake(self.dispatcher, self.gating)
        self.own = OwnIntake(self.dispatcher, self.gating)
        self.intake.attendant = self.own.of
        self.answers = Answers(self.dispatcher, self.movement, self.gating)
        self.lists = Lists(self.dispatcher, self.movement)
        self._bytes = settings.limits

    def reload(self, settings: Settings) -> None:
        """Take over what may change while running; what is connected keeps its bounds in bytes."""
        take_over(self.dispatcher.limits, limits_of(settings))
        self._bytes = settings.limits

    def session(self) -> SocketSession:
        """Make the end of a client's new connection."""
        value = SessionValue(id=uuid.uuid4().hex[:12], opened=SystemClock().wall())
        bounds = self._bytes
        return SocketSession(value, self.intake, self.dispatcher.turn, bounds.line_bytes, bounds.client_backlog_bytes)

    def link(self, generation: int, on_eof: Callable[[], None], session: Session | None = None) -> WorkerLink:
        """Make the end of a worker's pipes.

        Args:
            generation: whose process it is.
            on_eof: told when it has closed its end.
            session: the one that it serves alone, None where it serves all.
        """
        return WorkerLink(
            generation,
            self.answers,
            self.dispatcher.turn,
            line_bytes=self._bytes.line_bytes,
            backlog_bytes=self._bytes.worker_backlog_bytes,
            on_eof=on_eof,
            session=session,
        )

    def unready(self) -> str | None:
        """Say why calls cannot be served now, None when they can."""
        if self.dispatcher.stopping:
            return "the daemon is stopping"
        active = self.dispatcher.table.active
        if active is None or all(Place(active, era) not in self.dispatcher.links for era in Era):
            return f"the worker of generation {active} is not ready"
        return None

    def forget(self, generation: int) -> None:
        """Drop what is remembered of a retired generation."""
        self.dispatcher.forget(generation)
        self.lists.forget(generation)


def limits_of(settings: Settings) -> Limits:
    """Return the bounds of calls."""
    return Limits(
        call_timeout=settings.limits.call_timeout,
        calls_per_session=settings.limits.calls_per_session,
        sessions=settings.limits.sessions,
        replay_idempotent=settings.replay.idempotent,
        by_call=frozenset(settings.routing.assign_by_call),
    )
