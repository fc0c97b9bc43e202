"""Who waits for the engine: answers in the order of asking, and the reason of a failure for whoever asks late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from engine_world import (
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

from orchestrator.domain.rollouts import events as ev
from orchestrator.engine.starts import LAST_WORDS

pytestmark = pytest.mark.requirement("ENG-4")

SECOND_FAILS = ev.GenerationFailed(2, "no such file")


async def test_events_asked_at_once_are_decided_one_after_the_other_in_the_order_of_asking() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        before = life.table.revision
        events = [weight(n) for n in range(1, 51)]
        answers = await asyncio.gather(*(life.driver.submit(event) for event in events))
        assert [answer.state.table.weight for answer in answers] == list(range(1, 51))
        assert [answer.state.table.revision - before for answer in answers] == list(range(1, 51))
        assert [step[1] for step in life.steps[1:]] == [step[2] for step in life.steps[:-1]]


async def test_no_effect_of_an_event_comes_between_the_effects_of_another() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        life.fuse.trace.clear()
        await asyncio.gather(*(life.driver.submit(weight(n)) for n in (1, 2)))
        one = ["journal: write", "journal: written", "route: {}", "desired: read", "desired: write", "desired: written"]
        first = life.table.revision - 1
        assert life.fuse.trace == [what.format(n) for n in (first, first + 1) for what in one]


async def test_of_two_switches_asked_at_once_one_is_done_and_the_other_refused_with_the_reason() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        first, second = await asyncio.gather(life.driver.submit(SWITCH), life.driver.submit(SWITCH))
        assert (first.accepted, second.accepted) == (True, False)
        assert "there is no canary to switch to" in second.reason
        assert second.state == first.state


async def test_while_a_canary_starts_every_other_change_is_refused_with_its_number_and_the_kill_switch_is_not() -> None:
    async with living(Stores()) as life:
        await life.ask(*SWITCHED, canary("three"))
        before = life.driver.state
        for event in (canary("four"), canary("four", replace=True), SWITCH, ev.SwitchBackAsked(), weight(1), FOUNDED):
            answer = await life.ask(event)
            assert not answer.accepted
            assert "generation 3 is being started as canary and one change is made at a time" in answer.reason
        assert life.driver.state == before
        assert (await life.ask(KILL_ON)).accepted
        assert (await life.ask(KILL_OFF)).accepted


async def test_a_caller_that_goes_away_does_not_take_its_event_along() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        caller = asyncio.create_task(life.driver.submit(weight(30)))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        assert (await life.ask(weight(40))).accepted
        assert [step[2].table.weight for step in life.steps[-2:]] == [30, 40]


async def started(life: Life, number: int) -> asyncio.Task[str | None]:
    waiting = asyncio.create_task(life.driver.started(number))
    await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def test_whoever_waits_for_a_canary_hears_when_it_is_ready() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:3])
        waiting = await started(life, 2)
        life.driver.post(READY[1])
        assert await waiting is None
        assert life.table.canary == 2
        assert await life.driver.started(2) is None


async def test_whoever_waits_for_a_canary_that_fails_hears_supervisions_reason() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:3])
        waiting = await started(life, 2)
        life.driver.post(SECOND_FAILS)
        assert await waiting == "no such file"
        assert life.driver.state.candidate is None


async def test_whoever_waits_for_a_canary_that_is_given_up_hears_that() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:3])
        waiting = await started(life, 2)
        await life.ask(ev.CanaryDropAsked(actor="ann"))
        assert await waiting == "it was given up"
        assert await life.driver.started(2) == "it was given up"


async def test_one_of_two_who_wait_may_go_away_without_the_other() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:3])
        leaving, staying = await started(life, 2), await started(life, 2)
        leaving.cancel()
        await asyncio.wait([leaving])
        life.driver.post(READY[1])
        assert await staying is None


async def test_a_first_generation_that_failed_before_anybody_asked_is_answered_with_the_reason_at_once() -> None:
    async with living(Stores()) as life:
        await life.ask(FOUNDED, ev.GenerationFailed(1, "not an executable file"))
        assert await life.driver.started(1) == "not an executable file"


async def test_a_canary_that_failed_before_its_caller_came_to_wait_is_answered_with_the_reason() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:2])
        asked = asyncio.create_task(life.driver.submit(WITH_CANARY[2]))
        await asyncio.sleep(0)
        life.driver.post(SECOND_FAILS)  # decided right after the asking, before the asker is woken
        candidate = (await asked).state.candidate
        assert candidate == 2
        assert await life.driver.started(candidate) == "no such file"


async def test_an_old_reason_is_forgotten_once_the_generation_is_ready() -> None:
    async with living(Stores()) as life:
        await life.ask(FOUNDED, READY[0], ev.GenerationFailed(1, "it is in a crash loop"))
        assert await life.driver.started(1) == "it is in a crash loop"
        await life.ask(READY[0], ev.GenerationDown(1, "it crashed once more"))
        waiting = await started(life, 1)
        life.driver.post(READY[0])
        assert await waiting is None


async def test_the_reasons_kept_are_bounded() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:2])
        for number in range(2, LAST_WORDS + 12):
            await life.ask(canary("another"), ev.GenerationFailed(number, f"reason {number}"))
        assert len(life.driver._starts._failed) == LAST_WORDS
        assert await life.driver.started(LAST_WORDS + 11) == f"reason {LAST_WORDS + 11}"
        assert await life.driver.started(2) == "it was given up"


async def test_an_answer_carries_the_state_of_its_own_event_whatever_came_since() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY)
        first, _ = await asyncio.gather(life.driver.submit(weight(1)), life.driver.submit(weight(2)))
        assert first.state.table == replace(life.table, weight=1, revision=life.table.revision - 1)
