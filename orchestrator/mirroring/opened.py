"""Puts mirroring together for a daemon: the proxy's mirror, the process that compares, and the settings of the moment.

Above: `daemon`.  Below: `live`, `examiner`.
"""

from __future__ import annotations

from anyio.abc import TaskGroup

from orchestrator.access.key import Purpose, key_for, load_key
from orchestrator.in_force import InForce
from orchestrator.mirroring.examiner import Examiner
from orchestrator.mirroring.live import Mirroring, bounds_of
from orchestrator.mirroring.messages import Begin
from orchestrator.mirroring.room import share_of
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.rehearsal.redact import known_secrets
from orchestrator.telemetry.logging import get_logger

log = get_logger("mirror")


class LiveMirroring(Mirroring):
    """Mirroring of a running daemon."""

    def __init__(
        self,
        tasks: TaskGroup,
        dispatcher: Dispatcher,
        here: InForce,
    ) -> None:
        """Build it; nothing is mirrored and nothing runs.

        Args:
            tasks: where the process that compares is followed.
            dispatcher: whose calls are mirrored.
            here: the section `mirror`, and the generations there are.
        """
        super().__init__(
            dispatcher,
            bounds_of(here.settings().mirror),
            fingerprint=self._fingerprint_of,
            learn=lambda: here.settings().mirror.learn,
            offset=here.clock.wall() - here.clock.monotonic(),
        )
        self._here = here
        self._examiner = Examiner(
            tasks,
            here.environment,
            (here.paths.state_dir, here.paths.logs_dir),
            begin=self._begin,
            done=self.judged,
            lost=self.lost,
        )
        self.examine = self._examiner.put
        self.waiting_bytes = lambda: self._examiner.waiting_bytes
        self._in_force = here.settings().mirror

    def reload(self) -> None:
        """Take over the section `mirror`; a process that compares otherwise begins anew."""
        fresh = self._here.settings().mirror
        self.mirror.bounds = bounds_of(fresh)
        if fresh != self._in_force:
            self._examiner.restart()
        self._in_force = fresh

    async def close(self) -> None:
        """Mirror nothing more and end the process that compares."""
        self.set(None)
        await self._examiner.close()

    def _fingerprint_of(self, generation: int) -> str:
        known = self._here.state().generations.get(generation)
        return known.spec.fingerprint if known is not None else ""

    def _begin(self) -> Begin:
        settings = self._here.settings()
        key = load_key(settings.access.key_file, self._here.paths.state_dir)
        envs = [dict(one.spec.env) for one in self._here.state().generations.values()]
        return Begin(
            state_dir=str(self._here.paths.state_dir),
            key=key_for(Purpose.MIRRORING, key),
            secrets=known_secrets(dict(self._here.environment), *envs),
            learn=settings.mirror.learn,
            keep=settings.mirror.keep,
            decisions=dict(settings.mirror.decisions),
            manifest=self._expected(),
            seal=key_for(Purpose.REHEARSAL, key),
            waiting=share_of(settings.mirror.queue, settings.mirror.queue_bytes),
        )

    def _expected(self) -> str:
        """Return the text of the expected differences; one that cannot be read excuses nothing."""
        path = self._here.settings().upgrade.expected
        try:
            return path.read_text() if path is not None else ""
        except OSError as error:
            log.warning("expected differences not used", reason=str(error))
            return ""
