"""The canary's steps on virtual time: weights, holds, retreats, what is missing and what is not yet known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from rollout_plans import (
    ABORT,
    ASK_COMMAND,
    ASK_PERSON,
    PROMOTE,
    RESUME,
    STEPS,
    TICK,
    Story,
    plan,
    starting,
    stepping,
)
from rollout_story import NOW, down, failed, ready

from orchestrator.domain.evidence.look import LimitLook, Verdict
from orchestrator.domain.plans.freeze import FreezeWindow, Weekday
from orchestrator.domain.plans.limits import Answer, Judge, Policy, Slower, Spread
from orchestrator.domain.plans.steps import Keys, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import AskHold, Observe
from orchestrator.domain.rollouts.state import Phase, What
from orchestrator.domain.routing import Lane

pytestmark = pytest.mark.requirement("ROLL-6")

NEVER = Verdict.NO_DATA
DOUBT = {
    "doubtful": True,
    "limits": (LimitLook("error worse by 0.05", "error", "sequential", Verdict.NOT_YET, doubtful=True),),
}
RETREAT = {"on_inconclusive": Answer.RETREAT, "policy": Policy(retreat=(5, 0))}


def test_each_step_has_its_weight_for_its_time_and_the_last_one_promotes() -> None:
    story = stepping()
    seen = [story.lanes]
    for _ in range(2):
        story.wait(59.9)
        assert story.lanes == seen[-1]
        seen.append(story.wait(0.1).lanes)
    assert seen == [(1, 2, None, 10), (1, 2, None, 50), (2, None, 1, 0)]
    assert story.at == ("baking", "health", 0)


def test_each_step_is_an_epoch_of_its_own_with_its_share() -> None:
    story = stepping()
    first = story.rollout.watch
    story.wait(60)
    second = story.rollout.watch
    assert first is not None
    assert second is not None
    assert (first.share, second.share, first.trial, first.baseline) == (0.1, 0.5, 2, 1)
    assert first.epoch != second.epoch
    assert Observe(second) in story.commands


def test_a_step_that_mirrors_says_so() -> None:
    story = stepping(plan(steps=(Step(10, 60.0, mirror=True), STEPS[1])))
    assert story.commands[-1] == Observe(story.rollout.watch, Lane.CANARY)
    assert story.wait(60).commands[-1] == Observe(story.rollout.watch, None)


def test_a_step_takes_its_keys_besides_the_weight_and_the_next_one_does_not() -> None:
    keys = Keys(always=("internal-*",), only_new_by="began")
    story = stepping(plan(steps=(Step(0, 60.0, keys=keys, analysis=False), STEPS[1])))
    table = story.state.table
    assert (table.weight, table.always, table.new_by, table.new_since) == (0, ("internal-*",), "began", NOW)
    table = story.wait(60).state.table
    assert (table.weight, table.always, table.new_by, table.new_since) == (50, (), "", 0.0)


def test_keys_since_an_instant_count_from_there() -> None:
    story = stepping(plan(steps=(Step(5, 60.0, keys=Keys(only_new_by="began", since="2026-11-01T00:00:00Z")),)))
    assert story.state.table.new_since == 1_793_491_200.0


def test_without_traffic_a_step_waits_for_ever_and_goes_on_once_data_come() -> None:
    story = stepping().wait(100_000, None)
    assert (story.lanes[3], story.rollout.waiting) == (10, True)
    story.look(NEVER)
    assert story.lanes[3] == 10
    assert story.look().lanes[3] == 50


@pytest.mark.parametrize("lost", [Verdict.NO_DATA, Verdict.BROKEN_TELEMETRY])
@pytest.mark.parametrize(
    ("answer", "phase", "weight"),
    [
        (Answer.PAUSE, Phase.STEPPING, 10),
        (Answer.ROLL_BACK, Phase.ROLLED_BACK, 0),
        (Answer.GO_ON, Phase.STEPPING, 50),
    ],
)
def test_missing_data_are_answered_as_the_plan_says(lost: Verdict, answer: Answer, phase: Phase, weight: int) -> None:
    story = stepping(plan(on_missing_data=answer)).wait(60, lost)
    assert (story.rollout.phase, story.lanes[3]) == (phase, weight)
    if answer is not Answer.GO_ON:
        assert story.words.startswith("data are missing: ")


def test_who_waits_for_data_may_be_told_to_go_on_without_them() -> None:
    assert stepping().wait(70, NEVER).happen(RESUME).lanes[3] == 50


@pytest.mark.parametrize(
    ("answer", "phase", "weight"),
    [
        (Answer.PAUSE, Phase.STEPPING, 10),
        (Answer.ROLL_BACK, Phase.ROLLED_BACK, 0),
        (Answer.GO_ON, Phase.STEPPING, 50),
    ],
)
def test_doubt_at_the_end_of_a_step_is_answered_as_the_plan_says(answer: Answer, phase: Phase, weight: int) -> None:
    story = stepping(plan(on_inconclusive=answer)).wait(60, **DOUBT)
    assert (story.rollout.phase, story.lanes[3]) == (phase, weight)
    if answer is not Answer.GO_ON:
        assert "error worse by 0.05" in story.words


def test_a_step_without_analysis_or_limits_needs_no_look() -> None:
    assert stepping(plan(steps=(Step(10, 60.0, analysis=False), STEPS[1]))).wait(60, None).lanes[3] == 50
    assert stepping(plan(limits=())).wait(60, None).lanes[3] == 50


# --- retreat ------------------------------------------------------------------------------------


def fifty(**changes: object) -> Story:
    return stepping(plan(steps=(Step(50, 60.0),), **{**RETREAT, **changes}))


def test_in_doubt_it_goes_down_and_up_again_once_and_then_asks() -> None:
    story = fifty().wait(60, **DOUBT)
    assert (story.lanes[3], story.rollout.retreat) == (5, 1)
    assert story.wait(60).lanes[3] == 50
    story.wait(60, **DOUBT)
    assert (story.lanes[3], story.words[-40:]) == (50, "; there is no lower weight to go down to")
    assert story.happen(RESUME).lanes == (2, None, 1, 0)


def test_at_0_percent_nothing_more_is_learned_so_a_person_has_to_look() -> None:
    story = fifty().wait(120, **DOUBT)
    assert story.lanes[3] == 0
    assert "gone down to 0 %" in story.words
    assert story.wait(10_000).lanes[3] == 0
    assert story.happen(RESUME).lanes[3] == 50


def test_a_retreat_is_not_ended_early_by_certainty() -> None:
    policy = Policy(retreat=(5,), advance_when_certified=True)
    story = fifty(policy=policy).wait(60, **DOUBT).look(Verdict.WITHIN_MARGIN)
    assert story.lanes[3] == 5


def test_all_visits_of_a_step_spend_at_most_twice_its_alpha_and_retreats_at_most_theirs() -> None:
    of = plan(steps=(Step(50, 60.0),), judge=Judge(alpha=0.01, spread=Spread.EVEN), **RETREAT)
    story, spent = stepping(of), {"steps": 0.0, "retreat": 0.0}
    first = story.rollout.watch
    assert first is not None
    for at in range(4):
        watch = story.rollout.watch
        assert watch is not None
        spent[watch.part] += watch.alpha
        if at < 2:
            story.wait(60, **(DOUBT if at == 0 else {}))
        else:
            story.happen(ev.WeightAsked(weight=at, actor="ann"))
    assert spent["steps"] <= 2 * first.alpha
    assert spent["retreat"] <= first.alpha


# --- regression, certainty, disagreement --------------------------------------------------------


def test_a_regression_ends_it_at_that_very_look() -> None:
    limit = LimitLook("error worse by 0.05", "error", "sequential", Verdict.REGRESSION)
    story = stepping().look(Verdict.REGRESSION, cause="error 6 % against 1 %", limits=(limit,))
    cause = story.rollout.cause
    assert cause is not None
    assert (cause.what, cause.metric, cause.step) == (What.REGRESSION, "error", "step 1 of 2 (10 %)")
    assert (story.words, story.lanes) == ("error 6 % against 1 %", (1, None, None, 0))


def test_a_look_at_another_epoch_is_refused_but_not_the_regression_that_ended_unseen() -> None:
    story = stepping()
    first = story.rollout.watch
    assert first is not None
    old = ev.Looked(replace(story.look().rollout.look, verdict=Verdict.REGRESSION))  # type: ignore[type-var]
    story.wait(60)
    calm = replace(old.look, verdict=Verdict.NOT_YET)
    assert f"the look is at {first.epoch}" in story.refused(ev.Looked(calm))
    assert story.happen(old).rollout.phase is Phase.ROLLED_BACK


def test_a_regression_a_person_went_past_is_not_held_against_the_next_step() -> None:
    story = stepping(plan(on_regression=Answer.PAUSE)).look(Verdict.REGRESSION)
    old = ev.Looked(story.rollout.look)  # type: ignore[arg-type]  # there is one
    story.happen(RESUME).wait(60, Verdict.REGRESSION).happen(RESUME)
    assert story.lanes[3] == 50
    assert "is not what is watched" in story.refused(old)


def test_certainty_ends_a_step_early_where_the_plan_wants_that() -> None:
    sure = plan(policy=Policy(advance_when_certified=True))
    assert stepping(sure).look(Verdict.WITHIN_MARGIN).lanes[3] == 50
    assert stepping().look(Verdict.WITHIN_MARGIN).lanes[3] == 10
    stays = replace(sure, steps=(Step(10, None), STEPS[1]))
    assert stepping(stays).look(Verdict.WITHIN_MARGIN).lanes[3] == 10


def test_a_step_is_made_longer_once_while_the_versions_disagree() -> None:
    of = plan(policy=Policy(slower=Slower(above=0.1, factor=3.0)))
    story = stepping(of).wait(60, disagreement=0.2)
    assert (story.lanes[3], story.rollout.due, story.rollout.slowed) == (10, NOW + 180, True)
    assert story.wait(120, disagreement=0.2).lanes[3] == 50
    assert stepping(of).wait(60, disagreement=0.1).lanes[3] == 50


# --- processes, holds, freeze windows -----------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_no_step_begins_while_either_version_is_away(number: int) -> None:
    story = stepping().happen(down(number)).wait(600)
    assert (story.lanes[3], story.rollout.unready) == (10, True)
    assert story.happen(ready(number)).wait(0).lanes[3] == 50


def test_a_lost_candidate_ends_it_and_is_quarantined() -> None:
    story = stepping().happen(failed(2))
    assert (story.rollout.phase, story.lanes, story.state.quarantine.keys()) == (
        Phase.ROLLED_BACK,
        (1, None, None, 0),
        {"two"},
    )
    assert story.words == "generation 2 crashed again and again: it is in a crash loop"


def test_a_lost_active_stops_the_clock_and_the_healthy_canary_stays() -> None:
    story = stepping().happen(failed(1)).wait(10_000)
    assert story.lanes == (1, 2, None, 10)
    assert "generation 1, the active version, is lost" in story.words
    assert story.happen(PROMOTE).lanes == (2, None, 1, 0)


def test_a_step_that_stays_until_resumed_stays() -> None:
    story = stepping(plan(steps=(Step(10, None), STEPS[1]))).wait(1_000_000)
    assert story.lanes[3] == 10
    assert story.happen(RESUME).lanes[3] == 50


def test_a_hold_keeps_the_weight_and_the_guard_until_somebody_agrees() -> None:
    story = stepping(plan(steps=(STEPS[0], replace(STEPS[1], hold=ASK_PERSON)))).wait(10_000)
    assert (story.at, story.lanes[3]) == (("stepping", "hold", 1), 10)
    assert story.rollout.watch is not None
    assert story.happen(RESUME).lanes[3] == 50


@pytest.mark.requirement("VERB-4")
def test_what_is_decided_in_a_hold_names_the_weight_in_force_and_not_the_next_steps_alone() -> None:
    held = plan(steps=(STEPS[0], replace(STEPS[1], hold=ASK_PERSON)))
    cause = stepping(held).wait(10_000).look(Verdict.REGRESSION, cause="error 6 % against 1 %").rollout.cause
    assert cause is not None
    assert cause.step == "the hold before step 2 of 2 (50 %), with 10 % in force"


def test_a_hold_asks_its_command_and_its_yes_goes_on() -> None:
    story = stepping(plan(steps=(replace(STEPS[0], hold=ASK_COMMAND),)))
    assert AskHold("r", ASK_COMMAND) in story.commands
    story.happen(ev.HoldAgreed("r", hold=ASK_COMMAND))
    assert (story.lanes[3], AskHold("r", None) in story.commands) == (10, True)


@pytest.mark.parametrize(
    "late", [ev.HoldAgreed("older"), ev.HoldAgreed("r", hold=replace(ASK_COMMAND, command=("another",)))]
)
def test_the_yes_to_another_hold_is_no_yes_to_this_one(late: ev.HoldAgreed) -> None:
    assert stepping(plan(steps=(replace(STEPS[0], hold=ASK_COMMAND),))).refused(late) == "no hold waits for that"


def test_a_hold_for_a_person_is_agreed_to_by_nobody_else() -> None:
    assert stepping(plan(steps=(replace(STEPS[0], hold=ASK_PERSON),))).refused(ev.HoldAgreed("r"))


def test_a_hold_that_nobody_agrees_to_in_time_pauses_and_resuming_goes_on() -> None:
    story = stepping(plan(steps=(replace(STEPS[0], hold=ASK_COMMAND),))).wait(300)
    assert "nobody agreed at step 1 of 1 (10 %) in time" in story.words
    assert story.happen(RESUME).lanes[3] == 10


FRIDAY = 1_799_971_200.0
"""2027-01-15 00:00 UTC, a Friday."""
WEEKEND = FreezeWindow("UTC", (Weekday.FRI, Weekday.SAT, Weekday.SUN))


def frozen(**changes: object) -> Story:
    story = starting(plan(freeze=(WEEKEND,), **changes))
    story.now = FRIDAY
    return story.happen(ready(2), TICK)


def test_no_step_begins_in_a_freeze_window_and_the_first_one_after_it() -> None:
    story = frozen()
    assert (story.lanes[3], story.rollout.frozen) == (0, True)
    assert story.wait(3 * 86_400 - 1).lanes[3] == 0
    assert story.wait(1).lanes[3] == 10


def test_what_was_agreed_to_in_a_freeze_window_goes_on_after_it_without_being_asked_again() -> None:
    story = frozen(steps=(replace(STEPS[0], hold=ASK_PERSON),)).wait(3 * 86_400)
    story.now = FRIDAY + 7 * 86_400
    story.happen(RESUME)
    assert "the freeze window is over" in story.refused(RESUME)
    assert story.wait(3 * 86_400).at == ("stepping", "running", 0)


def test_a_rollback_waits_for_no_freeze_window() -> None:
    assert frozen().happen(ABORT).rollout.phase is Phase.ROLLED_BACK


def test_a_plan_that_is_frozen_for_ever_says_so_and_a_person_may_promote() -> None:
    story = starting(plan(freeze=(FreezeWindow("UTC"),))).happen(ready(2), TICK)
    assert story.words == "no time is ever outside the plan's freeze windows"
    assert story.happen(PROMOTE).lanes == (2, None, 1, 0)


def test_weights_only_rise_on_the_way_to_promotion() -> None:
    story, weights = stepping(plan(steps=tuple(Step(weight, 10.0) for weight in (1, 5, 25, 100)))), []
    while story.rollout.phase is Phase.STEPPING:
        weights.append(story.lanes[3])
        story.wait(10)
    assert weights == [1, 5, 25, 100]
    assert all(low < high for low, high in pairwise(weights))
