"""The exclusive cut-over at work: hold intake, drain, stop the one version, keep the state, start the other, tell.

Two versions never run on one state at a time: whatever runs is stopped before anything is started, and a restored
state is marked before the old version starts on it.  Everything may be begun anew, as after a crash: the marks of
`kept_state` say what is done.  Intake is let go once routing has changed; the machine is told, and decides.  Above:
`conductor`.  Below: the fleet, the dispatcher, `kept_state`, `writes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio

from orchestrator.conducting.kept_state import RESTORED, SERVED, KeptState, prune
from orchestrator.conducting.writes import Writes
from orchestrator.domain.generation import Generation, Standing
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import State
from orchestrator.engine.driver import Answer
from orchestrator.proxy.holding import Holding
from orchestrator.rehearsal.artifacts import SNAPSHOTS
from orchestrator.rehearsal.databases import DatabaseError
from orchestrator.telemetry.logging import get_logger

log = get_logger("rollout")

AGAIN: Final = 2.0
"""Seconds between two tries to bring a state back."""
LOOK_EVERY: Final = 0.05
"""Seconds between two looks whether the old version is ready again."""
COUNT_EVERY: Final = 1.0
"""Seconds between two notes of how many calls may have written: what a kill of the daemon may miss."""


class Engine(Protocol):
    """Who decides."""

    state: State

    def post(self, event: ev.Event) -> None:
        """Report something."""
        ...

    async def submit(self, event: ev.Event) -> Answer:
        """Have something decided; return when it is in force."""
        ...

    async def started(self, number: int) -> str | None:
        """Wait until a generation is ready; return why it will not be, None when it is."""
        ...


class Processes(Protocol):
    """Who runs processes."""

    def start(self, generation: Generation) -> None:
        """Have a serving process run."""
        ...

    async def stop(self, drain: float) -> None:
        """Let every process finish its calls for so many seconds, and return when all are gone."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One way of the state, from one generation to another; back, and with what was written kept aside."""

    rollout: str
    stops: int
    starts: int
    back: bool = False
    aside: bool = False


STOPPED: Final = Job("", 0, 0)
"""What is done once the daemon stops: nothing."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the states are.

    Attributes:
        live: the worker's live state.
        snapshots: the folder of all that is kept.
        keep: how many rollouts' states are kept.
        drain: seconds a worker has to finish its calls.
    """

    live: Callable[[], Path]
    snapshots: Path
    keep: Callable[[], int]
    drain: Callable[[], float]

    @classmethod
    def below(
        cls, state_dir: Path, live: Callable[[], Path], keep: Callable[[], int], drain: Callable[[], float]
    ) -> Places:
        """Return those of a daemon."""
        return cls(live, state_dir / SNAPSHOTS, keep, drain)

    def of(self, rollout: str) -> KeptState:
        """Return what is kept of a rollout."""
        return KeptState(self.snapshots / rollout, self.live())


class CutOver:
    """Hands the state over, one way at a time."""

    def __init__(
        self, engine: Engine, processes: Processes, intake: Holding, *, writes: Writes, places: Places, clock: Clock
    ) -> None:
        """Build it; `run` and `count` do the work."""
        self._engine = engine
        self._processes = processes
        self._intake = intake
        self._writes = writes
        self._places = places
        self._clock = clock
        self._job: Job | None = None
        self._wanted = anyio.Event()
        self._scope = anyio.CancelScope()

    # --- what is asked ------------------------------------------------------------------------

    def over(self, rollout: str, old: int, new: int) -> None:
        """Have `old` hand its state over to `new`."""
        self._begin(Job(rollout, old, new))

    def back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:
        """Have `old` running on its state as it was before; with `aside` the present one is kept, too."""
        self._begin(Job(rollout, new, old, back=True, aside=aside))

    def _begin(self, job: Job) -> None:
        if self._job in {job, STOPPED}:
            return
        self._job = job
        self._intake.hold()
        self._scope.cancel()
        self._wanted.set()

    def stop(self) -> None:
        """Begin nothing more, and let no call wait: the daemon is about to stop, and its next life goes on."""
        self._job = STOPPED
        self._scope.cancel()
        self._intake.refuse("the daemon stops")

    def lost(self) -> str:
        """Say how many calls may have written since the cut-over, "" while nobody counts."""
        return "" if self._writes.generation is None else self._writes.words()

    # --- the work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Work for ever."""
        await self._recover()
        while True:
            await self._wanted.wait()
            self._wanted, job = anyio.Event(), self._job
            if job is None or job is STOPPED:
                continue
            with anyio.CancelScope() as self._scope:
                await (self._back(job) if job.back else self._over(job))
                if self._job is job:
                    self._job = None

    async def _recover(self) -> None:
        """Go on counting for a version that has the state since an earlier life of the daemon."""
        state = self._engine.state
        rollout = state.rollout
        parked = frozenset(n for n, one in state.generations.items() if one.standing is Standing.PARKED)
        self._intake.park(parked)
        if rollout is not None and not rollout.is_over and rollout.snapshot is not None:
            self._writes.count(rollout.trial, self._places.of(rollout.id).written())

    async def _over(self, job: Job) -> None:
        """Hand the state over; what fails before the new version is started is told, the machine then goes back."""
        log.info("cutting over", rollout=job.rollout, old=job.stops, new=job.starts)
        kept = self._places.of(job.rollout)
        try:
            await self._processes.stop(self._places.drain())
            if kept.is_marked(RESTORED):  # the old version may have written since, and the journal could not say so
                self._engine.post(ev.CutOverFailed(job.rollout, "it was given up before the daemon was stopped"))
                return
            await anyio.to_thread.run_sync(prune, self._places.snapshots, self._places.keep() - 1, job.rollout)
            snapshot = await anyio.to_thread.run_sync(kept.take, self._clock.wall())
        except (OSError, ValueError, DatabaseError) as error:
            log.error("state not kept", rollout=job.rollout, reason=str(error))  # noqa: TRY400 - it says it all
            self._engine.post(ev.CutOverFailed(job.rollout, str(error)))
            return
        self._processes.start(self._engine.state.generations[job.starts])
        if await self._engine.started(job.starts) is not None:
            return  # supervision has told the machine, which goes back
        answer = await self._engine.submit(ev.CutOverDone(job.rollout, snapshot.at, snapshot.path))
        if not answer.accepted:
            self._engine.post(ev.CutOverFailed(job.rollout, answer.reason))
            return
        await self._served(job, kept)

    async def _served(self, job: Job, kept: KeptState) -> None:
        """Let calls go to the new version."""
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(kept.note_served, self._clock.wall())
                await anyio.to_thread.run_sync(kept.written, 0)
            except OSError as error:  # the journal has it
                log.warning("cut-over not noted beside the snapshot", rollout=job.rollout, reason=str(error))
        self._writes.count(job.starts)
        self._intake.release(frozenset({job.stops}))
        log.info("cut over", rollout=job.rollout, generation=job.starts)

    async def _back(self, job: Job) -> None:
        """Bring the state back, however often that has to be tried: nothing else can serve; people are told of it."""
        log.info("cutting back", rollout=job.rollout, old=job.starts, new=job.stops)
        while not await self._restored(job):  # noqa: ASYNC110 - a full disk tells nobody of its end
            await anyio.sleep(AGAIN)
        self._say(job, "")
        self._processes.start(self._engine.state.generations[job.starts])
        while not await self._has_gone_back(job):  # noqa: ASYNC110 - it is tried for ever, and tells of no end
            await anyio.sleep(LOOK_EVERY)
        self._writes.end()
        self._intake.release()
        log.info("cut back", rollout=job.rollout, generation=job.starts)

    async def _has_gone_back(self, job: Job) -> bool:
        """Have routing go back once the old version is ready; it may be down again by the time that is decided."""
        old = self._engine.state.generations[job.starts]
        if old.standing is Standing.DOWN:
            self._say(job, f"generation {job.starts} does not come up: {old.note}")
        if old.standing is not Standing.READY:
            return False
        return (await self._engine.submit(ev.CutBackDone(job.rollout))).accepted

    async def _restored(self, job: Job) -> bool:
        kept = self._places.of(job.rollout)
        try:
            await self._processes.stop(self._places.drain())
            if job.aside:
                await anyio.to_thread.run_sync(kept.set_aside, self._clock.wall())
            elif kept.is_marked(SERVED):
                log.error("state left as it is: calls were served since the snapshot", rollout=job.rollout)
                return True
            await anyio.to_thread.run_sync(kept.restore, self._clock.wall())
        except OSError as error:
            log.error("state not brought back yet", rollout=job.rollout, reason=str(error))  # noqa: TRY400
            self._say(job, f"the state cannot be brought back: {error}")
            return False
        return True

    def _say(self, job: Job, reason: str) -> None:
        """Have the machine know what stands in the way back, for people; "" when nothing does."""
        if self._engine.state.under_way.stuck != reason:
            self._engine.post(ev.CutBackStuck(job.rollout, reason))

    # --- the count ----------------------------------------------------------------------------

    async def count(self) -> None:
        """Note how many calls may have written, while that is asked for, for ever."""
        noted = 0
        while True:
            await anyio.sleep(COUNT_EVERY)
            rollout = self._engine.state.rollout
            if self._writes.generation is None or rollout is None:
                continue
            if rollout.is_over:
                self._writes.end()
            elif self._writes.calls != noted:
                noted = self._writes.calls
                try:
                    await anyio.to_thread.run_sync(self._places.of(rollout.id).written, noted)
                except OSError as error:
                    log.warning("count of writes not noted", rollout=rollout.id, reason=str(error))
