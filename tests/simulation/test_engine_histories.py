"""Random lives: any events, disks that fill and empty, and kill -9 anywhere, told to a daemon that has to come back.

What it comes back with is never older than the last change that was acknowledged while a store could hold it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from engine_world import (
    BACK,
    BOUND,
    DROP,
    KILL_OFF,
    KILL_ON,
    READY,
    SWITCH,
    SWITCHED,
    WITH_CANARY,
    Fuse,
    Life,
    Stores,
    canary,
    spec,
    weight,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State, Step, step
from orchestrator.domain.routing import RoutingTable

THREE = (*SWITCHED, canary("three"), READY[2])
LANES = st.sampled_from(["active", "canary", "previous", "candidate"])


@dataclass(frozen=True)
class Asks:
    event: ev.Event


@dataclass(frozen=True)
class Reports:
    """Supervision speaks of whoever is there now."""

    kind: Callable[[int], ev.Event]
    place: str


@dataclass(frozen=True)
class Fills:
    """A disk fills, or has space again."""

    journal: bool
    desired: bool


@dataclass(frozen=True)
class Dies:
    """kill -9 at the n-th port call from now; 0 is now."""

    at: int


Happening = Asks | Reports | Fills | Dies


def failed(number: int) -> ev.Event:
    return ev.GenerationFailed(number, "it loops")


def down(number: int) -> ev.Event:
    return ev.GenerationDown(number, "it crashed")


ASKS = st.builds(
    Asks,
    st.one_of(
        st.sampled_from([canary("b"), canary("b"), canary("c", replace=True), SWITCH, BACK, DROP, KILL_ON, KILL_OFF]),
        st.sampled_from([weight(0), weight(30), ev.Founded(spec("z"))]),
    ),
)
REPORTS = st.builds(Reports, st.sampled_from([ev.GenerationReady, ev.GenerationReady, down, failed]), LANES)
BEGINS = st.just(Reports(ev.GenerationReady, "candidate"))
HAPPENINGS = st.one_of(
    ASKS, ASKS, REPORTS, BEGINS, st.builds(Fills, st.booleans(), st.booleans()), st.builds(Dies, st.integers(0, 12))
)


def routed(state: State) -> dict[str, Any]:
    """Return what has to survive."""
    table = replace(state.table, revision=0, previous_warm=False)
    return {"table": table, "candidate": state.candidate, "known": set(state.generations), "next": state.next_number}


@dataclass
class History:
    """A daemon, its stores, and what it may come back with."""

    stores: Stores = field(default_factory=Stores)
    fuse: Fuse = field(default_factory=Fuse)
    states: list[State] = field(default_factory=lambda: [State()])
    """The state after the last durable change, and after each one since."""
    tables: dict[int, RoutingTable] = field(default_factory=dict)
    """What each revision stood for, as far as a store held it."""

    async def begin(self) -> None:
        """Start a life, and see that it goes on from a state that is not too old."""
        self.fuse = Fuse()
        self.life = Life(self.stores, self.fuse)
        self.task = await self.life.begin()
        state = self.life.driver.state
        assert routed(state) in [routed(known) for known in self.states]
        assert all(it.standing is Standing.STARTING for it in state.generations.values())
        assert self.life.fleet.running == set(state.generations)
        for revision, table in self.tables.items():
            assert revision < state.table.revision or table == state.table
        self.states = [state]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def happens(self, event: ev.Event) -> None:
        """Tell an event; when the daemon dies over it, it may or may not have come."""
        before = self.life.driver.state
        asked = asyncio.create_task(self.life.driver.submit(event))
        await asyncio.wait([self.task, asked], return_when=asyncio.FIRST_COMPLETED)
        if asked.done() and not self.task.done():
            if asked.result().accepted:  # what is refused writes nothing, and promises nothing
                self.acknowledged(before, asked.result().state)
            return
        asked.cancel()
        self.states.append(self.outcome(before, event))
        await self.begin()

    def outcome(self, before: State, event: ev.Event) -> State:
        """Return what the event would have led to."""
        outcome = step(before, event, 0.0)
        return outcome.state if isinstance(outcome, Step) else before

    def acknowledged(self, before: State, after: State) -> None:
        """Note what may no longer be lost."""
        journalled = not self.stores.journal_disk.full
        published = not self.stores.desired_disk.full and after.table.revision > before.table.revision
        self.states = [after] if journalled or published else [*self.states, after]
        if journalled or published:
            self.tables[after.table.revision] = after.table

    async def live(self, story: Sequence[ev.Event], happenings: list[Happening]) -> None:
        await self.begin()
        for event in story:
            await self.happens(event)
        for happening in happenings:
            match happening:
                case Asks(event):
                    await self.happens(event)
                case Reports(kind, place):
                    state = self.life.driver.state
                    number = state.candidate if place == "candidate" else getattr(state.table, place)
                    if number is not None:
                        await self.happens(kind(number))
                case Fills(journal, desired):
                    self.stores.journal_disk.full, self.stores.desired_disk.full = journal, desired
                case Dies(0):
                    await self.end()
                    await self.begin()
                case Dies(at):
                    self.fuse.at = len(self.fuse.trace) + at
        await self.end()
        await self.begin()
        await self.end()


ANY_HISTORY = given(
    story=st.sampled_from([WITH_CANARY[:1], WITH_CANARY, SWITCHED, THREE]),
    happenings=st.lists(HAPPENINGS, min_size=10, max_size=40),
)
RUN = settings(max_examples=100, deadline=None, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink])


def come_back(story: tuple[ev.Event, ...], happenings: list[Happening]) -> None:
    """Live through a history; `History` says when less came back than was acknowledged."""

    async def history() -> None:
        async with asyncio.timeout(BOUND):
            await History().live(story, happenings)

    asyncio.run(history())


@pytest.mark.requirement("ENG-3")
@RUN
@ANY_HISTORY
def test_no_life_comes_back_with_less_than_was_acknowledged_while_a_store_could_hold_it(
    story: tuple[ev.Event, ...], happenings: list[Happening]
) -> None:
    come_back(story, happenings)


@pytest.mark.soak
@pytest.mark.requirement("ENG-3")
@settings(RUN, max_examples=10_000, derandomize=False)
@ANY_HISTORY
def test_no_life_of_thousands_comes_back_with_less_than_was_acknowledged(
    story: tuple[ev.Event, ...], happenings: list[Happening]
) -> None:
    come_back(story, happenings)
