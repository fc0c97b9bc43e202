"""The daemon killed at every call of a port, before and after each write and effect: what it comes back with.

A script of events is told once without a crash, which gives the lanes after each event.  Then it is told again for each
port call n, killed there, recovered from the same stores with new processes, and told to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from engine_world import (
    BACK,
    DROP,
    FOUNDED,
    KILL_OFF,
    KILL_ON,
    READY,
    SWITCH,
    SWITCHED,
    WITH_CANARY,
    CrashError,
    Fuse,
    Life,
    Stores,
    canary,
    living,
    weight,
)

from orchestrator.domain import events as ev
from orchestrator.domain.generation import Standing
from orchestrator.domain.rollout import State
from orchestrator.domain.routing import RoutingTable

pytestmark = pytest.mark.requirement("ENG-3")

SCRIPTS: dict[str, tuple[ev.Event, ...]] = {
    "there and back": (*WITH_CANARY, weight(25), SWITCH, KILL_ON, KILL_OFF, BACK, weight(60), SWITCH),
    "a third one": (*SWITCHED, canary("three"), READY[2], weight(10), SWITCH, BACK, DROP),
    "replaced": (*WITH_CANARY, weight(40), canary("three", replace=True), KILL_ON, READY[2], KILL_OFF, SWITCH),
    "given up": (*SWITCHED, canary("three"), KILL_ON, DROP, KILL_OFF, BACK, weight(0)),
    "a canary that fails": (*WITH_CANARY[:3], ev.GenerationFailed(2, "no such file"), canary("three"), READY[2]),
    "a canary lost": (*WITH_CANARY, weight(50), ev.GenerationFailed(2, "it loops"), canary("three"), READY[2]),
    "a third one beside a retreat": (*SWITCHED, canary("three"), READY[2], weight(30), BACK),
    "active lost": (*SWITCHED, ev.GenerationDown(2, "it crashed"), ev.GenerationFailed(2, "it loops"), canary("three")),
    "previous lost": (*SWITCHED, ev.GenerationDown(1, "it crashed"), KILL_ON, ev.GenerationFailed(1, "it loops")),
    "refounded": (FOUNDED, ev.GenerationFailed(1, "no such file"), replace(FOUNDED), READY[1], canary("three")),
}


@dataclass(frozen=True)
class View:
    """What must survive: everything about routing but the revision's number and the times."""

    table: RoutingTable
    candidate: tuple[int | None, str]
    ready: frozenset[int]
    known: frozenset[int]
    next_number: int

    @classmethod
    def of(cls, state: State) -> View:
        ready = frozenset(n for n, it in state.generations.items() if it.standing is Standing.READY)
        return cls(
            replace(state.table, revision=0),
            (state.candidate, state.candidate_salt),
            ready,
            frozenset(state.generations),
            state.next_number,
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
    assert found.ready == told.up & found.known
    assert life.fleet.running == found.known
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
        assert life.fleet.running == views[-1].known
        assert life.table == life.driver.state.table


@pytest.mark.parametrize("blast", [CrashError, asyncio.CancelledError])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_killed_at_any_port_call_it_comes_back_with_the_same_routing_and_goes_on(
    script: str, blast: type[BaseException]
) -> None:
    events = SCRIPTS[script]
    views, calls = await without_a_crash(events)
    for call in range(1, calls + 1):
        try:
            await killed_then_told_to_the_end(events, views, [call], blast)
        except AssertionError as error:
            raise AssertionError(f"{script}, killed at port call {call} of {calls}") from error


async def test_killed_again_at_any_port_call_of_its_recovery_it_still_comes_back_the_same() -> None:
    events = SCRIPTS["given up"]
    views, calls = await without_a_crash(events)
    for call in range(30, calls + 1, 3):
        told = Told(events)
        assert await killed(told, call, CrashError)
        recovering = Life(told.stores)
        (await recovering.begin()).cancel()
        for again in range(1, len(recovering.fuse.trace) + 1):
            await killed_then_told_to_the_end(events, views, [call, again], CrashError)
