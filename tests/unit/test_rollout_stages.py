"""After the promotion, on virtual time: the old version stays warm, then one flag moves at a time, then it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_plans import (
    ABORT,
    ASK_PERSON,
    FLAGS,
    FLAGS_ALONE,
    PAUSE,
    PROMOTE,
    RESUME,
    STEPS,
    TICK,
    asked,
    baking,
    flags_alone,
    flipping,
    plan,
    serving,
    stepping,
)
from rollout_story import canary, down, failed, ready

from orchestrator.domain.evidence.look import Arm, LimitLook, Verdict
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import Bake
from orchestrator.domain.plans.steps import TooYoung
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import MoveFlags, Observe, Retire
from orchestrator.domain.rollouts.state import Moved, Phase
from orchestrator.domain.rollouts.told import told
from orchestrator.domain.rollouts.why import why
from orchestrator.domain.routing import Lane

pytestmark = pytest.mark.requirement("ROLL-7")

OLD = (replace(FLAGS[0], min_stable=3600.0), FLAGS[1])
HALF, WHOLE = Moved("base", "1", 50), Moved("base", "1", 100)
SECOND = Moved("built_on_it", "1", 100)
REFUSED = ev.FlagRefused(rollout="r", flag="base", reason="the disk is full")
EDITED = ev.FlagEdited("base", "bob")
STANDS = ev.FlagStands(rollout="r", flag="base")


def test_a_promotion_keeps_the_old_version_warm_and_mirrors_to_it() -> None:
    story = baking()
    assert (story.lanes, story.state.table.previous_warm) == ((2, None, 1, 0), True)
    assert story.commands[-1] == Observe(story.rollout.watch, Lane.PREVIOUS)
    quiet = baking(plan(bake=Bake(health=60.0, unlock=90.0, mirror=False)))
    assert quiet.commands[-1] == Observe(quiet.rollout.watch, None)


def test_a_promotion_waits_for_whoever_its_hold_names_with_the_guard_on() -> None:
    story = stepping(plan(hold=ASK_PERSON)).wait(10_000)
    assert (story.at, story.lanes, story.rollout.watch is not None) == (
        ("promoting", "hold", 1),
        (1, 2, None, 50),
        True,
    )
    assert story.happen(RESUME).lanes == (2, None, 1, 0)


def test_a_candidate_that_just_died_is_not_promoted() -> None:
    story = stepping(plan(hold=ASK_PERSON)).wait(120).happen(down(2), RESUME)
    assert (story.lanes, story.rollout.unready) == ((1, 2, None, 50), True)
    assert "generation 2 is not ready: it crashed" in story.refused(PROMOTE)
    assert story.happen(ready(2), TICK).lanes == (2, None, 1, 0)


def test_a_promotion_retires_the_previous_version_of_an_older_switch() -> None:
    story = serving().happen(canary("x"), ready(2), ev.SwitchAsked())
    story.happen(asked(), ev.RehearsalEnded(rollout="r", failed=False), ready(3), TICK, PROMOTE)
    assert (story.lanes, story.commands[-1]) == ((3, None, 2, 0), Retire(1))


def test_bake_then_flags_one_after_the_other_then_done() -> None:
    story, seen = baking(), []
    start = story.now
    while not story.rollout.is_over:
        story.wait(10)
        if not seen or seen[-1][1:] != (story.at, story.rollout.moved):
            seen.append((story.now - start, story.at, story.rollout.moved))
    assert seen == [
        (10, ("baking", "health", 0), ()),
        (60, ("baking", "unlock", 0), ()),
        (90, ("flipping", "half", 0), (HALF,)),
        (110, ("flipping", "whole", 0), (WHOLE,)),
        (130, ("flipping", "whole", 1), (WHOLE, SECOND)),
        (170, ("done", "whole", 1), (WHOLE, SECOND)),
    ]
    assert (story.lanes, story.words) == ((2, None, None, 0), "generation 2 serves all calls")


def test_the_old_version_is_stopped_only_when_it_is_done() -> None:
    story = flipping()
    assert 1 in story.state.generations
    story.wait(80)
    assert (story.rollout.phase, story.state.generations.keys()) == (Phase.DONE, {2})
    assert Retire(1) in story.commands


def test_a_plan_without_flags_is_done_after_its_health() -> None:
    assert baking(plan(flags=())).wait(60).rollout.phase is Phase.DONE


def test_a_flag_waits_until_the_version_has_run_for_long_enough() -> None:
    story = flipping(plan(flags=OLD))
    assert (story.at, story.rollout.moved) == (("flipping", "young", 0), ())
    assert story.wait(3600 - 91).at == ("flipping", "young", 0)
    assert story.wait(1).at == ("flipping", "half", 0)


def test_a_flag_that_is_too_young_may_be_left_out() -> None:
    young = plan(flags=(replace(OLD[0], if_too_young=TooYoung.SKIP), FLAGS[1]))
    story = flipping(young)
    assert (story.at, story.rollout.moved) == (("flipping", "whole", 1), (SECOND,))


def test_a_flag_plan_that_left_all_out_says_that_it_moved_none() -> None:
    young = replace(FLAGS_ALONE, flags=(replace(OLD[0], if_too_young=TooYoung.SKIP),))
    story = flags_alone(young)
    assert (story.rollout.phase, story.rollout.moved) == (Phase.DONE, ())
    assert story.words == "no flag was moved: the version has not run for long enough"


def test_a_flag_plan_goes_by_how_long_the_version_has_been_active_and_touches_no_lane() -> None:
    story = flags_alone(replace(FLAGS_ALONE, flags=OLD))
    assert story.at == ("flipping", "young", 0)
    story.wait(3600)
    assert story.at == ("flipping", "half", 0)
    story.wait(1000)
    assert (story.rollout.phase, story.lanes, story.words) == (Phase.DONE, (1, None, None, 0), "the flags are moved")


def test_a_flag_on_trial_is_watched_with_its_share() -> None:
    story = flipping()
    half = story.rollout.watch
    whole = story.wait(20).rollout.watch
    assert half is not None
    assert whole is not None
    assert (half.flag, half.share, whole.flag, whole.share) == ("base", 0.5, "base", 1.0)
    assert half.epoch != whole.epoch
    assert half.alpha == whole.alpha


def test_no_flag_moves_while_the_way_back_is_cold() -> None:
    story = baking().happen(down(1)).wait(1000)
    assert (story.at, story.rollout.unready) == (("baking", "health", 0), True)
    assert story.happen(ready(1)).wait(0).at == ("flipping", "half", 0)


def test_a_lost_way_back_stops_the_clock_until_a_person_goes_on_without_it() -> None:
    story = baking().happen(failed(1)).wait(1000)
    assert "generation 1, the way back, is lost" in story.words
    assert story.lanes == (2, None, None, 0)
    assert story.happen(RESUME).wait(1000).rollout.phase is Phase.DONE


def test_no_data_in_the_bake_and_in_a_stage_move_no_flag() -> None:
    story = baking().wait(10_000, Verdict.NO_DATA)
    assert (story.rollout.moved, story.rollout.waiting) == ((), True)
    stage = flipping().wait(10_000, None)
    assert stage.rollout.moved == (HALF,)


def test_doubt_in_a_stage_pauses_whatever_a_retreat_would_be() -> None:
    story = flipping(plan(on_inconclusive=Answer.RETREAT)).wait(20, doubtful=True)
    assert "there is no lower weight to go down to" in story.words
    assert story.happen(RESUME).at == ("flipping", "whole", 0)


# --- flags that are refused, or moved by hand ---------------------------------------------------


def test_a_flag_that_could_not_be_moved_stops_the_clock_and_going_on_tries_it_again() -> None:
    story = flipping().happen(REFUSED)
    assert story.words == "base could not be moved: the disk is full"
    epoch = story.rollout.watch and story.rollout.watch.epoch
    story.wait(1000).happen(RESUME)
    assert MoveFlags("r", (HALF,)) in story.commands
    assert (story.at, story.rollout.due) == (("flipping", "half", 0), story.now + 20)
    assert story.rollout.watch is not None
    assert story.rollout.watch.epoch != epoch


def test_a_flag_refused_for_all_keys_is_tried_for_all_keys_and_reset_all_the_same() -> None:
    story = flipping().wait(20).happen(REFUSED)
    assert story.happen(RESUME).commands[-1] == MoveFlags("r", (WHOLE,))
    assert story.happen(REFUSED, ABORT).at == ("rolling_back", "flags", 0)


def test_an_earlier_flag_refused_late_is_tried_again_and_hurries_no_other() -> None:
    waits = (FLAGS[0], replace(FLAGS[1], min_stable=500.0))
    story = flipping(plan(flags=waits)).wait(40).happen(REFUSED, RESUME)
    assert (story.at, story.commands) == (("flipping", "young", 1), (MoveFlags("r", (WHOLE,)),))
    assert story.rollout.due == story.now + 500 - 130


@pytest.mark.parametrize("late", [replace(REFUSED, rollout="older"), replace(REFUSED, flag="built_on_it")])
def test_the_refusal_of_a_flag_nobody_moves_is_refused(late: ev.FlagRefused) -> None:
    assert f"no rollout moves {late.flag} now" in flipping().refused(late)


def test_a_flag_edited_by_hand_on_trial_is_that_persons_and_its_stage_is_over() -> None:
    story = flipping().happen(EDITED)
    assert story.words == "bob changed base by hand in the middle of the rollout"
    assert (story.rollout.moved, [type(one) for one in story.commands]) == ((), [])
    story.wait(1000).happen(RESUME)
    assert (story.at, story.rollout.moved) == (("flipping", "whole", 1), (SECOND,))


def test_a_flag_edited_by_hand_after_it_was_refused_is_not_tried_again() -> None:
    story = flipping().happen(REFUSED, EDITED)
    assert (story.rollout.moved, [type(one) for one in story.commands]) == ((), [])
    story.happen(down(1), RESUME, ready(1), ev.JournalBroken("the disk is full"), RESUME, TICK)
    assert (story.at, story.rollout.moved) == (("flipping", "whole", 1), (SECOND,))


def test_a_flag_edited_by_hand_during_a_pause_is_not_moved_back_after_it() -> None:
    story = flipping().happen(PAUSE, EDITED, RESUME)
    assert (story.at, story.rollout.moved) == (("flipping", "whole", 1), (SECOND,))


def test_an_earlier_flag_edited_by_hand_is_left_alone_and_the_stage_goes_on_after_the_pause() -> None:
    story = flipping().wait(40).happen(EDITED, RESUME)
    assert (story.at, story.rollout.moved) == (("flipping", "whole", 1), (SECOND,))
    assert story.rollout.due == story.now + 40


def test_a_flag_edited_by_hand_before_its_stage_asks_first() -> None:
    story = flipping().happen(ev.FlagEdited("built_on_it", "bob"))
    assert story.words.endswith("in the middle of the rollout; a stage will move it")
    assert story.happen(RESUME).at == ("flipping", "half", 0)


def test_a_flag_that_has_its_value_when_its_stage_begins_is_left_out_and_the_reason_is_told() -> None:
    story = flipping()
    before = story.state
    story.happen(STANDS)
    assert (story.at, story.rollout.moved, story.rollout.left_out) == (("flipping", "whole", 1), (SECOND,), ("base",))
    assert told(before, story.state)[0] == "base has its value already, for everybody: its stage is left out"
    assert told(story.state, story.happen(TICK).state) == ()
    assert [one.flag for one in story.happen(ABORT).rollout.moved] == ["built_on_it"]


def test_a_flag_that_has_its_value_is_left_out_after_a_pause_and_not_in_it() -> None:
    story = flipping().happen(PAUSE, STANDS)
    assert (story.at, story.rollout.left_out) == (("flipping", "half", 0), ("base",))
    assert story.happen(RESUME).at == ("flipping", "whole", 1)


def test_a_plan_whose_only_flag_has_its_value_by_then_ends_and_says_why() -> None:
    story = flags_alone(replace(FLAGS_ALONE, flags=FLAGS[:1])).happen(STANDS)
    assert (story.at[0], story.rollout.moved) == ("done", ())
    assert story.words == "no flag was moved: base had its value already, for everybody"


@pytest.mark.parametrize("late", [replace(STANDS, rollout="older"), replace(STANDS, flag="built_on_it")])
def test_only_the_flag_on_trial_is_left_out(late: ev.FlagStands) -> None:
    assert "for half of the keys now" in flipping().refused(late)
    assert "for half of the keys now" in flipping().wait(20).refused(STANDS)  # it is for all keys by then, by our hand


def test_a_flag_that_is_not_the_rollouts_may_be_edited_at_will() -> None:
    story = flipping()
    before = story.state
    assert story.happen(ev.FlagEdited("other", "bob")).state == before


def test_a_rollback_leaves_alone_what_a_person_moved() -> None:
    story = flipping().wait(40).happen(EDITED, ABORT)
    assert [one.flag for one in story.rollout.moved] == ["built_on_it"]


def test_the_steps_of_a_plan_count_for_nothing_after_a_promotion_by_hand() -> None:
    story = stepping(plan(steps=(STEPS[0], replace(STEPS[1], pause=None)))).happen(PROMOTE)
    assert story.at == ("baking", "health", 0)
    assert story.wait(60).at == ("baking", "unlock", 0)


@pytest.mark.requirement("VERB-4")
@pytest.mark.parametrize(("others", "is_the_flags"), [(40, True), (0, False)])
def test_why_leaves_open_whose_fault_it_was_where_nobody_went_without_the_flag(
    others: int, *, is_the_flags: bool
) -> None:
    worse = LimitLook("error worse by 0.05", "error", "threshold", Verdict.REGRESSION, Arm(90), Arm(others or 500))
    story = flipping().look(Verdict.REGRESSION, trial=90, baseline=others, limits=(worse,))
    (line,) = (one for one in why(story.rollout, story.now) if one.startswith("flag on trial: base"))
    assert (line == "flag on trial: base", "the version itself may be" in line) == (is_the_flags, not is_the_flags)
