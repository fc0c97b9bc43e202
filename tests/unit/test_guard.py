"""The guard of an epoch: looks when they are due, verdicts, and evidence that survives a kill."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest
from guard_story import ALL, HALF, NOW, call, calls, failing, fed, lasting, only, pair, plan, replace_sample
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.evidence.samples import Origin, Outcome, Sample
from orchestrator.domain.plans.limits import Direction, Judge, JudgeKind, Limit, Policy, Statistic, Tighter, Window
from orchestrator.domain.plans.steps import Step
from orchestrator.guard.guard import Guard
from orchestrator.guard.replay import judge
from orchestrator.guard.state import packed

ERROR = Limit("error", margin=0.02, min_samples=30)
SLOW = Limit("duration", relative=0.1, min_samples=30)


@pytest.mark.requirement("GUARD-1")
def test_a_regression_is_found_at_the_very_sample_that_proves_it_and_its_cause_named_with_figures() -> None:
    guard = Guard(plan(ERROR, SLOW, judge=Judge(look_every=1_000_000)), HALF)
    look = fed(guard, calls(4000, failing(0.08)))
    assert look is not None
    assert look.number == 1  # no look but the one that the evidence called for
    assert look.cause.startswith("error rate ")
    assert "evidence 2" in look.cause
    assert f"after {look.trial} calls" in look.cause
    assert look.otherwise.startswith("would not have at alpha 0.0")
    assert not guard.due(NOW)


@pytest.mark.requirement("GUARD-1")
def test_what_is_worse_by_less_than_the_limit_allows_is_left_alone_and_a_healthy_version_certified() -> None:
    tolerant = Guard(plan(Limit("error", margin=0.05)), HALF)
    assert fed(tolerant, calls(3000, failing(0.03), seed=2)) is None
    healthy = Guard(plan(Limit("error", margin=0.05), Limit("duration", relative=0.2)), HALF)
    assert fed(healthy, calls(1500, lasting(1.0))) is None
    look = healthy.look(NOW + 2000)
    assert look.verdict is Verdict.WITHIN_MARGIN
    assert [one.within > 100 for one in look.limits] == [True, True]


@pytest.mark.requirement("GUARD-2")
def test_no_traffic_is_no_data_and_too_little_says_how_much_is_missing() -> None:
    guard = Guard(plan(ERROR), HALF)
    assert guard.look(NOW).verdict is Verdict.NO_DATA
    for at in range(20):
        guard.sample(call(trial=at % 2 == 0, at=NOW + at))
    look = guard.look(NOW + 20)
    assert (look.verdict, only(look).more) == (Verdict.NO_DATA, 20)
    assert look.otherwise == "20 more calls on trial would let it be judged"


@pytest.mark.requirement("GUARD-2")
def test_few_keys_say_little_however_often_they_call() -> None:
    guard = Guard(plan(ERROR), HALF)
    for at in range(400):
        guard.sample(call(trial=at % 2 == 0, at=NOW + at, key=f"key {at % 4}"))
    look = guard.look(NOW + 500)
    assert look.verdict is Verdict.NO_DATA
    assert only(look).note == "only 2 keys on trial and 2 others have counted; 5 are wanted"


@pytest.mark.requirement("GUARD-3")
def test_looks_are_due_after_so_many_samples_on_trial_and_a_peek_changes_nothing() -> None:
    guard = Guard(plan(ERROR, judge=Judge(look_every=3)), HALF)
    due = []
    for at in range(12):
        guard.sample(call(trial=at % 2 == 0, at=NOW + at))
        before = guard.snapshot()
        guard.peek(NOW + at)
        assert guard.snapshot() == before
        if guard.due(NOW + at):
            due.append(at)
            guard.look(NOW + at)
    assert due == [4, 10]
    assert not Guard(plan(ERROR), replace(HALF, judged=False)).due(NOW)


@pytest.mark.requirement("GUARD-4")
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**16), st.sampled_from([0, 7, 60]))
def test_a_guard_that_was_killed_goes_on_as_if_it_had_not_been(cut: int, seed: int, keys: int) -> None:
    limits = (
        ERROR, SLOW, Limit("duration", most=900.0, statistic=Statistic.P95), Limit("tokens", relative=0.1),
        Limit("quality", margin=5.0, direction=Direction.EITHER),
        Limit("error", margin=0.2, judge=JudgeKind.THRESHOLD, min_samples=5, window=Window(20, 60.0)),
    )  # fmt: skip
    story, rng = plan(*limits), random.Random(seed)
    samples = [
        replace_metrics(one, rng) for one in calls(400, lasting(1.1), seed=seed, keys=keys)
    ]  # fmt: skip
    lived = Guard(story, HALF)
    for one in samples[:cut]:
        lived.sample(one)
    lived.look(NOW + cut)
    killed = Guard.restored(story, HALF, lived.snapshot())
    for one in samples[cut:]:
        for guard in (lived, killed):
            guard.sample(one)
        assert lived.due(one.at) == killed.due(one.at)
    assert lived.look(NOW + 999) == killed.look(NOW + 999)
    assert len(packed(lived.snapshot())) <= 50_000


def replace_metrics(sample: Sample, rng: random.Random) -> Sample:
    return replace_sample(sample, metrics={"tokens": rng.uniform(500, 900), "quality": rng.uniform(50, 90)})


@pytest.mark.requirement("GUARD-4")
def test_a_snapshot_of_ten_limits_and_many_keys_stays_small_and_that_of_another_epoch_is_refused() -> None:
    metrics = [f"m{at}" for at in range(10)]
    story = plan(*(Limit(name, relative=0.1) for name in metrics))
    guard, rng = Guard(story, HALF), random.Random(1)
    for at in range(1000):
        values = {name: rng.random() for name in metrics}
        trial = rng.random() < 0.5
        guard.sample(call(trial, NOW + at, key=f"key {at}", tool=f"tool {at % 7}", metrics=values))
    blob = packed(guard.snapshot())
    assert len(blob) <= 60_000
    with pytest.raises(ValueError, match="belongs to epoch"):
        Guard.restored(story, replace(HALF, epoch="other"), blob)
    with pytest.raises(ValueError, match="cannot be read"):
        Guard.restored(story, HALF, blob[:-7])


@pytest.mark.requirement("GUARD-5")
def test_a_plan_may_want_a_breach_confirmed_and_held_and_the_same_samples_confirm_nothing() -> None:
    limit = Limit("error", margin=0.05, judge=JudgeKind.THRESHOLD, min_samples=5)
    story = plan(limit, policy=Policy(confirm_looks=2, breach_held=30.0))
    guard = Guard(story, HALF)
    for at in range(20):
        guard.sample(call(trial=at % 2 == 0, at=NOW + at, outcome=Outcome.ERROR if at % 2 == 0 else Outcome.OK))
    first = guard.look(NOW + 20)
    assert (first.verdict, first.doubtful) == (Verdict.NOT_YET, True)
    assert only(first).note.startswith("seen in 1 of 2 looks; held for 30 s more it counts")
    assert "it would be a regression without waiting" in first.otherwise
    assert guard.look(NOW + 100).verdict is Verdict.NOT_YET  # nothing new was seen
    guard.sample(call(trial=True, at=NOW + 101, outcome=Outcome.ERROR))
    look = guard.look(NOW + 101)
    assert look.verdict is Verdict.REGRESSION
    assert "confirmed by 2 looks; held for 1 min 21 s" in look.cause


@pytest.mark.requirement("GUARD-5")
def test_limits_are_tighter_above_a_weight() -> None:
    story = plan(ERROR, policy=Policy(tighter=Tighter(above=40, factor=0.5)))
    assert only(Guard(story, HALF).peek(NOW)).limit == "error worse by 1 pp"
    assert only(Guard(story, replace(HALF, weight=40)).peek(NOW)).limit == "error worse by 2 pp"


@pytest.mark.requirement("GUARD-6")
def test_calls_that_both_answered_are_judged_where_everybody_is_served_by_the_trial() -> None:
    story, rng = plan(Limit("quality", margin=3.0)), random.Random(1)
    guard = Guard(story, ALL)
    found = None
    for at in range(300):
        shared = rng.gauss(70, 12)
        new, old = shared - 5 + rng.gauss(0, 6), shared + rng.gauss(0, 6)
        guard.pair(pair(NOW + at, {"quality": new}, {"quality": old}, classes=("unexpected",) if at % 4 == 0 else ()))
        guard.sample(call(trial=True, at=NOW + at, watch=ALL, metrics={"quality": new}))
        if guard.due(NOW + at):
            found = guard.look(NOW + at)
            if found.verdict is Verdict.REGRESSION:
                break
    assert found is not None
    assert found.verdict is Verdict.REGRESSION
    assert found.trial < 150
    assert "mirrored calls" in found.cause
    assert "points" in found.cause
    assert found.disagreement == pytest.approx(0.25, abs=0.02)


@pytest.mark.requirement("GUARD-8")
def test_recorded_samples_are_judged_as_the_daemon_judges_them() -> None:
    story, samples = plan(ERROR, SLOW), list(calls(1500, lasting(1.5)))
    looks = judge(story, HALF, samples)
    guard = Guard(story, HALF)
    look = fed(guard, iter(samples))
    assert look in looks
    first = next(one for one in looks if one.verdict is Verdict.REGRESSION)
    assert first == look
    assert "(+" in first.cause
    assert " ms against " in first.cause


@pytest.mark.requirement("GUARD-1")
def test_a_ceiling_fires_only_when_its_own_evidence_exceeds_it() -> None:
    limit = Limit("duration", most=1200.0, statistic=Statistic.P95, min_samples=30)
    well = Guard(plan(limit), HALF)
    assert fed(well, calls(2000, lasting(1.0))) is None  # 1.5 % lie beyond it, and 5 % may
    assert well.look(NOW + 3000).verdict is Verdict.WITHIN_MARGIN
    bad = fed(Guard(plan(limit), HALF), calls(2000, lasting(1.9)))
    assert bad is not None
    assert bad.cause.startswith("p95 of duration 1,")
    assert "where at most 1,200 ms is allowed" in bad.cause


@pytest.mark.requirement("GUARD-1")
def test_a_large_share_of_next_to_nothing_is_tolerated_below_the_floor_and_not_above_it() -> None:
    fifth = Limit("duration", relative=0.2, min_samples=10)
    assert fed(Guard(plan(fifth), HALF), calls(1500, lasting(1.5))) is not None
    forgiving = Guard(plan(replace(fifth, floor=5_000.0)), HALF)
    assert fed(forgiving, calls(1500, lasting(1.5))) is None
    look = forgiving.look(NOW + 3000)
    assert (look.verdict, only(look).limit) == (Verdict.WITHIN_MARGIN, "duration worse by 20 % and 5,000 ms")
    assert fed(Guard(plan(replace(fifth, floor=5.0)), HALF), calls(1500, lasting(1.5))) is not None
    with pytest.raises(ValueError, match="floor belongs to relative"):
        Limit("error", margin=0.1, floor=0.1)


@pytest.mark.requirement("GUARD-2")
def test_durations_have_no_say_where_the_new_version_answers_mirrored_calls_alone() -> None:
    ceiling = Limit("duration", most=1600.0, statistic=Statistic.P95, min_samples=30)
    for kind in JudgeKind:
        story = plan(ERROR, replace(ceiling, judge=kind), steps=(Step(0, 60.0, mirror=True),))
        guard = Guard(story, replace(HALF, share=0.0, weight=0))
        for at in range(200):
            guard.pair(pair(NOW + at, {}, {}, classes=()))
        errors, durations = guard.look(NOW + 300).limits
        assert errors.verdict is not Verdict.NO_DATA
        assert (durations.verdict, durations.applies) == (Verdict.NOT_YET, False)
        assert "mirrored calls say nothing of durations" in durations.note


def test_the_keys_that_are_always_on_trial_are_no_evidence_but_count_for_a_ceiling() -> None:
    story = plan(ERROR, Limit("error", most=0.5), steps=(Step(50, None),))
    guard = Guard(story, HALF)
    for at in range(200):
        guard.sample(call(trial=True, at=NOW + at, share=1.0, key=f"internal {at}", outcome=Outcome.ERROR))
    compared, ceiling = guard.look(NOW + 300).limits
    assert compared.trial.units == 0
    assert compared.verdict is not Verdict.REGRESSION
    assert ceiling.verdict is Verdict.REGRESSION


def test_who_is_always_on_trial_is_not_compared_with_the_others_while_nobody_new_was_drawn() -> None:
    guard = Guard(plan(Limit("duration", relative=0.1, min_samples=20)), HALF)
    for at in range(200):
        guard.sample(call(trial=True, at=NOW + at, share=1.0, key=f"internal {at}", duration=300.0))
        guard.sample(call(trial=False, at=NOW + at, share=0.0, key=f"old {at}"))
        assert not guard.due(NOW + at) or guard.look(NOW + at).verdict is Verdict.NO_DATA
    assert only(guard.look(NOW + 200)).note == "only 0 keys on trial and 0 others have counted; 5 are wanted"
    assert fed(guard, calls(1500, lasting(1.5))) is not None, "those that were drawn are"


@pytest.mark.parametrize("mirror", [False, True])
def test_at_weight_0_the_calls_of_keys_that_are_always_on_trial_are_enough_for_a_ceiling(mirror: bool) -> None:  # noqa: FBT001 - a case
    story = plan(Limit("error", most=0.05, min_samples=20), steps=(Step(0, 60.0, mirror=mirror),))
    guard = Guard(story, replace(HALF, share=0.0, weight=0))
    for at in range(60):
        guard.sample(call(trial=False, at=NOW + at, share=0.0, key=f"other {at}"))
        failed = {"outcome": Outcome.ERROR} if at % 3 == 0 else {}
        guard.sample(call(trial=True, at=NOW + at, share=1.0, key=f"internal {at}", **failed))
    look = guard.look(NOW + 300)
    assert (look.verdict, look.trial, look.baseline) == (Verdict.REGRESSION, 60, 60)
    assert only(look).trial.figure == pytest.approx(1 / 3)


@pytest.mark.requirement("GUARD-1")
def test_a_change_is_bad_either_way_where_the_plan_says_so() -> None:
    limit = Limit("duration", relative=0.15, direction=Direction.EITHER, min_samples=30)
    assert fed(Guard(plan(limit), HALF), calls(3000, lasting(0.5))) is not None
    usual = replace(limit, direction=None)
    assert fed(Guard(plan(usual), HALF), islice(calls(3000, lasting(0.5)), 3000)) is None


@pytest.mark.requirement("GUARD-1")
def test_what_others_measured_of_a_version_is_heard_beside_the_evidence_of_its_calls() -> None:
    story = plan(Limit("quality", margin=5.0))
    guard = Guard(story, HALF)
    fed(guard, calls(400, lambda rng, _: {"metrics": {"quality": rng.gauss(80, 5)}}))
    assert only(guard.peek(NOW + 400)).verdict is Verdict.WITHIN_MARGIN
    rng = random.Random(2)
    for number in range(30):
        for trial, mean in ((False, 80.0), (True, 50.0)):
            said = {"outcome": None, "duration": None, "treated": None, "share": 0.0, "origin": Origin.POSTED}
            guard.sample(call(trial, NOW + 400 + number, metrics={"quality": rng.gauss(mean, 5)}, **said))
    look = Guard.restored(story, HALF, guard.snapshot()).look(NOW + 430)
    assert (look.verdict, only(look).judge) == (Verdict.REGRESSION, JudgeKind.THRESHOLD)
    assert look.cause.startswith(
        "quality 48.4 against 77.6 (-29.1 points), after 30 samples (no guarantee; measured of"
    )


@pytest.mark.requirement("GUARD-1")
def test_a_few_measurements_that_nobody_drew_or_equal_ones_change_nothing_of_what_evidence_says() -> None:
    guard = Guard(plan(Limit("quality", margin=5.0)), HALF)
    fed(guard, calls(400, lambda rng, _: {"metrics": {"quality": rng.gauss(80, 5)}}))
    for number in range(200):
        for trial, value in ((False, 80.0 + number % 7), (True, 50.0 if number < 10 else 80.0 + number % 7)):
            said = {"outcome": None, "duration": None, "treated": None, "share": 0.0, "origin": Origin.POSTED}
            guard.sample(call(trial, NOW + 400 + number, metrics={"quality": value}, **said))
            assert guard.peek(NOW + 400 + number).verdict is Verdict.WITHIN_MARGIN
