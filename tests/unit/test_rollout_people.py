"""What people say to a rollout: it is done, or refused with a reason; and nothing but a person undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_plans import (
    ASK_COMMAND,
    ASK_PERSON,
    PAUSE,
    PROMOTE,
    RESUME,
    STEPS,
    TICK,
    Story,
    baking,
    flipping,
    plan,
    rehearsing,
    starting,
    stepping,
)
from rollout_story import KILL_OFF, KILL_ON, SWITCH, canary, down, failed, founded, ready, weight

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.steps import Keys, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import AskHold, Observe
from orchestrator.domain.rollouts.state import Phase, What

pytestmark = pytest.mark.requirement("ROLL-9")

PLACES: list[Callable[[], Story]] = [rehearsing, starting, stepping, baking, flipping]
BROKEN = ev.JournalBroken("the disk is full")
CAREFUL = plan(on_regression=Answer.PAUSE)


# --- pause and resume ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_a_pause_holds_any_phase_for_as_long_as_nobody_resumes(place: Callable[[], Story]) -> None:
    story = place().happen(PAUSE)
    at, lanes = story.at, story.lanes
    story.wait(1_000_000)
    assert (story.at, story.lanes, story.words) == (at, lanes, "ann paused: lunch")
    assert not story.happen(RESUME).rollout.paused


def test_what_was_left_of_a_part_is_left_after_a_pause_of_any_length() -> None:
    story = stepping().wait(20).happen(PAUSE).wait(5000).happen(RESUME)
    assert story.rollout.due == story.now + 40
    assert story.wait(39.5).lanes[3] == 10
    assert story.wait(0.5).lanes[3] == 50


def test_the_guard_stays_on_during_a_pause() -> None:
    story = stepping()
    watch = story.rollout.watch
    assert story.happen(PAUSE).rollout.watch == watch
    assert Observe(None) not in story.commands


def test_a_second_pause_is_refused_with_the_reason_of_the_first() -> None:
    assert "it is paused already: ann paused: lunch; go on with: switchover resume" in stepping().happen(PAUSE).refused(
        PAUSE
    )


def test_resume_without_anything_to_resume_is_refused() -> None:
    assert "it is not paused" in stepping().refused(RESUME)


def test_to_resume_what_is_not_paused_names_only_what_would_be_taken_then() -> None:
    assert rehearsing().refused(RESUME).endswith("once the rehearsal is over; to end it: switchover abort")
    assert stepping().refused(RESUME).endswith("to go to 100 % now: switchover promote")
    assert baking().refused(RESUME).endswith("nothing waits for a person; to end it: switchover abort")


def test_a_hold_is_not_asked_during_a_pause_and_a_yes_that_comes_all_the_same_is_noted() -> None:
    story = stepping(plan(steps=(replace(STEPS[0], hold=ASK_COMMAND),))).happen(PAUSE)
    assert AskHold("r", None) in story.commands
    story.happen(ev.HoldAgreed("r", hold=ASK_COMMAND)).wait(1000)
    assert story.at == ("stepping", "hold", 0)
    assert story.happen(RESUME).at == ("stepping", "running", 0)


def test_a_hold_that_was_paused_still_waits_after_it() -> None:
    story = stepping(plan(steps=(replace(STEPS[0], hold=ASK_PERSON),))).happen(PAUSE, RESUME)
    assert story.at == ("stepping", "hold", 0)
    assert story.happen(RESUME).at == ("stepping", "running", 0)


def test_a_pause_while_it_waits_for_data_asks_for_data_after_it() -> None:
    story = stepping().wait(70, Verdict.NO_DATA).happen(PAUSE, RESUME).wait(10, Verdict.NO_DATA)
    assert (story.lanes[3], story.rollout.waiting) == (10, True)


def test_whoever_goes_on_knows_what_happened_during_the_pause() -> None:
    story = stepping(CAREFUL).happen(PAUSE).look(Verdict.REGRESSION, cause="too many errors")
    assert story.words == "too many errors"
    assert story.happen(failed(1)).words.startswith("generation 1, the active version, is lost")
    paused = story.rollout.paused
    assert paused is not None
    assert paused.left == 60


def test_a_regression_that_a_person_went_past_pauses_no_second_time() -> None:
    story = stepping(CAREFUL).look(Verdict.REGRESSION).happen(RESUME)
    assert story.look(Verdict.REGRESSION).rollout.paused is None
    story.look(Verdict.NOT_YET).look(Verdict.REGRESSION)
    assert story.rollout.paused is not None, "a new one does"


# --- promote ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), (PAUSE,), (weight(30),)])
def test_promote_moves_all_calls_now(before: tuple[ev.Event, ...]) -> None:
    story = stepping().happen(*before, PROMOTE)
    assert (story.lanes, story.at, story.rollout.paused) == ((2, None, 1, 0), ("baking", "health", 0), None)


def test_promote_twice_is_refused_and_changes_nothing() -> None:
    assert "it is promoted already" in stepping().happen(PROMOTE).refused(PROMOTE)


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (rehearsing, "there is nothing to promote yet"),
        (starting, "generation 2 is not ready yet; wait for it, then promote"),
        (lambda: stepping().happen(down(2)), "generation 2 is not ready: it crashed"),
        (lambda: stepping().happen(KILL_ON), "lift it first with: switchover kill-switch off"),
    ],
)
def test_promote_of_what_cannot_serve_is_refused(story: Callable[[], Story], reason: str) -> None:
    assert reason in story().refused(PROMOTE)


# --- weight -------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_a_weight_by_hand_stays_until_a_person_goes_on(percent: int) -> None:
    story = stepping().wait(20).happen(weight(percent)).wait(10_000)
    assert (story.lanes[3], story.words) == (percent, f"ann gave the canary {percent} %")
    story.happen(RESUME)
    assert (story.lanes[3], story.rollout.due) == (10, story.now + 40)


def test_a_step_is_not_given_its_weight_back_while_the_candidate_is_away() -> None:
    story = stepping().happen(weight(0), down(2))
    assert story.refused(RESUME) == "generation 2 is not ready: it crashed"
    assert story.happen(ready(2), RESUME).lanes[3] == 10


def test_a_weight_by_hand_is_a_new_epoch_with_its_share() -> None:
    story = stepping()
    before = story.rollout.watch
    after = story.happen(weight(30)).rollout.watch
    assert before is not None
    assert after is not None
    assert (after.share, after.weight, after.alpha) == (0.3, 30, before.alpha / 2)
    assert after.epoch != before.epoch


def test_a_weight_by_hand_that_the_step_has_anyway_changes_nothing_on_resuming() -> None:
    story = stepping().happen(weight(10))
    epoch = story.rollout.watch
    assert story.happen(RESUME).rollout.watch == epoch


@pytest.mark.parametrize(
    ("story", "percent", "reason"),
    [
        (stepping, 101, "weight 101 is not a percentage"),
        (starting, 10, "generation 2 is at no step yet"),
        (lambda: starting().happen(PAUSE, ready(2)), 10, "generation 2 is at no step yet"),
        (lambda: stepping().happen(down(2)), 10, "generation 2 is not ready: it crashed"),
        (lambda: stepping().happen(KILL_ON), 10, "lift it first with: switchover kill-switch off"),
        (baking, 10, "weights belong to its steps"),
    ],
)
def test_a_weight_that_cannot_be_is_refused(story: Callable[[], Story], percent: int, reason: str) -> None:
    assert reason in story().refused(weight(percent))


def test_no_weight_is_always_possible_at_a_step() -> None:
    assert stepping().happen(down(2), weight(0)).lanes[3] == 0
    assert stepping().happen(KILL_ON, weight(0)).lanes[3] == 0


# --- the kill switch ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_the_kill_switch_stops_the_clock_and_lifting_it_starts_nothing(place: Callable[[], Story]) -> None:
    story = place().happen(KILL_ON).wait(100_000)
    at = story.at
    assert "lift it first with: switchover kill-switch off" in story.refused(RESUME)
    story.happen(KILL_OFF).wait(100_000)
    assert (story.at, story.words) == (at, "ann turned the kill switch on")
    assert story.happen(RESUME).rollout.paused is None


def test_the_kill_switch_twice_changes_nothing() -> None:
    story = stepping().happen(KILL_ON)
    before = story.state
    assert story.happen(KILL_ON).state == before


def test_a_regression_under_the_kill_switch_still_ends_it() -> None:
    story = baking().happen(KILL_ON).look(Verdict.REGRESSION)
    assert (story.rollout.phase, story.lanes[0], story.state.table.kill_switch) == (Phase.ROLLED_BACK, 1, True)


def test_a_pause_that_is_asked_for_under_the_kill_switch_is_a_persons_own_and_a_second_one_is_refused() -> None:
    story = stepping().wait(20).happen(KILL_ON, PAUSE)
    assert (story.words, story.rollout.paused and story.rollout.paused.left) == ("ann paused: lunch", 40)
    assert "it is paused already: ann paused: lunch" in story.refused(PAUSE)


# --- nothing can be written down ----------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_a_broken_journal_stops_automation_wherever_it_is(place: Callable[[], Story]) -> None:
    story = place().happen(BROKEN)
    assert story.words == "automation stopped: the disk is full"
    assert story.lanes[3] == 0
    at = story.at
    assert story.wait(100_000).at == at


def test_a_broken_journal_takes_every_call_from_the_canary_and_resuming_gives_the_step_back() -> None:
    always = plan(steps=(Step(10, 60.0, keys=Keys(always=("a", "b*"))),))
    story = stepping(always).wait(20).happen(BROKEN)
    assert (story.lanes[3], story.state.table.always) == (0, ())
    assert story.rollout.watch is not None
    assert story.rollout.watch.share == 0.0
    story.happen(RESUME)
    assert (story.lanes[3], story.state.table.always, story.rollout.due) == (10, ("a", "b*"), story.now + 40)


def test_a_broken_journal_is_told_also_to_whoever_paused_before_it() -> None:
    story = stepping(plan(hold=ASK_PERSON)).wait(120).happen(PAUSE, BROKEN)
    paused = story.rollout.paused
    assert paused is not None
    assert (paused.cause.what, story.lanes[3], story.at[0]) == (What.JOURNAL, 0, "promoting")


# --- what belongs to no rollout -----------------------------------------------------------------


@pytest.mark.parametrize(
    "event", [SWITCH, canary("x"), ev.CanaryDropAsked(), founded("x"), ev.RetryAsked(rollout="r2")]
)
@pytest.mark.parametrize("place", PLACES)
def test_moves_by_hand_are_refused_while_a_rollout_is_under_way(place: Callable[[], Story], event: ev.Event) -> None:
    reason = place().refused(event)
    assert reason.startswith("rollout r is ")
    assert reason.endswith(("switchover promote", "switchover abort", "switchover rollback"))


def test_a_late_tick_after_the_end_is_refused_and_changes_nothing() -> None:
    story = stepping().wait(1000)
    assert "no rollout is under way" in story.refused(TICK)
