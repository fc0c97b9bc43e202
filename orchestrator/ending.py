"""How a daemon ends: calls in flight finish within a time, or at once when it is asked a second time.

Above: `daemon`.  Below: the proxy, which is drained, and the fleet, which is stopped.
"""

from __future__ import annotations

from typing import Final

import anyio

from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.settings import Settings
from orchestrator.supervision.fleet import Fleet
from orchestrator.telemetry.logging import get_logger

log = get_logger("daemon")

LINGER: Final = 0.1
"""Seconds in which a stopping daemon still answers, with a refusal, what was on its way when the last call ended."""

LAST_SECONDS: Final = 2.0
"""Kept back from `stop.timeout` for closing files and sockets after the workers are gone."""


class Ending:
    """The wish that a daemon ends, and the way there.

    Attributes:
        trouble: why it ends by itself, None while it does not.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._asked = anyio.Event()
        self._hurry = anyio.Event()

    @property
    def is_at_once(self) -> bool:
        """Whether nothing is to be waited for any more."""
        return self._hurry.is_set()

    @property
    def status(self) -> int:
        """The exit status: 0 after an orderly end that somebody asked for."""
        return 1 if self.trouble or self.is_at_once else 0

    def ask(self, actor: str) -> None:
        """Begin to end; asked again, at once."""
        log.info("stop asked", actor=actor, again=self._asked.is_set())
        (self._hurry if self._asked.is_set() else self._asked).set()

    def fail(self, trouble: str) -> None:
        """End without waiting for calls: there is nobody who could answer them."""
        self.trouble = trouble
        self._asked.set()

    async def asked(self) -> None:
        """Wait until it is to end."""
        await self._asked.wait()

    async def drain(self, dispatcher: Dispatcher, fleet: Fleet, settings: Settings) -> None:
        """Let the calls in flight finish, refuse what is left, and stop all workers.

        Args:
            dispatcher: whose calls.
            fleet: whose workers.
            settings: how long that may take in all (`stop.timeout`) and for a worker alone (`worker.stop_grace`).
        """
        grace = settings.worker.stop_grace
        seconds = max(0.0, settings.stop.timeout - grace.close_stdin - grace.terminate - LAST_SECONDS)
        log.info("stopping", in_flight=len(dispatcher.ledger.open), drain=seconds)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cut_short, tasks.cancel_scope)
            with anyio.move_on_after(0.0 if self.trouble else seconds):
                await dispatcher.ledger.drained()
                await anyio.sleep(LINGER)
            dispatcher.abandon("the daemon stops")
            for session in list(dispatcher.sessions.values()):
                session.close()
            await fleet.stop(drain=0)
            tasks.cancel_scope.cancel()

    async def _cut_short(self, scope: anyio.CancelScope) -> None:
        await self._hurry.wait()
        scope.cancel()
