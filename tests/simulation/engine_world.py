"""A daemon without processes or files: the real engine over stores in memory, a router and a fleet that only note.

What lies in `Stores` outlives a crash; a `Life` is the daemon from start to crash or stop.  A `Fuse` counts every call
of a port and blows at the n-th, which is how a test kills the daemon between any two effects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Moved
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.engine.driver import Answer, Driver
from orchestrator.engine.executor import Executor
from orchestrator.engine.recovery import recover, resume
from state.errors import StorageFullError
from state.memory import IN_MEMORY, MemoryDesiredState, MemoryJournal

BOUND = 60.0
"""Seconds that one test's waiting may take before it fails."""


class CrashError(BaseException):
    """The daemon is killed here: nothing may catch it."""


@dataclass
class Fuse:
    """Notes every call of a port in order, and blows at the n-th; 0 never."""

    at: int = 0
    blast: type[BaseException] = CrashError
    trace: list[str] = field(default_factory=list)
    burnt: asyncio.Event = field(default_factory=asyncio.Event)

    def burn(self, what: str) -> None:
        self.trace.append(what)
        self.burnt.set()
        if len(self.trace) == self.at:
            raise self.blast(f"killed at port call {self.at}: {what}")


@dataclass
class Disk:
    """Whether the stores can be written."""

    full: bool = False

    def before_write(self, _number: int) -> None:
        if self.full:
            raise StorageFullError(IN_MEMORY, "the disk is full (injected)")


class Stores:
    """What outlives a crash."""

    def __init__(self) -> None:
        self.clock = CountingClock()  # time does not go back for a crash
        self.journal_disk, self.desired_disk = Disk(), Disk()
        self.journal = MemoryJournal(before_write=self.journal_disk.before_write)
        self.desired = MemoryDesiredState(before_write=self.desired_disk.before_write)


class FusedJournal:
    """The journal, with a place to die before and after each write."""

    def __init__(self, inner: MemoryJournal, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    async def append(self, record: str) -> int:
        self._fuse.burn("journal: write")
        seq = await self._inner.append(record)
        self._fuse.burn("journal: written")
        return seq

    async def last(self) -> str | None:
        self._fuse.burn("journal: read")
        return await self._inner.last()


class FusedDesired:
    """The desired state, with a place to die before and after each write."""

    def __init__(self, inner: MemoryDesiredState, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    async def get(self, key: str) -> Any:
        self._fuse.burn("desired: read")
        return await self._inner.get(key)

    async def range(self, prefix: str) -> Sequence[Any]:
        self._fuse.burn("desired: read")
        return await self._inner.range(prefix)

    async def txn(self, *args: Any, **kwargs: Any) -> int | None:
        self._fuse.burn("desired: write")
        revision = await self._inner.txn(*args, **kwargs)
        self._fuse.burn("desired: written")
        return revision


class NotedRouter:
    """Where the table takes effect: keeps the newest, and every one it was given."""

    def __init__(self, fuse: Fuse) -> None:
        self.table = RoutingTable()
        self.given: list[RoutingTable] = []
        self._fuse = fuse

    def replace(self, table: RoutingTable) -> RoutingTable:
        self._fuse.burn(f"route: {table.revision}")
        replaced = self.table
        self.given.append(table)
        if table.revision >= replaced.revision:
            self.table = table
        return replaced


class NotedFleet:
    """The processes, as numbers."""

    def __init__(self, fuse: Fuse) -> None:
        self.running: set[int] = set()
        self.retired: set[int] = set()
        self._fuse = fuse

    def start(self, generation: Generation) -> None:
        self._fuse.burn(f"start: {generation.number}")
        self.running.add(generation.number)

    def retire(self, number: int) -> None:
        self._fuse.burn(f"retire: {number}")
        self.running.discard(number)
        self.retired.add(number)


class NotedConductor:
    """A rollout's wishes, noted; what they come to is told by whoever tells the story.

    Attributes:
        cut: (rollout, generation that hands the state over, the one that takes it, whether what was written is kept).
    """

    def __init__(self, fuse: Fuse, fleet: NotedFleet) -> None:
        self.cut: tuple[str, int, int, bool] | None = None
        self._fleet = fleet
        self.watch: Watch | None = None
        self.mirror: Lane | None = None
        self.rehearsing: str | None = None
        self.hold: Hold | None = None
        self.moved: tuple[Moved, ...] = ()
        self.resetting: tuple[str, ...] = ()
        self._fuse = fuse

    def observe(self, watch: Watch | None, mirror: Lane | None) -> None:
        self._fuse.burn(f"observe: {watch and watch.epoch}")
        self.watch, self.mirror = watch, mirror

    def rehearse(self, rollout: str, spec: Spec) -> None:
        self._fuse.burn(f"rehearse: {rollout} {spec.fingerprint}")
        self.rehearsing = rollout

    def cancel_rehearsal(self, rollout: str) -> None:
        self._fuse.burn(f"cancel rehearsal: {rollout}")
        self.rehearsing = None

    def ask(self, rollout: str, hold: Hold | None) -> None:
        self._fuse.burn(f"ask: {rollout}")
        self.hold = hold

    def move_flags(self, rollout: str, moved: Sequence[Moved]) -> None:
        self._fuse.burn(f"move flags: {rollout}")
        self.moved = tuple(moved)

    def reset_flags(self, rollout: str, flags: Sequence[str]) -> None:
        self._fuse.burn(f"reset flags: {rollout}")
        self.resetting = tuple(flags)

    def cut_over(self, rollout: str, old: int, new: int) -> None:
        self._fuse.burn(f"cut over: {old} {new}")
        self._cut(rollout, old, new)

    def cut_back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:
        self._fuse.burn(f"cut back: {new} {old}")
        self._cut(rollout, new, old, aside=aside)

    def _cut(self, rollout: str, stops: int, starts: int, *, aside: bool = False) -> None:
        """Have one version run, and no other."""
        self.cut = (rollout, stops, starts, aside)
        self._fleet.running -= {stops}
        self._fleet.running.add(starts)


class CountingClock:
    """A clock that moves on by a second each time somebody looks."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def wall(self) -> float:
        self.now += 1
        return self.now

    monotonic = wall


class Life:
    """One life of the daemon over stores that may have seen lives before."""

    def __init__(self, stores: Stores, fuse: Fuse | None = None) -> None:
        self.fuse = fuse or Fuse()
        self.journal = FusedJournal(stores.journal, self.fuse)
        self.desired = FusedDesired(stores.desired, self.fuse)
        self.router, self.fleet = NotedRouter(self.fuse), NotedFleet(self.fuse)
        self.conductor = NotedConductor(self.fuse, self.fleet)
        self.clock = stores.clock
        self.steps: list[tuple[ev.Event, State, State]] = []
        self.driver: Driver

    async def begin(self) -> asyncio.Task[None]:
        """Recover, make the world fit, and return the task that decides events."""
        state = await recover(self.journal, self.desired)
        executor = Executor(self.router, self.fleet, self.desired, self.conductor)
        self.driver = Driver(state, self.journal, executor, self.clock, lambda *step: self.steps.append(step))
        for order in resume(state):
            await executor.carry_out(order, state)
        return asyncio.create_task(self.driver.run())

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait, call of a port by call of a port, until something holds."""
        while not holds():
            self.fuse.burnt.clear()
            await self.fuse.burnt.wait()

    async def idle(self) -> None:
        """Give the engine more turns of the loop than anything that is due would take."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def ask(self, *events: ev.Event) -> Answer:
        """Submit events one after the other and return the last answer."""
        answers = [await self.driver.submit(event) for event in events]
        return answers[-1]

    @property
    def table(self) -> RoutingTable:
        return self.router.table


@asynccontextmanager
async def living(stores: Stores) -> AsyncIterator[Life]:
    """Run one life until the block ends, within `BOUND`."""
    async with asyncio.timeout(BOUND):
        life = Life(stores)
        task = await life.begin()
        try:
            yield life
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()


def spec(name: str) -> Spec:
    return Spec(("python", f"{name}.py"), "/srv", {"NAME": name}, fingerprint=name)


def canary(name: str, *, replace: bool = False) -> ev.CanaryAsked:
    return ev.CanaryAsked(spec=spec(name), salt=f"salt of {name}", replace=replace, actor="ann")


FOUNDED = ev.Founded(spec("one"))
READY = (ev.GenerationReady(1), ev.GenerationReady(2), ev.GenerationReady(3))
SWITCH, BACK, DROP = ev.SwitchAsked(actor="ann"), ev.SwitchBackAsked(actor="ann"), ev.CanaryDropAsked(actor="ann")
KILL_ON, KILL_OFF = ev.KillSwitchAsked(on=True, actor="ann"), ev.KillSwitchAsked(on=False, actor="ann")


def weight(percent: int) -> ev.WeightAsked:
    return ev.WeightAsked(weight=percent, actor="ann")


WITH_CANARY = (FOUNDED, READY[0], canary("two"), READY[1])
"""What leads to generation 1 active and generation 2 canary."""

SWITCHED = (*WITH_CANARY, SWITCH)
"""What leads to generation 2 active and generation 1 previous and warm."""
