"""A rollout while nothing can be written, and a rollback that does not wait for a write that is under way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from engine_world import Life, Stores, living
from test_rollout_crash import BEGUN, bad, events_of, look, to

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.record import decode
from orchestrator.domain.rollouts.state import Phase, What
from state.memory import MemoryJournal

pytestmark = pytest.mark.requirement("ROLL-13")

RESUME = ev.ResumeAsked(actor="ann")


async def begun(life: Life, *until: object) -> None:
    """Lead a rollout to a part of its plan."""
    for event in events_of((*BEGUN, *until)):  # type: ignore[arg-type]  # what scripts are made of
        await life.ask(event)


async def test_with_a_full_disk_a_step_routes_safe_stops_the_clock_and_says_so() -> None:
    stores = Stores()
    async with living(stores) as life:
        await begun(life, to(Phase.STEPPING, 1))
        assert life.table.weight == 50
        stores.journal_disk.full = True
        await life.ask(look(life.driver.state, Verdict.WITHIN_MARGIN), ev.Tick())
        await life.idle()
        rollout = life.driver.state.under_way
        assert rollout.paused is not None
        assert rollout.paused.cause.what is What.JOURNAL
        assert "the disk is full" in rollout.paused.cause.words
        assert (life.table.weight, life.table.active) == (0, 1)
        assert rollout.watch is not None


async def test_once_there_is_space_again_a_person_resumes_and_the_step_has_its_weight_again() -> None:
    stores = Stores()
    async with living(stores) as life:
        await begun(life, to(Phase.STEPPING, 1))
        stores.journal_disk.full = True
        await life.ask(look(life.driver.state, Verdict.WITHIN_MARGIN), ev.Tick())
        await life.idle()
        stores.journal_disk.full = False
        assert (await life.ask(RESUME)).accepted
        assert (life.table.weight, life.driver.state.under_way.paused) == (50, None)


async def test_with_a_full_disk_a_regression_still_goes_back_and_is_written_when_there_is_space() -> None:
    stores = Stores()
    async with living(stores) as life:
        await begun(life, to(Phase.BAKING))
        stores.journal_disk.full = True
        await life.ask(look(life.driver.state, Verdict.REGRESSION))
        assert life.table.active == 1
        rollout = life.driver.state.rollout
        assert rollout is not None
        assert rollout.phase is Phase.ROLLED_BACK
        stores.journal_disk.full = False
        owed = life.driver._owed
        assert owed is not None
        await life.driver._write(*owed)
        written = decode(await stores.journal.last() or "").state.rollout
        assert written is not None
        assert (written.phase, written.cause) == (rollout.phase, rollout.cause)


class SlowJournal(MemoryJournal):
    """A journal whose writes take until somebody lets them end."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.writing = asyncio.Event()
        self.go_on = asyncio.Event()

    async def append(self, record: str) -> int:
        if self.slow:
            self.writing.set()
            await self.go_on.wait()
        return await super().append(record)


async def test_a_regression_routes_back_at_once_while_a_write_is_under_way_which_moves_nothing_forward() -> None:
    stores = Stores()
    stores.journal = journal = SlowJournal()
    async with living(stores) as life:
        await begun(life, to(Phase.STEPPING, 1))
        state = life.driver.state
        worse = look(state, Verdict.REGRESSION)
        journal.slow = True
        promoting = asyncio.create_task(life.driver.submit(ev.PromoteAsked(actor="ann")))
        await journal.writing.wait()
        life.driver.urge(worse)
        assert (life.table.weight, life.table.canary) == (0, None)
        journal.slow = False
        journal.go_on.set()
        await promoting
        await life.until(lambda: life.driver.state.phase is Phase.STEADY)
        assert 2 not in {life.table.active, life.table.canary}
        cause = life.driver.state.under_way.cause
        assert cause is not None
        assert cause.what is What.REGRESSION
        assert life.router.given[-1] == life.driver.state.table
        assert [table.active for table in life.router.given if table.active == 2] == []


async def test_a_regression_that_was_urged_is_decided_once() -> None:
    async with living(Stores()) as life:
        await begun(life, to(Phase.STEPPING, 0))
        event = bad(life.driver.state)
        assert event is not None
        life.driver.urge(event)
        await life.until(lambda: life.driver.state.phase is Phase.STEADY)
        await life.idle()
        assert (
            sum(isinstance(step[0], ev.Looked) and step[0].look.verdict is Verdict.REGRESSION for step in life.steps)
            == 1
        )


async def test_what_was_urged_and_then_has_nothing_to_do_leaves_routing_as_the_state_says() -> None:
    stores = Stores()
    stores.journal = journal = SlowJournal()
    async with living(stores) as life:
        await begun(life, to(Phase.STEPPING, 1))
        worse = look(life.driver.state, Verdict.REGRESSION)
        journal.slow = True
        weighing = asyncio.create_task(life.driver.submit(ev.WeightAsked(weight=30, actor="ann")))
        await journal.writing.wait()
        life.driver.urge(worse)
        again = look(life.driver.state, Verdict.REGRESSION)
        life.driver.urge(replace(again, look=replace(again.look, epoch="r-0/steps/0/1")))  # of nothing that is watched
        late = asyncio.create_task(life.driver.submit(ev.PauseAsked(actor="ann")))
        journal.slow = False
        journal.go_on.set()
        await asyncio.gather(weighing, late)
        await life.idle()
        wanted = life.driver.state.table
        assert replace(life.table, revision=wanted.revision) == wanted


async def test_what_is_urgent_is_decided_before_what_waited_already() -> None:
    stores = Stores()
    stores.journal = journal = SlowJournal()
    async with living(stores) as life:
        await begun(life, to(Phase.STEPPING, 1))
        journal.slow = True
        pausing = asyncio.create_task(life.driver.submit(ev.PauseAsked(actor="ann")))
        await journal.writing.wait()
        waiting = asyncio.create_task(life.driver.submit(ev.WeightAsked(weight=30, actor="ann")))
        await asyncio.sleep(0)
        life.driver.urge(look(life.driver.state, Verdict.REGRESSION))
        journal.slow = False
        journal.go_on.set()
        answer = await waiting
        await pausing
        assert not answer.accepted
        assert (life.table.canary, life.driver.state.phase) == (None, Phase.STEADY)
