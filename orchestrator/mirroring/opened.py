"""Puts mirroring together for a daemon: the proxy's mirror, the process that compares, and the settings of the moment.

Above: `daemon`.  Below: `live`, `examiner`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from anyio.abc import TaskGroup

from orchestrator.access.key import load_key
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts.state import State
from orchestrator.mirroring.examiner import Examiner
from orchestrator.mirroring.live import Mirroring, bounds_of
from orchestrator.mirroring.messages import Begin
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.rehearsal.redact import known_secrets
from orchestrator.settings import Paths, Settings
from orchestrator.telemetry.logging import get_logger

log = get_logger("mirror")


class LiveMirroring(Mirroring):
    """Mirroring of a running daemon."""

    def __init__(
        self,
        tasks: TaskGroup,
        dispatcher: Dispatcher,
        settings: Callable[[], Settings],
        paths: Paths,
        *,
        environment: Mapping[str, str],
        state: Callable[[], State],
        clock: Clock,
    ) -> None:
        """Build it; nothing is mirrored and nothing runs.

        Args:
            tasks: where the process that compares is followed.
            dispatcher: whose calls are mirrored.
            settings: those in force.
            paths: the daemon's places.
            environment: the daemon's, with its mark.
            state: the rollout's, for the generations.
            clock: the daemon's.
        """
        super().__init__(
            dispatcher,
            bounds_of(settings().mirror),
            fingerprint=self._fingerprint_of,
            learn=lambda: settings().mirror.learn,
            offset=clock.wall() - clock.monotonic(),
        )
        self._settings = settings
        self._paths = paths
        self._environment = environment
        self._state = state
        self._examiner = Examiner(
            tasks,
            environment,
            (paths.state_dir, paths.logs_dir),
            begin=self._begin,
            done=self.judged,
            lost=self.lost,
        )
        self.examine = self._examiner.put
        self.waiting_bytes = lambda: self._examiner.waiting_bytes
        self._in_force = settings().mirror

    def reload(self) -> None:
        """Take over the section `mirror`; a process that compares otherwise begins anew."""
        fresh = self._settings().mirror
        self.mirror.bounds = bounds_of(fresh)
        if fresh != self._in_force:
            self._examiner.restart()
        self._in_force = fresh

    async def close(self) -> None:
        """Mirror nothing more and end the process that compares."""
        self.set(None)
        await self._examiner.close()

    def _fingerprint_of(self, generation: int) -> str:
        known = self._state().generations.get(generation)
        return known.spec.fingerprint if known is not None else ""

    def _begin(self) -> Begin:
        settings = self._settings()
        key = load_key(settings.access.key_file, self._paths.state_dir)
        envs = [dict(one.spec.env) for one in self._state().generations.values()]
        return Begin(
            state_dir=str(self._paths.state_dir),
            key=hmac.new(key, b"what mirroring leaves", "sha256").digest(),
            secrets=known_secrets(dict(self._environment), *envs),
            learn=settings.mirror.learn,
            keep=settings.mirror.keep,
            decisions=dict(settings.mirror.decisions),
            manifest=self._expected(),
        )

    def _expected(self) -> str:
        """Return the text of the expected differences; one that cannot be read excuses nothing."""
        path = self._settings().upgrade.expected
        try:
            return path.read_text() if path is not None else ""
        except OSError as error:
            log.warning("expected differences not used", reason=str(error))
            return ""
