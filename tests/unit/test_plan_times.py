"""When the parts of a plan begin, what it is in words, and when nothing goes on."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from flags_story import flag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_story import ERROR, FLAGS, freezes, good, plans

from orchestrator.domain.flags.declaration import registry
from orchestrator.domain.plans.freeze import FreezeWindow, Weekday, ever_open, next_open
from orchestrator.domain.plans.limits import Judge, JudgeKind, Limit, Policy, Slower, Tighter
from orchestrator.domain.plans.plan import Bake, Plan, Promotion
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Keys, Step, TooYoung
from orchestrator.domain.plans.times import Moment, timeline, whole
from orchestrator.domain.plans.words import told

VIENNA = ZoneInfo("Europe/Vienna")


def at(*when: int, fold: int = 0) -> float:
    """Return an instant by Vienna's clock."""
    return dt.datetime(*when, tzinfo=VIENNA, fold=fold).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.requirement("PLAN-6")
def test_the_parts_follow_one_another_and_a_flag_waits_for_what_it_wants() -> None:
    flags, _ = registry([flag("A"), flag("B", min_stable=3600.0)])
    assert timeline(good(), flags) == (
        Moment(("steps", 0), 0.0, 600.0),
        Moment(("steps", 1), 600.0, 600.0),
        Moment(("promotion",), 1200.0),
        Moment(("bake",), 1200.0, 900.0),
        Moment(("flags", 0), 2100.0, 300.0),
        Moment(("flags", 1), 4800.0, 300.0, waited=2400.0),
    )
    assert whole(good(), flags) == 5100.0


@pytest.mark.requirement("PLAN-6")
def test_who_is_too_young_may_be_skipped_and_a_plan_without_a_promotion_waits_for_nobody() -> None:
    flags, _ = registry([flag("A", min_stable=3600.0), flag("B")])
    stages = (FlagStage("A", "on", 300.0, if_too_young=TooYoung.SKIP), FlagStage("B", "on", 60.0))
    assert timeline(good(flags=stages), flags)[-2:] == (
        Moment(("flags", 0), 2100.0, skipped=True),
        Moment(("flags", 1), 2100.0, 60.0),
    )
    assert whole(good(new_generation=False, steps=(), flags=stages), flags) == 360.0
    assert whole(good(flags=(), bake=Bake(60.0, 900.0)), flags) == 1260.0


@pytest.mark.requirement("PLAN-6")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_no_part_begins_before_the_one_before_it_and_every_plan_has_words(plan: Plan) -> None:
    moments = timeline(plan, FLAGS)
    begins = [moment.at for moment in moments]
    assert begins == sorted(begins)
    assert all(one.end <= other.at or one.place == ("promotion",) for one, other in pairwise(moments))
    assert all(isinstance(line, str) for line in told(plan, FLAGS))


@pytest.mark.requirement("PLAN-6")
def test_a_plan_in_words_says_when_what_happens_and_what_would_end_it() -> None:
    plan = good(
        steps=(Step(0, 3600.0, "inside", mirror=True, keys=Keys(("us-*",))), Step(10, None, keys=Keys((), "created"))),
        promotion=Promotion(Hold(HoldKind.COMMAND, "all read?", ("./agree", "now"))),
        flags=(FlagStage("A", "on", 300.0), FlagStage("B", "on", 300.0, min_stable=7200.0)),
        deadline=86400.0,
        freeze=(FreezeWindow("UTC", (Weekday.SAT, Weekday.SUN)),),
    )
    assert (
        "\n".join(told(plan, FLAGS))
        == """\
good

  before  rehearse: build, test, compare, flags at safe values; differences: pause
  T+0            step 1 of 2 (inside): weight 0 %, for 1 h, judged
                   read-only calls also go to the other version, and the answers are compared
                   always on the canary: us-*
  T+1 h          step 2 of 2: weight 10 %, until resumed, judged
                   the weight takes only keys whose created is after the rollout's beginning
  T+1 h          hold until `./agree now` succeeds: all read?
                 promotion: all traffic to the new version; the old one stays warm
  T+1 h          bake: judged for 10 min, read-only calls also to the old version; flags may move after 15 min
  T+1 h 15 min   flag 1 of 2: A to on, soak 5 min (half of the keys for the first half)
  T+3 h          flag 2 of 2: B to on, soak 5 min (half of the keys for the first half); waited 1 h 40 min: it wants 2 h
  done           3 h 5 min at the least and whatever the holds take

limits: error worse by 5 pp
judge: sequential, wrong with probability 0.01 at most
on regression: roll back; on inconclusive: pause; on missing data: wait
deadline: 1 d, then pause
nothing goes on: sat, sun 00:00-24:00 UTC"""
    )


NIGHT = FreezeWindow("Europe/Vienna", (Weekday.FRI, Weekday.SAT), "22:00", "06:00")


@pytest.mark.requirement("PLAN-7")
@pytest.mark.parametrize(
    ("now", "frozen"),
    [
        (at(2026, 11, 20, 21, 59), False),
        (at(2026, 11, 20, 22), True),
        (at(2026, 11, 21, 5, 59), True),
        (at(2026, 11, 21, 6), False),
        (at(2026, 11, 21, 23), True),
        (at(2026, 11, 22, 1), False),
        (at(2026, 11, 20, 1), True),
    ],
)
def test_a_window_goes_over_midnight_and_its_weekday_is_that_of_the_moment(now: float, *, frozen: bool) -> None:
    assert NIGHT.covers(now) is frozen


@pytest.mark.requirement("PLAN-7")
def test_the_next_opening_is_the_end_of_the_last_window_in_a_row() -> None:
    weekend = FreezeWindow("Europe/Vienna", (Weekday.SAT, Weekday.SUN))
    early = FreezeWindow("Europe/Vienna", begin="00:00", end="08:30")
    assert next_open((weekend, early), at(2026, 11, 21, 12)) == at(2026, 11, 23, 8, 30)
    assert next_open((weekend, early), at(2026, 11, 23, 9)) == at(2026, 11, 23, 9)
    assert next_open((), 5.0) == 5.0
    assert next_open((FreezeWindow("UTC"),), 5.0) is None


@pytest.mark.requirement("PLAN-7")
def test_a_window_follows_the_clock_on_the_wall_when_that_is_changed() -> None:
    skipped = FreezeWindow("Europe/Vienna", begin="01:00", end="02:30")
    twice = FreezeWindow("Europe/Vienna", begin="02:00", end="02:30")
    assert next_open((skipped,), at(2026, 3, 29, 1, 30)) == at(2026, 3, 29, 3)
    assert next_open((twice,), at(2026, 10, 25, 2, 10)) == at(2026, 10, 25, 2, 30)
    assert twice.covers(at(2026, 10, 25, 2, 10, fold=1))


@pytest.mark.requirement("PLAN-7")
@settings(max_examples=30, deadline=None)
@given(st.lists(freezes(), max_size=3), st.integers(1_700_000_000, 1_900_000_000))
def test_an_opening_lies_in_no_window_and_nothing_before_it_was_open(windows: list[FreezeWindow], now: int) -> None:
    opening = next_open(windows, now)
    if opening is None:
        assert not ever_open(windows)
        return
    assert not any(window.covers(opening) for window in windows)
    for before in range(now, int(opening), max(1, int(opening - now) // 50)):
        assert any(window.covers(before) for window in windows)


def test_a_shorter_min_stable_of_the_stage_counts() -> None:
    flags, _ = registry([flag("A", min_stable=3600.0), flag("B")])
    stage = FlagStage("A", "on", 300.0)
    assert whole(good(flags=(stage,)), flags) - whole(good(flags=(replace(stage, min_stable=0.0),)), flags) == 2700.0


@pytest.mark.requirement("PLAN-6")
def test_a_plan_in_words_says_who_judges_what_and_every_policy_it_has() -> None:
    slow = Limit("memory", relative=0.2, judge=JudgeKind.THRESHOLD, min_samples=9)
    policy = Policy(10.0, 3, (25, 0), Tighter(50, 0.5), Slower(0.1, 2.0), advance_when_certified=True)
    lines = list(told(good(limits=(ERROR, slow), policy=policy, judge=Judge(initial_delay=5.0)), FLAGS))
    assert (
        "judge: sequential, wrong with probability 0.01 at most; threshold of memory, without a guarantee; "
        "not in the first 5 s of the new version"
    ) in lines
    assert (
        "policy: a breach counts once 3 looks in a row have found it; a breach counts once it has been held for 10 s; "
        "in doubt down to 25 %, then 0 %; above 50 % margins are tighter, times 0.5; "
        "pauses are longer, times 2, while more than 10 % of the mirrored answers differ; "
        "a pause ends early once every margin is certified"
    ) in lines
