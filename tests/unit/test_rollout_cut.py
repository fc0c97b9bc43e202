"""One version at a time on one state: calls wait while it is handed over, and only a person hands it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_plans import (
    ABORT,
    ALONE,
    ASK_PERSON,
    CUT,
    CUT_BACK,
    LOSE,
    PAUSE,
    PLAN,
    PROMOTE,
    REHEARSED,
    RESET,
    RESUME,
    TICK,
    asked,
    cut_over,
    cutting,
    rehearsing,
    serving,
)
from rollout_story import BACK, KILL_OFF, KILL_ON, NOW, SWITCHED, after, down, failed, ready

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.freeze import FreezeWindow
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import Bake, Promotion, StateUse
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.commands import AskHold, CutBack, CutOver, Observe, ResetFlags, Retire, Route, Start
from orchestrator.domain.rollouts.effects import wanted
from orchestrator.domain.rollouts.state import Phase, Snapshot, What
from orchestrator.domain.rollouts.told import where
from orchestrator.domain.rollouts.why import why

pytestmark = pytest.mark.requirement("EXCLUSIVE-2")

NOTHING_RUNS = ("promoting", "cutting", 0)
RETURNS = ("rolling_back", "cutting", 0)


def running(story: object) -> list[int]:
    """Return which generations a daemon that begins with a state starts by itself."""
    return [one.generation.number for one in wanted(story.state) if isinstance(one, Start)]  # type: ignore[attr-defined]


# --- over -----------------------------------------------------------------------------------------


def test_the_cut_is_asked_for_and_neither_version_is_started_by_itself_meanwhile() -> None:
    story = cutting()
    assert (story.at, story.lanes) == (NOTHING_RUNS, (1, None, None, 0))
    assert story.commands == (CutOver("r", 1, 2),)
    assert running(story) == []
    assert CutOver("r", 1, 2) in wanted(story.state)
    assert due_at(story.state) is None


def test_once_the_new_version_has_the_state_all_calls_go_to_it_and_the_old_one_is_parked() -> None:
    story = cut_over()
    assert (story.at, story.lanes) == (("baking", "health", 0), (2, None, 1, 0))
    assert (story.state.table.previous_warm, story.state.generations[1].standing) == (False, Standing.PARKED)
    assert story.rollout.snapshot == Snapshot(NOW + 5, "snapshots/r/before")
    assert [type(one) for one in story.commands] == [Route, Observe]
    assert running(story) == [2]


def test_it_goes_to_its_end_without_the_way_back_being_ready_and_the_old_version_is_retired() -> None:
    story = cut_over().wait(60).wait(30).wait(200)
    assert (story.rollout.phase, story.lanes) == (Phase.DONE, (2, None, None, 0))
    assert Retire(1) in story.commands


def test_nothing_is_mirrored_to_a_version_that_does_not_run() -> None:
    story = cut_over(replace(ALONE, bake=Bake(health=60.0, unlock=90.0, mirror=True)))
    assert [one.mirror for one in story.commands if isinstance(one, Observe)] == [None]


def test_a_hold_and_a_freeze_window_come_before_the_cut() -> None:
    held = rehearsing(replace(ALONE, promotion=Promotion(ASK_PERSON))).happen(REHEARSED, TICK)
    assert (held.at, held.rollout.candidate) == (("promoting", "hold", 0), None)
    assert held.happen(RESUME).at == NOTHING_RUNS
    early = rehearsing(replace(ALONE, promotion=Promotion(ASK_PERSON))).happen(REHEARSED, TICK, PROMOTE)
    assert early.at == NOTHING_RUNS
    window = FreezeWindow(days=("fri",), begin="00:00", end="23:00", zone="UTC")
    frozen = rehearsing(replace(ALONE, freeze=(window,))).happen(REHEARSED, TICK)
    assert (frozen.at, frozen.rollout.frozen) == (("promoting", "starting", 0), True)


def test_a_third_version_that_is_warm_is_stopped_first() -> None:
    story = serving()
    story.state = after(*SWITCHED)
    story.happen(asked(ALONE), REHEARSED, TICK)
    assert (story.lanes, story.rollout.baseline) == ((2, None, None, 0), 2)
    assert [one for one in story.commands if isinstance(one, CutOver | Retire)] == [CutOver("r", 2, 3), Retire(1)]


def test_steps_and_an_exclusive_state_are_refused() -> None:
    refused = serving().refused(asked(replace(PLAN, state=StateUse.EXCLUSIVE)))
    assert refused == "the plan small has steps, and its state is exclusive: two versions cannot serve at a time"


def test_a_cut_cannot_be_paused_hurried_or_overtaken_by_time() -> None:
    story = cutting(replace(ALONE, deadline=10.0, on_deadline=Answer.ROLL_BACK))
    for event in (PAUSE, RESUME, PROMOTE):
        assert "hands the state over" in story.refused(event)
    story.now += 100
    assert story.happen(TICK).at == NOTHING_RUNS
    assert [story.refused(event) for event in (ready(1), down(1), failed(1))] == ["generation 1 is parked"] * 3
    assert story.happen(ready(2), CUT).lanes == (2, None, 1, 0)
    assert story.happen(TICK).rollout.paused is not None, "the deadline is acted on by a person then"


def test_nothing_is_cut_over_to_a_version_that_is_not_ready_or_for_another_rollout() -> None:
    assert "generation 2 is not ready" in cutting().refused(CUT)
    assert cutting().refused(replace(CUT, rollout="x")) == "no cut-over of x is waited for"
    assert cut_over().refused(CUT) == "rollout r is baking: to end it: switchover abort"
    assert cutting().refused(replace(ev.CutOverFailed("r", ""), rollout="x")) == "no cut-over of x is waited for"
    assert cutting().happen(ABORT).refused(replace(CUT_BACK, rollout="x")) == "no way back of x is waited for"


# --- back before a call was served ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "what", "judged"),
    [
        (failed(2), What.START, True),
        (ev.CutOverFailed("r", "the disk is full"), What.STATE, False),
        (ABORT, What.PERSON, True),
        (KILL_ON, What.PERSON, False),
        (ev.JournalBroken("the disk is full"), What.JOURNAL, False),
    ],
)
def test_what_fails_before_a_call_was_served_goes_back_by_itself_and_loses_nothing(
    event: ev.Event, what: What, *, judged: bool
) -> None:
    story = cutting().happen(event)
    assert (story.at, story.rollout.cause and story.rollout.cause.what) == (RETURNS, what)
    assert CutBack("r", 1, 2, aside=False) in story.commands
    assert running(story) == []
    assert "lose" not in story.words
    story.happen(failed(1), ready(1), CUT_BACK)
    assert (story.rollout.phase, story.lanes) == (Phase.ROLLED_BACK, (1, None, None, 0))
    assert story.commands == (Observe(None), AskHold("r", None), Retire(2)) or story.commands[-1] == Retire(2)
    assert ("two" in story.state.quarantine) is judged


@pytest.mark.requirement("EXCLUSIVE-6")
def test_what_stands_in_the_way_back_is_said_until_nothing_does() -> None:
    full = ev.CutBackStuck("r", "the disk is full")
    assert cutting().happen(ABORT).refused(replace(full, rollout="x")) == "no way back of x is waited for"
    story = cutting().happen(ABORT, full)
    assert (story.at, story.commands) == (RETURNS, ())
    tried = (
        "calls wait until generation 1 has its state again, which does not succeed and is tried on: the disk is full"
    )
    assert tried in where(story.rollout)
    assert tried in why(story.rollout, story.now)[0]
    assert story.refused(full) == "that is known"
    assert "does not succeed" not in where(story.happen(ev.CutBackStuck("r", "")).rollout)
    assert story.happen(full, ready(1), CUT_BACK).rollout.stuck == ""


# --- back after it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (ALONE, Verdict.REGRESSION),
        (replace(ALONE, on_missing_data=Answer.ROLL_BACK), Verdict.NO_DATA),
        (replace(ALONE, on_deadline=Answer.ROLL_BACK, deadline=30.0), Verdict.NOT_YET),
    ],
)
def test_nothing_that_was_written_is_lost_by_the_daemons_own_decision(of: object, verdict: Verdict) -> None:
    story = cut_over(of).wait(60, verdict)  # type: ignore[arg-type]  # a plan
    assert (story.lanes, story.rollout.paused is not None) == ((2, None, 1, 0), True)
    assert "going back loses what was written since 2027-01-15 08:00:05 UTC, so a person decides" in story.words


def test_a_version_that_crashes_again_and_again_is_started_again_and_a_person_decides() -> None:
    story = cut_over().happen(failed(2))
    assert (story.lanes, story.rollout.paused is not None) == ((2, None, 1, 0), True)
    assert running(story) == [2]


def test_a_person_who_says_so_has_the_state_restored_before_anything_is_routed() -> None:
    story = cut_over()
    told = "going back loses what was written since 2027-01-15 08:00:05 UTC; to do it all the same: "
    assert story.refused(ABORT) == f"{told}switchover rollback --lose-writes"
    assert story.refused(BACK) == f"{told}switchover rollback --lose-writes"
    story.happen(LOSE)
    assert (story.at, story.lanes) == (RETURNS, (2, None, 1, 0))
    assert story.commands == (Observe(None), CutBack("r", 1, 2, aside=True))
    assert running(story) == []
    assert "wait" in story.refused(LOSE)
    assert "generation 1 is not ready" in story.refused(CUT_BACK)
    story.happen(down(2), failed(2), failed(1), ready(1), CUT_BACK)
    assert (story.rollout.phase, story.lanes, "two" in story.state.quarantine) == (
        Phase.ROLLED_BACK,
        (1, None, None, 0),
        True,
    )
    assert story.commands[-1] == Retire(2)
    lost = "going back loses 3 calls that may have written since 2027-01-15 08:00:05 UTC"
    assert story.words == f"ann rolled back: a hunch; {lost}"


@pytest.mark.parametrize("flags_first", [True, False])
def test_flags_are_reset_whichever_comes_first_the_flags_or_the_state(*, flags_first: bool) -> None:
    story = cut_over().wait(60).wait(30).happen(LOSE)
    assert ResetFlags("r", ("base",)) in story.commands
    story.happen(*((RESET, ready(1), CUT_BACK) if flags_first else (ready(1), CUT_BACK, RESET)))
    assert (story.rollout.phase, story.lanes) == (Phase.ROLLED_BACK, (1, None, None, 0))


def test_reports_of_a_parked_version_are_refused_and_the_kill_switch_sends_nothing_to_it() -> None:
    story = cut_over()
    for event in (ready(1), down(1), failed(1)):
        assert story.refused(event) == "generation 1 is parked"
    story.happen(KILL_ON)
    assert (story.lanes, story.state.table.previous_warm) == ((2, None, 1, 0), False)
    assert story.happen(KILL_OFF, RESUME).rollout.paused is None
