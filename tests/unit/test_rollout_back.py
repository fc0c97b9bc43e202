"""The way back from every phase: to what is ready, flags to their safe values, the candidate stopped and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_plans import (
    ABORT,
    ASK_PERSON,
    PAUSE,
    PROMOTE,
    RESET,
    RESUME,
    STEPS,
    TICK,
    Story,
    baking,
    flags_alone,
    flipping,
    going_back,
    plan,
    rehearsing,
    serving,
    starting,
    stepping,
    waiting_to_go_back,
)
from rollout_story import BACK, KILL_OFF, KILL_ON, canary, down, failed, ready

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.plans.steps import Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import ResetFlags, Retire, Route, Start
from orchestrator.domain.rollouts.state import Phase, What

pytestmark = pytest.mark.requirement("ROLL-8")


def promoting() -> Story:
    return stepping(plan(hold=ASK_PERSON)).wait(120)


PLACES: dict[str, Callable[[], Story]] = {
    "rehearsing": rehearsing,
    "starting": starting,
    "stepping": stepping,
    "promoting": promoting,
    "baking": baking,
    "flipping": flipping,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stopped", [False, True], ids=["going", "paused"])
def test_an_abort_at_any_phase_gives_all_calls_to_the_old_version_and_quarantines_the_new_one(
    place: str, *, stopped: bool
) -> None:
    story = PLACES[place]().happen(*([PAUSE] if stopped else []), ABORT)
    assert story.lanes[0] == 1
    assert story.lanes[1:] == (None, None, 0)
    assert not [one for one in story.commands if isinstance(one, Start)], "no rollback needs a start"
    assert story.state.quarantine["two"].rollout == "r"
    if story.state.phase is Phase.ROLLING_BACK:
        story.happen(RESET)
    assert (story.rollout.phase, story.state.generations.keys()) == (Phase.ROLLED_BACK, {1})
    assert story.words == "ann rolled back: a hunch"


def test_routing_comes_first_flags_then_dependants_first_and_the_stop_last() -> None:
    story = flipping().wait(40).happen(ABORT)
    kinds = [type(one) for one in story.commands]
    assert kinds[0] is Route
    assert ResetFlags("r", ("built_on_it", "base")) in story.commands
    assert Retire(2) not in story.commands
    assert story.happen(RESET).commands == (Retire(2),)


@pytest.mark.parametrize("place", [*list(PLACES)[2:4], "baking", "flipping"])
def test_a_regression_goes_back_also_while_paused_and_at_a_hold(place: str) -> None:
    story = PLACES[place]().happen(PAUSE).look(Verdict.REGRESSION, cause="too many errors")
    assert (story.lanes[0], story.words) == (1, "too many errors")


@pytest.mark.parametrize("place", list(PLACES)[2:])
def test_a_candidate_that_dies_for_good_at_any_phase_is_left(place: str) -> None:
    story = PLACES[place]().happen(failed(2))
    assert story.lanes == (1, None, None, 0)
    assert story.rollout.cause is not None
    assert story.rollout.cause.what is What.CRASH


@pytest.mark.parametrize("place", list(PLACES)[:4])
def test_an_active_version_that_dies_for_good_before_promotion_stops_the_clock_and_no_lane_changes(place: str) -> None:
    story = PLACES[place]()
    before = story.lanes
    story.happen(failed(1)).wait(10_000)
    assert story.lanes == before
    assert "generation 1, the active version, is lost" in story.words


def test_a_canary_that_serves_is_not_left_for_an_active_version_that_is_away() -> None:
    story = stepping(plan(steps=(Step(100, 60.0),))).happen(down(1)).look(Verdict.REGRESSION)
    assert (story.at, story.lanes) == (("rolling_back", "ready", 0), (1, 2, None, 100))
    assert story.happen(ready(1)).lanes == (1, None, None, 0)
    assert story.rollout.phase is Phase.ROLLED_BACK


def test_a_canary_that_is_away_too_is_left_at_once() -> None:
    story = stepping().happen(down(1)).look(Verdict.REGRESSION)
    assert story.happen(down(2)).lanes == (1, None, None, 0)
    assert stepping().happen(down(1), failed(2)).lanes == (1, None, None, 0)


def test_a_canary_without_calls_is_left_whatever_active_does() -> None:
    assert starting().happen(ready(2), down(1), ABORT).lanes == (1, None, None, 0)


def test_without_a_warm_previous_flags_are_reset_at_once_and_traffic_moves_when_it_is_ready() -> None:
    story = waiting_to_go_back()
    assert (story.lanes, story.at[:2]) == ((2, None, 1, 0), ("rolling_back", "ready"))
    assert ResetFlags("r", ("base",)) in story.commands
    story.happen(RESET)
    assert story.rollout.phase is Phase.ROLLING_BACK
    story.happen(ready(1))
    assert (story.lanes, story.rollout.phase) == ((1, None, None, 0), Phase.ROLLED_BACK)


def test_flags_that_are_reset_after_the_traffic_moved_end_it_too() -> None:
    story = waiting_to_go_back().happen(ready(1))
    assert (story.lanes, story.at[:2]) == ((1, None, None, 0), ("rolling_back", "flags"))
    assert story.happen(RESET).rollout.phase is Phase.ROLLED_BACK


def test_with_nothing_left_to_go_back_to_it_says_so_and_serves_on() -> None:
    story = waiting_to_go_back().happen(failed(1))
    assert story.lanes == (2, None, None, 0)
    assert story.words == "ann rolled back: a hunch; nothing is there to go back to, so generation 2 serves on"
    story.happen(RESET)
    assert (story.rollout.phase, story.state.generations.keys()) == (Phase.ROLLED_BACK, {2})


def test_a_candidate_that_dies_while_its_way_back_is_cold_waits_for_it() -> None:
    story = baking().happen(down(1), failed(2))
    assert story.lanes == (2, None, 1, 0)
    assert story.happen(ready(1)).lanes == (1, None, None, 0)


def test_the_old_version_dying_while_flags_are_reset_changes_no_lane() -> None:
    story = going_back().happen(failed(1), failed(2))
    assert story.lanes == (1, None, None, 0)
    assert story.happen(RESET).rollout.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("event", [PROMOTE, RESUME, PAUSE, ABORT, BACK, TICK, ev.WeightAsked(weight=50)])
def test_nothing_stops_or_turns_a_rollback(event: ev.Event) -> None:
    assert "rollout r is rolling back; wait for its end" in going_back().refused(event)


def test_the_kill_switch_works_during_a_rollback() -> None:
    story = waiting_to_go_back().happen(KILL_ON)
    assert story.state.table.kill_switch
    assert story.happen(ready(1)).lanes == (1, None, None, 0)
    assert story.happen(KILL_OFF).state.table.kill_switch is False


@pytest.mark.parametrize("late", [ev.FlagsReset("older"), RESET])
def test_a_reset_nobody_waits_for_is_refused(late: ev.FlagsReset) -> None:
    story = going_back() if late.rollout == "older" else stepping().happen(ABORT)
    assert story.refused(late)


# --- without a judgement, and without a rollout --------------------------------------------------


def test_a_switch_back_is_no_judgement() -> None:
    story = flipping().happen(BACK, RESET)
    assert (story.lanes, story.state.quarantine, story.rollout.phase) == ((1, None, None, 0), {}, Phase.ROLLED_BACK)


def test_a_switch_back_to_nothing_or_to_what_is_away_is_refused_with_what_to_do() -> None:
    assert "generation 1 is not ready: it crashed" in baking().happen(down(1)).refused(BACK)
    assert "to end the rollout: switchover abort" in baking().happen(failed(1)).refused(BACK)
    assert "the rollout only moves flags" in flags_alone().refused(BACK)
    assert "to end it: switchover abort" in stepping().refused(BACK)


def test_a_flag_plan_resets_its_flags_and_judges_no_version() -> None:
    story = flags_alone().look(Verdict.REGRESSION, cause="tokens doubled")
    assert story.commands[-1] == ResetFlags("r", ("base",))
    story.happen(RESET)
    assert (story.rollout.phase, story.state.quarantine, story.lanes) == (Phase.ROLLED_BACK, {}, (1, None, None, 0))


def test_a_version_that_dies_with_a_flag_on_trial_gets_its_flags_back() -> None:
    story = flags_alone().happen(failed(1))
    assert (story.at, story.lanes) == (("rolling_back", "flags", 0), (1, None, None, 0))


def test_a_person_may_judge_what_was_switched_by_hand() -> None:
    story = serving().happen(canary("two"), ready(2), ev.SwitchAsked(), ABORT)
    assert (story.lanes, story.state.quarantine.keys()) == ((1, None, None, 0), {"two"})
    assert story.commands[-1] == Retire(2)
    beside = serving().happen(canary("two"), ready(2), ev.WeightAsked(weight=30), ABORT)
    assert (beside.lanes, beside.state.quarantine.keys()) == ((1, None, None, 0), {"two"})
    assert "there is nothing to go back to" in serving().refused(ABORT)


def test_the_first_cause_is_kept_whatever_comes_after_it() -> None:
    story = waiting_to_go_back().happen(down(2), ready(1), RESET)
    assert story.words == "ann rolled back: a hunch"


def test_a_lost_active_that_gives_way_to_an_older_version_becomes_the_baseline() -> None:
    story = serving().happen(canary("x"), ready(2), ev.SwitchAsked())
    wish = ev.UpgradeAsked(rollout="r", plan=plan(), spec=replace(story.state.generations[1].spec, fingerprint="three"))
    story.happen(wish, ev.RehearsalEnded(rollout="r", failed=False), ready(3), TICK, failed(2))
    assert (story.lanes, story.rollout.baseline) == ((1, 3, None, 10), 1)
    assert story.rollout.watch is not None
    assert (story.rollout.watch.baseline, story.rollout.watch.weight) == (1, 10)


def test_an_older_version_behind_active_may_be_lost_without_a_word() -> None:
    story = serving().happen(canary("x"), ready(2), ev.SwitchAsked())
    wish = ev.UpgradeAsked(rollout="r", plan=plan(steps=STEPS), spec=story.state.generations[1].spec)
    story.happen(wish, ev.RehearsalEnded(rollout="r", failed=False), ready(3), TICK, failed(1))
    assert (story.rollout.paused, story.lanes) == (None, (2, 3, None, 10))
