"""What the daemon goes on from when a store is behind, damaged or gone."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from engine_world import (
    BACK,
    FOUNDED,
    KILL_OFF,
    KILL_ON,
    READY,
    SWITCH,
    SWITCHED,
    WITH_CANARY,
    Life,
    Stores,
    canary,
    living,
    weight,
)

from orchestrator.domain.errors import StateError
from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.engine.executor import GENERATION_PREFIX, ROUTING_KEY
from orchestrator.engine.recovery import recover, resume
from state.errors import StorageError, StorageFullError
from state.memory import IN_MEMORY, MemoryJournal

pytestmark = pytest.mark.requirement("ENG-3")


async def lived(*events: ev.Event, stores: Stores | None = None) -> tuple[Stores, State]:
    """Return the stores and the state after one life with these events."""
    stores = stores or Stores()
    async with living(stores) as life:
        await life.ask(*events)
        return stores, life.driver.state


async def recovered(stores: Stores) -> State:
    return await recover(stores.journal, stores.desired)


async def test_nothing_stored_is_an_empty_state_with_nothing_to_do() -> None:
    state = await recovered(Stores())
    assert state == State()
    assert resume(state) == ()


async def test_every_generation_stands_as_starting_and_a_table_that_is_no_longer_warm_has_its_own_revision() -> None:
    stores, before = await lived(*SWITCHED)
    after = await recovered(stores)
    assert {it.standing for it in after.generations.values()} == {Standing.STARTING}
    assert after.table == replace(before.table, previous_warm=False, revision=before.table.revision + 1)


async def test_a_table_that_reads_the_same_without_processes_keeps_its_revision() -> None:
    stores, before = await lived(*WITH_CANARY, weight(10))
    assert (await recovered(stores)).table == before.table


async def test_restarts_without_a_change_between_them_do_not_move_the_revision_on_for_ever() -> None:
    stores, before = await lived(*SWITCHED)
    for _ in range(5):
        async with living(stores) as life:
            assert life.driver.state.table.revision == before.table.revision + 1


async def test_carrying_out_what_recovery_wants_twice_is_as_good_as_once() -> None:
    stores, _ = await lived(*SWITCHED, canary("three"))
    async with living(stores) as life:
        running, table = set(life.fleet.running), life.table
        for order in resume(life.driver.state):
            await life.driver.executor.carry_out(order, life.driver.state)
        assert (life.fleet.running, life.table) == (running, table) == ({1, 2, 3}, life.driver.state.table)


@pytest.mark.parametrize("retreat", [KILL_ON, BACK, ev.GenerationFailed(2, "it loops")])
async def test_a_retreat_that_the_journal_could_not_hold_is_in_force_again_after_kill_9(retreat: ev.Event) -> None:
    stores, _ = await lived(*SWITCHED)
    async with living(stores) as life:
        await life.ask(*READY[:2])
        stores.journal_disk.full = True
        await life.ask(retreat)
        table = life.table
    cold = replace(table, previous_warm=False, revision=table.revision + table.previous_warm)
    assert (await recovered(stores)).table == cold


async def test_a_canary_being_started_outlives_a_retreat_that_the_journal_could_not_hold() -> None:
    stores, before = await lived(*SWITCHED, canary("three"))
    stores.journal_disk.full = True
    await lived(KILL_ON, stores=stores)
    stores.journal_disk.full = False
    state = await recovered(stores)
    assert (state.table.kill_switch, state.candidate) == (True, 3)
    assert replace(state, table=before.table, generations=before.generations) == before
    _, state = await lived(READY[2], KILL_OFF, SWITCH, stores=stores)
    assert (state.table.active, state.table.salt, state.next_number) == (3, "salt of three", 4)


@pytest.mark.parametrize("fact", [READY[2], ev.GenerationFailed(3, "no such file")])
async def test_a_canary_start_whose_end_the_journal_could_not_hold_is_not_begun_again(fact: ev.Event) -> None:
    stores, _ = await lived(*SWITCHED, canary("three"))
    stores.journal_disk.full = True
    _, before = await lived(*READY[:2], fact, KILL_ON, stores=stores)
    after = await recovered(stores)
    assert (after.candidate, after.candidate_salt) == (None, "")
    assert after.generations.keys() == before.generations.keys()
    assert after.table.lanes() == before.table.lanes()


async def test_a_journal_behind_after_a_full_disk_never_gives_a_number_again() -> None:
    stores, _ = await lived(*SWITCHED, canary("three"), READY[2])
    stores.journal_disk.full = True
    await lived(*READY[:2], ev.GenerationFailed(3, "it loops"), stores=stores)
    stores.journal_disk.full = False
    _, state = await lived(canary("four"), stores=stores)
    assert state.candidate == 4


async def test_a_lost_journal_is_made_up_for_by_the_desired_state() -> None:
    stores, before = await lived(*SWITCHED, canary("three"), READY[2], weight(30))
    stores.journal = MemoryJournal()
    after = await recovered(stores)
    assert after.table == replace(before.table, previous_warm=False, revision=before.table.revision + 1)
    assert after.next_number == before.next_number
    assert {n: it.spec for n, it in after.generations.items()} == {n: it.spec for n, it in before.generations.items()}
    assert all(it.proven for it in after.generations.values())


async def test_a_lost_journal_does_not_lead_to_the_number_of_a_generation_that_is_gone() -> None:
    stores, before = await lived(*SWITCHED, canary("three"), ev.GenerationFailed(3, "no such file"))
    stores.journal = MemoryJournal()
    assert (await recovered(stores)).next_number == before.next_number == 4


async def test_with_a_lost_journal_a_change_under_way_is_lost_and_nothing_else() -> None:
    stores, before = await lived(*SWITCHED, canary("three"))
    stores.journal = MemoryJournal()
    after = await recovered(stores)
    assert after.table.lanes() == before.table.lanes()
    assert (after.candidate, after.generations.keys(), after.next_number) == (None, {1, 2}, 4)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"version":2,"at":0.0,"event":{},"commands":[],"state":{}}',
        '{"version":1,"at":"soon","event":{},"commands":[],"state":{}}',
        '{"version":1,"at":0.0,"event":{},"commands":[],"state":{"table":{"revision":99,"active":7}}}',
        '{"version":1,"at":0.0,"event":{},"commands":[],"state":{"table":{"revision":99},"candidate":7}}',
    ],
)
async def test_a_record_that_cannot_be_used_gives_way_to_the_desired_state(text: str) -> None:
    stores, before = await lived(*WITH_CANARY)
    await stores.journal.append(text)
    assert (await recovered(stores)).table == before.table


@pytest.mark.parametrize("key", [ROUTING_KEY, f"{GENERATION_PREFIX}1"])
async def test_a_desired_state_that_cannot_be_used_gives_way_to_the_journal(key: str) -> None:
    stores, before = await lived(*WITH_CANARY)
    await stores.desired.txn({key: '"nonsense"'})
    assert (await recovered(stores)).table == before.table


async def test_a_desired_state_that_lacks_a_generation_it_routes_to_gives_way_to_the_journal() -> None:
    stores, before = await lived(*WITH_CANARY)
    later = replace(before.table, revision=99)
    await stores.desired.txn({ROUTING_KEY: msgspec.json.encode(later).decode()}, delete=[f"{GENERATION_PREFIX}1"])
    assert (await recovered(stores)).table == before.table


async def test_when_neither_store_can_be_used_the_error_says_what_to_do() -> None:
    stores, _ = await lived(*WITH_CANARY)
    stores.journal = MemoryJournal()
    await stores.desired.txn({ROUTING_KEY: "7"})
    with pytest.raises(StateError, match="restore the state directory from a backup, or name another one"):
        await recovered(stores)


class UnreadableJournal(MemoryJournal):
    """A journal whose file cannot be read."""

    async def last(self) -> str | None:
        raise StorageFullError(IN_MEMORY, "it cannot be read (injected)")


async def test_a_journal_file_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    stores, _ = await lived(*WITH_CANARY)
    stores.journal = UnreadableJournal()
    with pytest.raises(StorageError, match="injected"):
        await recovered(stores)


async def test_a_first_generation_that_never_was_ready_may_be_founded_anew_after_a_restart() -> None:
    stores, _ = await lived(FOUNDED, ev.GenerationFailed(1, "no such file"))
    async with living(stores) as life:
        assert (await life.ask(FOUNDED)).accepted
        assert life.table.active == 2
    async with living(stores) as life:
        await life.ask(READY[1])
    async with living(stores) as life:
        answer = await life.ask(FOUNDED)
        assert not answer.accepted
        assert "generation 2 is active" in answer.reason


async def test_a_life_starts_exactly_what_holds_a_lane_or_is_being_started() -> None:
    stores, _ = await lived(*SWITCHED, canary("three"), READY[2], SWITCH, canary("four"))
    life = Life(stores)
    (await life.begin()).cancel()
    assert life.fleet.running == {2, 3, 4}
