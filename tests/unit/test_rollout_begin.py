"""How a rollout begins: what stands against it, what its rehearsal leads to, and the start of its candidate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_plans import (
    ABORT,
    ALONE,
    FLAGS_ALONE,
    PAUSE,
    PLAN,
    REHEARSED,
    RESUME,
    TICK,
    asked,
    flags_alone,
    plan,
    rehearsing,
    serving,
    starting,
    stepping,
)
from rollout_story import BACK, KILL_OFF, KILL_ON, canary, down, failed, ready, spec

from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import Rehearsal
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import CancelRehearsal, MoveFlags, Rehearse, Retire, Start
from orchestrator.domain.rollouts.state import Phase, What

pytestmark = pytest.mark.requirement("ROLL-5")

FOUND = replace(REHEARSED, differences=3)
BREAKS = replace(REHEARSED, shared_state=False)


def differing(answer: Answer) -> Rehearsal:
    return Rehearsal(on_differences=answer)


def test_a_rollout_begins_with_its_rehearsal_and_routes_nothing() -> None:
    story = rehearsing()
    assert story.at == ("rehearsing", "running", 0)
    assert story.commands == (Rehearse("r", spec("two")),)
    assert (story.rollout.actor, story.rollout.asked, story.rollout.baseline) == ("ann", story.now, 1)


def test_a_good_rehearsal_has_a_fresh_serving_process_started_and_no_traffic_moves() -> None:
    story = starting()
    assert story.at == ("stepping", "starting", 0)
    assert story.commands == (Start(story.state.generations[2]), CancelRehearsal("r"))
    assert story.lanes == (1, None, None, 0)


def test_without_a_rehearsal_the_candidate_is_started_at_once() -> None:
    story = serving().happen(asked(plan(rehearsal=Rehearsal(run=False))))
    assert story.at == ("stepping", "starting", 0)


def test_a_plan_of_flags_alone_starts_nothing_and_moves_its_first_flag() -> None:
    story = flags_alone()
    assert story.at == ("flipping", "half", 0)
    assert [type(command) for command in story.commands][-1] is MoveFlags
    assert story.state.generations.keys() == {1}


@pytest.mark.parametrize(
    ("before", "wish", "reason"),
    [
        ((KILL_ON,), asked(), "lift it first with: switchover kill-switch off"),
        ((canary("x"), ready(2)), asked(), "generation 2 is the canary; stop it first with: switchover canary --stop"),
        ((), asked(spec=None), "name its command: switchover upgrade -- COMMAND"),
        ((), asked(FLAGS_ALONE, spec=spec("two")), "only moves flags and takes no command"),
        ((asked(), ABORT), asked(name="r2"), "is quarantined: ann rolled back: a hunch (rollout r); to try it"),
        ((asked(), ABORT), asked(spec=spec("three")), "there was a rollout r already; choose another id"),
    ],
)
def test_what_stands_against_a_rollout_is_said_with_what_to_do(
    before: tuple[ev.Event, ...], wish: ev.UpgradeAsked, reason: str
) -> None:
    assert reason in serving().happen(*before).refused(wish)


def test_force_takes_a_version_out_of_quarantine() -> None:
    story = rehearsing().happen(ABORT)
    assert story.state.quarantine.keys() == {"two"}
    story.happen(asked(name="r2", force=True))
    assert (story.state.quarantine, story.at) == ({}, ("rehearsing", "running", 0))


def test_a_flag_plan_may_run_beside_a_canary_that_a_person_started() -> None:
    story = serving().happen(canary("x"), ready(2), asked(FLAGS_ALONE), TICK)
    assert (story.at, story.lanes) == (("flipping", "half", 0), (1, 2, None, 0))


# --- what the rehearsal came to -----------------------------------------------------------------


def test_a_failed_rehearsal_ends_it_without_a_judgement() -> None:
    story = rehearsing().happen(replace(REHEARSED, failed=True, words="the tests fail"))
    assert story.rollout.phase is Phase.ROLLED_BACK
    assert story.words == "the rehearsal failed: the tests fail"
    assert (story.state.quarantine, story.lanes) == ({}, (1, None, None, 0))


def test_versions_that_cannot_share_state_do_not_serve_together() -> None:
    story = rehearsing().happen(BREAKS)
    assert (story.rollout.phase, story.rollout.cause and story.rollout.cause.what) == (Phase.ROLLED_BACK, What.STATE)
    assert rehearsing(ALONE).happen(BREAKS).at == ("promoting", "starting", 0)


def test_what_the_old_code_cannot_bear_is_named_in_the_cause_the_first_of_many() -> None:
    ending = 'so both may not serve at a time (state = "exclusive"): switchover shadow diff r'
    gone, failed = "what it keeps in tasks.db:tasks is gone", "plan: the tool failed"
    for broken, named in {
        (): "",
        (gone, failed): f" ({gone}; {failed})",
        ("a", "b", "c", "d", "e"): " (a; b; c; and 2 more)",
    }.items():
        words = rehearsing().happen(replace(BREAKS, broken=broken)).words
        assert words == f"the old code breaks on what the new code wrote{named}, {ending}"


def test_differences_wait_for_a_person_who_may_go_on() -> None:
    story = rehearsing().happen(FOUND)
    assert story.words == "the rehearsal found 3 differences: switchover shadow diff r"
    assert story.commands == (CancelRehearsal("r"),)
    assert story.happen(RESUME).at == ("stepping", "starting", 0)


def test_one_difference_is_told_as_one() -> None:
    found = rehearsing().happen(replace(FOUND, differences=1))
    assert found.words == "the rehearsal found 1 difference: switchover shadow diff r"


def test_differences_go_on_or_end_it_where_the_plan_says_so() -> None:
    on = rehearsing(plan(rehearsal=differing(Answer.GO_ON))).happen(FOUND)
    assert on.at == ("stepping", "starting", 0)
    ended = rehearsing(plan(rehearsal=differing(Answer.ROLL_BACK))).happen(FOUND)
    assert (ended.rollout.phase, ended.state.quarantine) == (Phase.ROLLED_BACK, {})


@pytest.mark.parametrize("stop", [PAUSE, KILL_ON])
def test_a_rehearsal_that_ends_during_a_pause_waits_for_whoever_paused(stop: ev.Event) -> None:
    story = rehearsing().happen(stop, REHEARSED)
    assert story.at == ("rehearsing", "hold", 0)
    assert story.words.startswith("ann")
    story.happen(*([KILL_OFF] if stop is KILL_ON else []), RESUME)
    assert story.at == ("stepping", "starting", 0)


def test_who_paused_a_rehearsal_is_told_of_differences_before_going_on() -> None:
    story = rehearsing().happen(PAUSE, FOUND)
    assert "3 differences" in story.words


def test_a_pause_of_the_rehearsal_that_is_resumed_in_time_changes_nothing() -> None:
    assert rehearsing().happen(PAUSE, RESUME, REHEARSED).at == ("stepping", "starting", 0)


@pytest.mark.parametrize("late", [replace(REHEARSED, rollout="older"), REHEARSED])
def test_a_rehearsal_nobody_waits_for_is_refused(late: ev.RehearsalEnded) -> None:
    story = rehearsing() if late.rollout == "older" else rehearsing().happen(FOUND)
    assert f"no rehearsal of {late.rollout} is waited for" in story.refused(late)


def test_the_rehearsal_is_ended_when_the_rollout_is() -> None:
    assert rehearsing().happen(ABORT).commands == (CancelRehearsal("r"),)


# --- the start of the candidate -----------------------------------------------------------------


def test_a_candidate_that_does_not_start_ends_it_and_is_retired() -> None:
    story = starting().happen(failed(2))
    assert (story.rollout.phase, story.commands) == (Phase.ROLLED_BACK, (Retire(2),))
    assert story.words == "generation 2 did not start: it is in a crash loop"
    assert story.state.candidate is None


def test_a_ready_candidate_gets_no_call_before_that_is_written_down() -> None:
    story = starting().happen(ready(2))
    assert (story.lanes, story.at) == ((1, 2, None, 0), ("stepping", "starting", 0))
    assert story.happen(TICK).lanes == (1, 2, None, 10)


def test_a_candidate_that_dies_between_readiness_and_the_first_step_is_waited_for() -> None:
    story = starting().happen(ready(2), down(2), TICK)
    assert (story.lanes, story.rollout.unready) == ((1, 2, None, 0), True)
    assert story.happen(ready(2), TICK).lanes == (1, 2, None, 10)


def test_a_pause_while_the_candidate_starts_holds_the_first_step_back() -> None:
    story = starting().happen(PAUSE, ready(2)).wait(1000)
    assert story.lanes == (1, 2, None, 0)
    assert story.happen(RESUME, TICK).lanes == (1, 2, None, 10)


# --- retry --------------------------------------------------------------------------------------


def test_a_retry_runs_the_same_candidate_again_from_its_rehearsal() -> None:
    story = stepping().happen(ABORT).happen(ev.RetryAsked(rollout="r2", salt="other", actor="bob"))
    assert (story.at, story.rollout.id, story.rollout.actor) == (("rehearsing", "running", 0), "r2", "bob")
    assert (story.rollout.spec, story.rollout.plan, story.state.quarantine) == (spec("two"), PLAN, {})
    story.happen(replace(REHEARSED, rollout="r2"), ready(3), TICK)
    assert story.lanes == (1, 3, None, 10)


def test_a_retry_of_nothing_or_of_what_went_well_is_refused() -> None:
    assert "nothing to retry; begin one with: switchover upgrade" in serving().refused(ev.RetryAsked(rollout="r"))
    done = stepping().wait(1000)
    assert "nothing to retry" in done.refused(ev.RetryAsked(rollout="r2"))


def test_a_retry_during_a_rollout_is_refused_and_nothing_restarts_after_an_abort_by_itself() -> None:
    story = stepping()
    assert "to end it: switchover abort" in story.refused(ev.RetryAsked(rollout="r2"))
    story.happen(ABORT)
    for late in (ready(2), TICK, BACK, REHEARSED):
        assert story.refused(late)
    assert story.lanes == (1, None, None, 0)
