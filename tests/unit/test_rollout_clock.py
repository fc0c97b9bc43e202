"""What only time does: deadlines, the next tick, weeks in a moment, and restarts in the middle."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_plans import (
    ASK_COMMAND,
    FLAGS_ALONE,
    PAUSE,
    RESUME,
    STEPS,
    TICK,
    baking,
    flags_alone,
    flipping,
    going_back,
    plan,
    rehearsing,
    serving,
    starting,
    stepping,
)
from rollout_story import NOW, ready

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.steps import Step
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.state import Phase, What

pytestmark = pytest.mark.requirement("ROLL-10")

LATE = plan(deadline=100.0)
LATE_BACK = replace(LATE, on_deadline=Answer.ROLL_BACK)
DAY = 86_400.0


def test_nothing_is_due_while_only_an_event_can_change_anything() -> None:
    for story in (serving(), rehearsing(), starting(), going_back(), stepping().happen(PAUSE), stepping().wait(1000)):
        assert due_at(story.state) is None
    assert due_at(stepping(plan(steps=(Step(10, None),))).state) is None
    assert due_at(stepping().wait(70, Verdict.NO_DATA).state) is None


def test_the_end_of_a_part_or_the_deadline_is_due_whichever_comes_first() -> None:
    assert due_at(stepping(LATE).state) == NOW + 60
    assert due_at(stepping(LATE).wait(60).state) == NOW + 100
    assert due_at(stepping(LATE).happen(PAUSE).state) == NOW + 100


def test_a_tick_before_its_time_changes_nothing() -> None:
    story = stepping().wait(30)
    before = story.state
    assert story.happen(TICK).state == before


def test_a_deadline_pauses_once_and_whoever_resumes_is_not_stopped_again() -> None:
    story = stepping(LATE).wait(100)
    assert (story.words, story.lanes[3]) == ("the plan's deadline has passed", 50)
    story.happen(RESUME).wait(1000)
    assert story.rollout.phase is Phase.DONE


def test_a_deadline_goes_back_where_the_plan_says_so_also_from_a_pause() -> None:
    assert stepping(LATE_BACK).happen(PAUSE).wait(100).rollout.phase is Phase.ROLLED_BACK
    flags = flipping(replace(LATE_BACK, deadline=95.0)).wait(5)
    assert (flags.at[0], flags.lanes[0]) == ("rolling_back", 1)


def test_a_deadline_that_passes_during_a_persons_pause_is_told_and_pauses_no_second_time() -> None:
    story = stepping(LATE).happen(PAUSE).wait(100)
    assert story.rollout.paused is not None
    assert story.rollout.paused.cause.what is What.DEADLINE
    assert story.happen(RESUME).wait(1000).rollout.phase is Phase.DONE


def test_a_deadline_counts_from_the_first_step_its_hold_included_and_for_flags_from_the_beginning() -> None:
    held = replace(LATE, steps=(replace(STEPS[0], hold=ASK_COMMAND),))
    assert due_at(stepping(held).state) == NOW + 100
    assert due_at(flags_alone(replace(FLAGS_ALONE, deadline=10.0)).state) == NOW + 10
    no_steps = replace(LATE, steps=(), deadline=10.0)
    assert due_at(baking(no_steps).state) == NOW + 10


def test_weeks_go_by_in_a_moment() -> None:
    weeks = plan(steps=tuple(Step(weight, 7 * DAY) for weight in (5, 10, 20, 50)))
    story = stepping(weeks).wait(28 * DAY - 1)
    assert story.lanes[3] == 50
    assert story.wait(1).lanes == (2, None, 1, 0)


def test_after_a_long_sleep_each_part_still_has_its_own_time() -> None:
    story = stepping()
    story.now += 1000
    story.look().happen()
    assert (story.lanes[3], story.rollout.due) == (50, story.now + 60)


@pytest.mark.parametrize("back", [(1, 2), (2, 1)])
def test_after_a_restart_nothing_goes_on_before_both_versions_are_ready_again(back: tuple[int, int]) -> None:
    story = stepping().wait(30)
    cold = {number: replace(one, standing=Standing.STARTING) for number, one in story.state.generations.items()}
    story.state = replace(story.state, generations=cold)
    story.wait(100)
    assert story.lanes[3] == 10
    story.happen(ready(back[0])).wait(100)
    assert story.lanes[3] == 10
    assert story.happen(ready(back[1]), TICK).lanes[3] == 50


def test_a_pause_of_what_waits_for_a_process_goes_on_waiting_after_it() -> None:
    story = stepping()
    cold = {number: replace(one, standing=Standing.STARTING) for number, one in story.state.generations.items()}
    story.state = replace(story.state, generations=cold)
    story.wait(60).happen(PAUSE, RESUME, TICK)
    assert story.rollout.unready
    story.happen(PAUSE, ready(1), ready(2)).wait(1000)
    assert story.lanes[3] == 10
    assert story.happen(RESUME, TICK).lanes[3] == 50
