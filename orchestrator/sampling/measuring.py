"""Samples in the daemon: who makes them, who is told, what is kept, what others post.

Above: `daemon`, and the control plane through `api.samples`.  Below: the rest of this room, the proxy's tap, the fleet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from orchestrator.access.key import load_key
from orchestrator.api.sample_models import Kept, Posted, Taken
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.evidence.sample_lines import header, line
from orchestrator.domain.evidence.samples import Origin
from orchestrator.domain.ports import Clock
from orchestrator.domain.routing import RoutingTable
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.sampling import EVERY
from orchestrator.sampling.bus import SampleBus
from orchestrator.sampling.error_lines import ErrorLines
from orchestrator.sampling.keeping import Keeping
from orchestrator.sampling.patrol import Patrol
from orchestrator.sampling.posted import Measured, samples_of
from orchestrator.sampling.prometheus import PrometheusPoller
from orchestrator.sampling.rows import Pseudonyms, told_by
from orchestrator.settings import Paths, Settings
from orchestrator.storage import open_samples
from orchestrator.supervision.fleet import Fleet
from state.errors import StorageError
from state.sample_rows import Asked, Row, SummaryRow

FOLLOW: Final = 1.0
"""Seconds between two looks at whether the machine was suspended."""
SLACK: Final = 0.01
"""Seconds that the two clocks, read one after the other, may differ by for no reason."""


class Measuring:
    """The daemon's samples.

    Attributes:
        bus: tells everybody; whoever wants samples attaches to it.
        keeping: what is stored.
        prometheus: asks for a plan's queries.
    """

    def __init__(self, settings: Settings, paths: Paths, dispatcher: Dispatcher, fleet: Fleet, clock: Clock) -> None:
        """Put it together; nothing runs yet, but the tap is on.

        Args:
            settings: their sections `samples` and `access`.
            paths: where the file and the daemon's key are.
            dispatcher: whose calls make samples.
            fleet: whose processes are looked at.
            clock: of every sample; its wall clock never steps back.

        Raises:
            SettingsError: the key that hides assignment keys cannot be used.
        """
        self._clock = clock
        secret = load_key(settings.access.key_file, paths.state_dir)
        self.keeping = Keeping(
            lambda: open_samples(paths.state_dir), Pseudonyms(secret), settings.samples, self._clock.wall
        )
        self.bus = SampleBus()
        self._dispatcher = dispatcher
        self._patrol = Patrol(self.bus, lambda: trees(fleet), self._table, self._clock.wall)
        self._error_lines = ErrorLines(self.bus, lambda: fleet.error_lines, self._table, self._clock.wall)
        self.prometheus = PrometheusPoller(self.bus, self._table, self._clock.wall)
        dispatcher.sampling.attach(self.bus, clock.wall() - clock.monotonic())
        self.keeping.on_refill = self.bus.on_change = self._want
        self.bus.attach(self.keeping, idle=False)

    def _table(self) -> RoutingTable:
        return self._dispatcher.table

    def _want(self) -> None:
        """Have the tap make the samples that somebody wants."""
        everything = self.bus.eager or self.keeping.rollout
        self._dispatcher.sampling.wanted = EVERY if everything else self.keeping.idle

    def wants_pairs(self) -> bool:
        """Tell whether anybody wants the next pair of mirrored answers; making one costs more than comparing bytes."""
        return self.bus.eager > 0 or self.keeping.wants_pairs

    # --- one life -----------------------------------------------------------------------------

    def start(self, tasks: TaskGroup) -> None:
        """Begin to store, to look and to ask."""
        keeping = self.keeping
        tasks.start_soon(keeping.run)
        tasks.start_soon(self._follow)
        tasks.start_soon(self._patrol.run, lambda: keeping.settings.process_every)
        tasks.start_soon(self._error_lines.run, lambda: keeping.settings.process_every)
        tasks.start_soon(
            self.prometheus.run,
            lambda: keeping.settings.prometheus_url,
            lambda: keeping.settings.prometheus_every,
        )

    async def _follow(self) -> None:
        """Keep the tap's time in step: a suspended machine's monotonic clock stood still, the steady one went on."""
        while True:
            await anyio.sleep(FOLLOW)
            offset = self._clock.wall() - self._clock.monotonic()
            if offset - self._dispatcher.sampling.offset > SLACK:
                self._dispatcher.sampling.offset = offset

    def reload(self, settings: Settings) -> None:
        """Take over what may change while running; it cannot fail."""
        self.keeping.settings = settings.samples

    async def close(self) -> None:
        """Write what is left; what comes later is counted as dropped."""
        await self.keeping.close()

    @property
    def trouble(self) -> str | None:
        """What is wrong with the file, None in health; with what it cost."""
        trouble, dropped = self.keeping.trouble, self.keeping.counts.dropped
        return f"{trouble} ({dropped} dropped)" if trouble and dropped else trouble

    # --- what the control API asks ------------------------------------------------------------

    def take(self, posted: Sequence[Posted]) -> Taken:
        """Take in what others measured; what cannot be used is left out, with the reason."""
        taken, left_out = 0, []
        for number, one in enumerate(posted):
            try:
                samples = samples_of(Measured(**dict(one)), self._table(), self._clock.wall(), Origin.POSTED)
            except ValueError as error:
                left_out.append(f"{number}: {error}")
                continue
            if not samples:
                left_out.append(f"{number}: no generation holds a lane yet")
                continue
            taken += 1
            for sample in samples:
                self.bus.sample(self._dispatcher.sampling.assigned(sample))
        return Taken(taken=taken, left_out=left_out)

    async def kept(self, since: float) -> Kept:
        """Sum up what is stored.

        Raises:
            RefusedError: the file cannot be read.
        """
        rows: Sequence[SummaryRow] = []
        try:
            rows = await (await self.keeping.store()).summary(since)
        except StorageError as error:
            raise RefusedError(f"there are no samples to sum up: {error}") from error
        counts = self.keeping.counts
        return Kept.of(
            rows,
            stored=counts.stored,
            passed=counts.passed + self._dispatcher.sampling.passed,
            dropped=counts.dropped + self.bus.missed,
            rejected=self._dispatcher.sampling.rejected,
            trouble=self.keeping.trouble,
        )

    async def export(self, since: float, until: float, rollout: str) -> AsyncIterator[bytes]:
        """Return the lines of a file of samples, in pieces, read as they are asked for.

        Raises:
            RefusedError: the file cannot be read.
        """
        await self.keeping.flush()
        try:
            store = await self.keeping.store()
        except StorageError as error:
            raise RefusedError(f"there are no samples to export: {error}") from error
        return _lines(store.export(Asked(since, until, rollout)), self._clock.wall())


async def _lines(pages: AsyncIterator[Sequence[Row]], now: float) -> AsyncIterator[bytes]:
    yield header(now)
    async for page in pages:
        yield b"".join(line(told_by(row)) for row in page)


def trees(fleet: Fleet) -> Mapping[int, Sequence[int]]:
    """Return the process ids at the root of each generation's trees."""
    found: dict[int, list[int]] = {}
    for keeper in (*fleet.keepers.values(), *fleet.others.values()):
        if keeper.process is not None:
            found.setdefault(keeper.generation.number, []).append(keeper.process.pid)
    return found
