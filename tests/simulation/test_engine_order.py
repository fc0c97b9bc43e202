"""What is durable before it takes effect, what takes effect before it is durable, and what a full disk changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from engine_world import (
    BACK,
    BOUND,
    DROP,
    FOUNDED,
    KILL_OFF,
    KILL_ON,
    READY,
    SWITCH,
    SWITCHED,
    WITH_CANARY,
    CountingClock,
    Fuse,
    NotedFleet,
    NotedRouter,
    Stores,
    canary,
    living,
    spec,
    weight,
)

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import record
from orchestrator.domain.rollouts.rollout import State
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import GENERATION_PREFIX, Executor
from state.memory import MemoryDesiredState

WRITTEN = ["journal: write", "journal: written"]
PUBLISHED = ["desired: read", "desired: write", "desired: written"]
THREE = (*SWITCHED, canary("three"), READY[2])
"""Generation 2 active, 1 previous and warm, 3 canary."""

ASKED = [
    ((), FOUNDED, ["start: 1", *PUBLISHED, "route: 1", *PUBLISHED]),
    ((FOUNDED, READY[0]), canary("two"), ["start: 2", *PUBLISHED]),
    (WITH_CANARY[:3], DROP, ["retire: 2", *PUBLISHED]),
    (WITH_CANARY, DROP, ["route: 3", *PUBLISHED, "retire: 2", *PUBLISHED]),
    (WITH_CANARY, weight(5), ["route: 3", *PUBLISHED]),
    (WITH_CANARY, SWITCH, ["route: 3", *PUBLISHED]),
    (THREE, SWITCH, ["route: 5", *PUBLISHED, "retire: 1", *PUBLISHED]),
    ((*WITH_CANARY, KILL_ON), KILL_OFF, ["route: 4", *PUBLISHED]),
]

SAFETY = [
    (WITH_CANARY, KILL_ON, ["route: 3", *PUBLISHED], []),
    (SWITCHED, BACK, ["route: 4", *PUBLISHED], []),
    (THREE, BACK, ["route: 5", *PUBLISHED], ["retire: 3", *PUBLISHED]),
    (WITH_CANARY[:3], READY[1], ["route: 2", *PUBLISHED], []),
    (WITH_CANARY[:3], ev.GenerationFailed(2, "it crashed"), [], ["retire: 2", *PUBLISHED]),
    (SWITCHED, ev.GenerationDown(1, "it crashed"), ["route: 4", *PUBLISHED], []),
    (SWITCHED, ev.GenerationFailed(2, "it loops"), ["route: 4", *PUBLISHED], ["retire: 2", *PUBLISHED]),
    (WITH_CANARY, ev.GenerationFailed(2, "it loops"), ["route: 3", *PUBLISHED], ["retire: 2", *PUBLISHED]),
    (WITH_CANARY, ev.GenerationDown(1, "it crashed"), [], PUBLISHED),
]


@pytest.mark.requirement("ENG-1")
@pytest.mark.parametrize(("before", "event", "effects"), ASKED)
async def test_what_is_asked_is_durable_before_it_takes_effect(
    before: tuple[ev.Event, ...], event: ev.Event, effects: list[str]
) -> None:
    async with living(Stores()) as life:
        if before:
            await life.ask(*before)
        life.fuse.trace.clear()
        assert (await life.ask(event)).accepted
        assert life.fuse.trace == [*WRITTEN, *effects]


@pytest.mark.requirement("ENG-1")
@pytest.mark.parametrize(("before", "event", "first", "then"), SAFETY)
async def test_facts_and_moves_to_safety_route_first_are_written_second_and_stop_processes_last(
    before: tuple[ev.Event, ...], event: ev.Event, first: list[str], then: list[str]
) -> None:
    async with living(Stores()) as life:
        await life.ask(*before)
        life.fuse.trace.clear()
        assert (await life.ask(event)).accepted
        assert life.fuse.trace == [*first, *WRITTEN, *then]


@pytest.mark.requirement("ENG-1")
async def test_a_refused_event_touches_nothing_and_is_not_written() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        life.fuse.trace.clear()
        assert not (await life.ask(BACK)).accepted
        assert life.fuse.trace == []
        assert len(life.steps) == len(WITH_CANARY)


@pytest.mark.requirement("ENG-1")
async def test_the_newest_record_holds_the_event_its_commands_and_the_state_in_force() -> None:
    stores = Stores()
    async with living(stores) as life:
        for event in (*THREE, BACK, KILL_ON):
            answer = await life.ask(event)
            written = record.decode(await stores.journal.last() or "")
            assert written.event["name"] == type(event).__name__
            assert written.state == life.driver.state == answer.state


@pytest.mark.requirement("ENG-1")
async def test_the_desired_state_knows_every_generations_standing_also_when_no_lane_moved() -> None:
    stores = Stores()
    async with living(stores) as life:
        await life.ask(FOUNDED, READY[0])
        entry = await stores.desired.get(f"{GENERATION_PREFIX}1")
        assert entry is not None
        assert '"standing":"ready","proven":true' in (entry.value or "")


@pytest.mark.requirement("ENG-2")
@pytest.mark.parametrize(("before", "event"), [(before, event) for before, event, _ in ASKED])
async def test_with_a_full_disk_what_is_asked_is_refused_with_the_reason_and_nothing_changes(
    before: tuple[ev.Event, ...], event: ev.Event
) -> None:
    stores = Stores()
    async with living(stores) as life:
        if before:
            await life.ask(*before)
        was, table, running = life.driver.state, life.table, set(life.fleet.running)
        stores.journal_disk.full = True
        answer = await life.ask(event)
        assert not answer.accepted
        assert answer.reason.startswith("nothing was changed: the journal cannot be written")
        assert "free some space" in answer.reason
        assert (life.driver.state, answer.state, life.table, life.fleet.running) == (was, was, table, running)
        assert life.driver.trouble is not None
        stores.journal_disk.full = False
        assert (await life.ask(event)).accepted
        assert life.driver.trouble is None


@pytest.mark.requirement("ENG-2")
@pytest.mark.parametrize(("before", "event"), [(before, event) for before, event, *_ in SAFETY])
@pytest.mark.parametrize("desired_too", [False, True])
async def test_with_a_full_disk_facts_and_moves_to_safety_take_effect_all_the_same_and_trouble_says_so(
    before: tuple[ev.Event, ...], event: ev.Event, *, desired_too: bool
) -> None:
    async with living(Stores()) as untroubled:
        expected = (await untroubled.ask(*before, event)).state
    stores = Stores()
    async with living(stores) as life:
        await life.ask(*before)
        stores.journal_disk.full, stores.desired_disk.full = True, desired_too
        assert (await life.ask(event)).accepted
        assert life.driver.state == replace(expected, changed_at=life.driver.state.changed_at)
        assert life.table == expected.table
        assert life.fleet.running == untroubled.fleet.running
        assert "the disk is full" in (life.driver.trouble or "")


@pytest.mark.requirement("ENG-2")
@pytest.mark.parametrize("desired_too", [False, True])
async def test_a_retreat_made_while_the_disk_was_full_is_written_as_soon_as_there_is_space(
    *, desired_too: bool
) -> None:
    stores = Stores()
    async with living(stores) as life:
        life.driver._retry = 0.001
        await life.ask(*SWITCHED)
        stores.journal_disk.full, stores.desired_disk.full = True, desired_too
        await life.ask(KILL_ON)
        tried_again = life.fuse.trace.count("journal: write") + 2
        async with asyncio.timeout(BOUND):
            await life.until(lambda: life.fuse.trace.count("journal: write") >= tried_again)
        stores.journal_disk.full = stores.desired_disk.full = False
        async with asyncio.timeout(BOUND):
            await life.until(lambda: life.driver.trouble is None)
        assert record.decode(await stores.journal.last() or "").state == life.driver.state
        written = life.fuse.trace.count("journal: write")
        await life.ask(BACK)
        await life.idle()
        assert life.fuse.trace.count("journal: write") == written + 1
    async with living(stores) as life:
        assert (life.table.active, life.table.kill_switch) == (1, True)


@pytest.mark.requirement("ENG-2")
async def test_what_is_owed_to_the_journal_is_written_before_all_that_waits_once_it_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores = Stores()
    async with living(stores) as life:
        await life.ask(*SWITCHED)
        stores.journal_disk.full = True
        await life.ask(KILL_ON)
        stores.journal_disk.full = False
        waiting: list[int] = []
        monkeypatch.setattr(life.fuse, "burn", lambda _what: waiting.append(life.driver._queue.qsize()))
        life.driver._retry_at = 0.0  # the time has come, and somebody asks for what is refused all the while
        for _ in range(10):
            life.driver.post(ev.Founded(spec("late")))
        await life.idle()
        assert (life.driver.trouble, waiting[0]) == (None, 9)
        assert record.decode(await stores.journal.last() or "").state == life.driver.state


@pytest.mark.requirement("ENG-2")
async def test_a_later_record_that_can_be_written_holds_what_could_not_and_nothing_older_is_written_after_it() -> None:
    stores = Stores()
    async with living(stores) as life:
        await life.ask(*SWITCHED)
        stores.journal_disk.full = True
        await life.ask(KILL_ON)
        stores.journal_disk.full = False
        life.driver._retry = 0.0
        await life.ask(BACK)
        life.fuse.trace.clear()
        await life.idle()
        assert life.fuse.trace == []
        assert record.decode(await stores.journal.last() or "").state == life.driver.state


@pytest.mark.requirement("ENG-2")
async def test_a_desired_state_that_cannot_be_written_holds_nothing_up() -> None:
    stores = Stores()
    async with living(stores) as life:
        stores.desired_disk.full = True
        assert (await life.ask(*SWITCHED)).accepted
        assert (life.table.active, life.driver.trouble) == (2, None)
    stores.desired_disk.full = False
    async with living(stores) as life:
        assert life.driver.state.table.active == 2


@pytest.mark.requirement("ENG-2")
async def test_an_event_that_cannot_be_written_as_text_is_refused_and_the_engine_goes_on() -> None:
    async with living(Stores()) as life:
        odd = ev.Founded(replace(spec("one"), command=("python", "\udcff.py")))
        answer = await life.ask(odd)
        assert not answer.accepted
        assert "surrogates not allowed" in answer.reason
        assert (await life.ask(FOUNDED)).accepted


class BrokenRouter(NotedRouter):
    """Raises at the first table it is given."""

    def replace(self, table):
        if not self.given:
            self.given.append(table)
            raise RuntimeError("broken")
        return super().replace(table)


@pytest.mark.requirement("ENG-2")
async def test_a_command_that_fails_does_not_keep_the_next_one_or_the_next_event_from_being_done() -> None:
    stores, fuse = Stores(), Fuse()
    router, fleet = BrokenRouter(fuse), NotedFleet(fuse)
    driver = Driver(State(), stores.journal, Executor(router, fleet, MemoryDesiredState()), CountingClock())
    task = asyncio.create_task(driver.run())
    async with asyncio.timeout(BOUND):
        assert (await driver.submit(FOUNDED)).accepted
        await driver.submit(READY[0])
        await driver.submit(KILL_ON)
    task.cancel()
    assert fleet.running == {1}
    assert router.table == driver.state.table


async def test_the_state_before_and_after_each_accepted_event_is_told_in_order() -> None:
    async with living(Stores()) as life:
        await life.ask(*THREE)
        assert [step[0] for step in life.steps] == list(THREE)
        assert life.steps[0][1] == State()
        assert life.steps[-1][2] == life.driver.state
        assert life.driver.state.generations[3].standing is Standing.READY
