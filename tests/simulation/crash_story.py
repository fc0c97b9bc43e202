"""Scripts of events told to a daemon that is killed at a call of a port, and what has to come back of it.

Above: the crash tests.  Below: `engine_world`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engine_world import Fuse, Life, Stores, living

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.effects import unstarted
from orchestrator.domain.rollouts.rollout import Phase, State
from orchestrator.domain.routing import RoutingTable


@dataclass(frozen=True)
class View:
    """What must survive: everything about routing but the revision's number and the times."""

    table: RoutingTable
    candidate: tuple[int | None, str]
    ready: frozenset[int]
    known: frozenset[int]
    next_number: int
    rollout: tuple[object, ...] = ()

    @classmethod
    def of(cls, state: State) -> View:
        ready = frozenset(n for n, it in state.generations.items() if it.standing is Standing.READY)
        return cls(
            replace(state.table, revision=0),
            (state.candidate, state.candidate_salt),
            ready,
            frozenset(state.generations),
            state.next_number,
            _of_rollout(state),
        )


def _of_rollout(state: State) -> tuple[object, ...]:
    """Return what must survive of a rollout, moments aside: they depend on how often a counting clock was looked at."""
    rollout = state.rollout
    if rollout is None:
        return ()
    cause, paused = rollout.cause, rollout.paused
    return (
        (rollout.id, rollout.phase, rollout.part, rollout.index, rollout.visit, rollout.retreat, rollout.waiting),
        rollout.due is not None,
        rollout.watch,
        rollout.moved,
        None if cause is None else (cause.what, cause.words, cause.by, cause.step, cause.metric, cause.flag),
        None if paused is None else (paused.cause.what, paused.cause.words, paused.over),
        tuple(state.quarantine),
    )


@dataclass
class Told:
    """How far a script has been told.

    Attributes:
        events: the script.
        stores: what outlives each life.
        at: index of the event that is being told.
        up: generations whose process answers, as supervision would report it.
        acknowledged: the table that each answered revision stood for.
        durable: the newest journal record before the event that is being told.
    """

    events: Sequence[ev.Event]
    stores: Stores = field(default_factory=Stores)
    at: int = 0
    up: set[int] = field(default_factory=set)
    acknowledged: dict[int, RoutingTable] = field(default_factory=dict)
    durable: str | None = None

    async def tell(self, life: Life) -> None:
        """Tell the rest, or as much of it as the daemon lives to hear."""
        while self.at < len(self.events):
            self.durable = await self.stores.journal.last()
            event = self.events[self.at]
            if isinstance(event, ev.GenerationReady):
                self.up.add(event.generation)
            elif isinstance(event, ev.GenerationDown | ev.GenerationFailed):
                self.up.discard(event.generation)
            self.check_revision((await life.driver.submit(event)).state.table)
            self.at += 1

    def check_revision(self, table: RoutingTable) -> None:
        """See that a revision is never below an acknowledged one, and never stands for two tables."""
        assert self.acknowledged.setdefault(table.revision, table) == table
        assert table.revision == max(self.acknowledged)


def wanted_of(state: State) -> set[int]:
    """Return who is to run: everybody but the parked, and of two between whom a state is handed over who takes it."""
    rollout = state.rollout
    takes = set[int]()
    if rollout is not None and rollout.is_cutting:
        takes = {rollout.trial if rollout.phase is Phase.PROMOTING else rollout.baseline}
    return set(state.generations) - unstarted(state) | takes


async def without_a_crash(events: Sequence[ev.Event]) -> tuple[list[View], int]:
    """Return the view before all and after each event, and the number of port calls."""
    async with living(Stores()) as life:
        views = [View.of(life.driver.state)]
        for event in events:
            await life.ask(event)
            views.append(View.of(life.driver.state))
        return views, len(life.fuse.trace)


async def killed(told: Told, at: int, blast: type[BaseException]) -> bool:
    """Live one life and tell on; return whether the fuse blew at port call `at` before the script's end."""
    life = Life(told.stores, Fuse(at, blast))
    begun = asyncio.ensure_future(life.begin())
    await asyncio.wait([begun])
    if begun.cancelled() or begun.exception() is not None:
        return True
    deciding, telling = begun.result(), asyncio.create_task(told.tell(life))
    await asyncio.wait([deciding, telling], return_when=asyncio.FIRST_COMPLETED)
    blew = deciding.done()
    for task in (deciding, telling):
        task.cancel()
    await asyncio.wait([deciding, telling])
    if not telling.cancelled():
        telling.result()
    return blew


async def come_back(told: Told, life: Life, views: Sequence[View]) -> None:
    """Have the processes answer again; routing must be as after the event cut short, or as if it had never come."""
    durable = await told.stores.journal.last() != told.durable
    for table in life.router.given:
        assert told.acknowledged.get(table.revision, table) == table
    for number in sorted(life.fleet.running & told.up):
        await life.ask(ev.GenerationReady(number))
    found = View.of(life.driver.state)
    before, after = (replace(view, ready=found.ready) for view in views[told.at : told.at + 2])
    assert found in ([after] if durable else [before, after])
    assert found.ready == told.up & life.fleet.running
    assert life.fleet.running == wanted_of(life.driver.state)
    assert life.table == life.driver.state.table
    told.check_revision(life.table)
    told.at += found == after


async def killed_then_told_to_the_end(
    events: Sequence[ev.Event], views: Sequence[View], at: Sequence[int], blast: type[BaseException]
) -> None:
    """Kill one life after the other at these port calls, then check what comes back and how the script ends."""
    told = Told(events)
    for call in at:
        assert await killed(told, call, blast)
    async with living(told.stores) as life:
        await come_back(told, life, views)
        await told.tell(life)
        assert View.of(life.driver.state) == views[-1]
        assert life.fleet.running == wanted_of(life.driver.state)
        assert life.table == life.driver.state.table
