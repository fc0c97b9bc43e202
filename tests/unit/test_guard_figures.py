"""Where nothing is drawn: figures against limits, telemetry that lies or stops, and what earlier epochs were like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from guard_story import ALL, FLAG, HALF, NOW, call, calls, failing, fed, lasting, measured, only, pair, plan

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.limits import JudgeKind, Limit, Metric, Source, Statistic, Window
from orchestrator.domain.plans.steps import FlagStage, Step
from orchestrator.domain.plans.words import told
from orchestrator.domain.rollouts.why import limit_words, more_words
from orchestrator.guard.guard import Guard
from orchestrator.guard.series import Series, quantile

THRESHOLD = JudgeKind.THRESHOLD


@pytest.mark.requirement("GUARD-7")
def test_the_threshold_judge_takes_the_newest_calls_and_says_that_it_guarantees_nothing() -> None:
    limit = Limit("duration", most=1600.0, statistic=Statistic.P95, judge=THRESHOLD, min_samples=5, window=Window(10))
    guard = Guard(plan(limit), HALF)
    for at in range(40):
        guard.sample(call(trial=True, at=NOW + at, duration=2000.0 if at < 20 else 500.0))
    assert guard.look(NOW + 40).verdict is Verdict.NOT_YET
    for at in range(40, 50):
        guard.sample(call(trial=True, at=NOW + at, duration=1720.0))
    look = guard.look(NOW + 50)
    assert look.verdict is Verdict.REGRESSION
    assert look.cause == "p95 of duration 1,720 ms where at most 1,600 ms is allowed, after 10 calls (no guarantee)"
    assert look.otherwise == "would not have with a limit of 1,720 ms"


@pytest.mark.requirement("GUARD-7")
def test_values_that_are_too_old_leave_the_window() -> None:
    limit = Limit("error", most=0.1, judge=THRESHOLD, min_samples=3, window=Window(seconds=60.0))
    guard = Guard(plan(limit), HALF)
    for at in range(10):
        guard.sample(call(trial=True, at=NOW + at, outcome=Outcome.ERROR))
    assert guard.peek(NOW + 10).verdict is Verdict.REGRESSION
    assert guard.peek(NOW + 300).verdict is Verdict.NO_DATA


@pytest.mark.requirement("GUARD-7")
def test_a_leak_is_found_against_the_memory_of_before() -> None:
    story = plan(Limit("memory", relative=0.2, judge=THRESHOLD, min_samples=10), steps=(Step(0, 60.0, analysis=False),))
    gathering = Guard(story, replace(HALF, share=0.0, weight=0, judged=False))
    for at in range(12):
        gathering.sample(measured(1, NOW + at, memory=100 * 2.0**20))
    bake = Guard(story, ALL, gathering.figures())
    for at in range(12):
        bake.sample(measured(1, NOW + at, memory=20 * 2.0**20))  # the old one idles now: no measure
        bake.sample(measured(2, NOW + at, memory=150 * 2.0**20))
    look = bake.look(NOW + 20)
    assert look.verdict is Verdict.REGRESSION
    assert look.cause.startswith("memory 150 MiB against 100 MiB (+50 MiB, +50.0 %)")
    assert "the baseline is that of before" in look.cause


@pytest.mark.requirement("GUARD-7")
def test_where_the_sequential_judge_has_nothing_to_bet_on_chance_alone_does_not_end_a_rollout() -> None:
    story = plan(Limit("duration", relative=0.05, min_samples=20), bake=replace(plan().bake, mirror=False))
    step = Guard(story, HALF)
    assert fed(step, calls(400, lasting(1.0))) is None
    past = step.figures()
    for seed in range(5):
        assert fed(Guard(story, ALL, past), calls(300, lasting(1.0), seed=seed, watch=ALL)) is None
    slower = Guard(story, ALL, past)
    assert fed(slower, calls(300, lasting(2.0), watch=ALL)) is None
    look = slower.peek(NOW + 300)
    assert (look.verdict, look.doubtful, only(look).judge) == (Verdict.NOT_YET, True, "threshold")
    assert "under another load, so it decides nothing" in only(look).note


@pytest.mark.requirement("GUARD-7")
def test_a_flags_second_half_is_compared_with_those_who_had_the_old_value_in_the_first() -> None:
    story = plan(slow := Limit("duration", relative=0.15, min_samples=20), flags=(FlagStage("A", "1", 600.0),))
    first = Guard(story, FLAG)
    assert fed(first, calls(200, lasting(1.0), watch=FLAG)) is None
    second = Guard(story, replace(FLAG, epoch="r/flags/0/2", share=1.0), first.figures())
    all_of_them = replace(FLAG, share=1.0)
    look = fed(second, calls(200, lasting(2.0), watch=all_of_them))
    assert look is not None
    assert only(look).limit == str(slow)
    later = Guard(story, replace(FLAG, epoch="r/flags/1/1", index=1, flag="B", share=1.0), second.figures())
    assert fed(later, calls(200, lasting(2.0), watch=all_of_them)) is None  # that is the baseline by then


@pytest.mark.requirement("GUARD-9")
def test_a_metric_that_came_with_each_call_and_stopped_on_trial_is_broken_telemetry_and_not_good_news() -> None:
    guard = Guard(plan(Limit("tokens", relative=0.1)), HALF)
    for at in range(120):
        trial = at % 2 == 0
        metrics = {} if trial and at > 60 else {"tokens": 800.0 + at}
        guard.sample(call(trial, NOW + at, metrics=metrics))
    look = guard.look(NOW + 200)
    assert look.verdict is Verdict.BROKEN_TELEMETRY
    assert only(look).note == "the last 29 calls of work on trial came without it; each should have it"


@pytest.mark.requirement("GUARD-9")
@pytest.mark.parametrize(
    ("metric", "value", "kind"),
    [("quality", 140.0, None), ("mine", float("nan"), Kind.MAGNITUDE), ("mine", 1.5, Kind.RATE)],
)
def test_values_that_cannot_be_are_broken_telemetry(metric: str, value: float, kind: Kind | None) -> None:
    guard = Guard(plan(Limit(metric, margin=0.5, kind=kind)), HALF)
    for at in range(60):
        guard.sample(call(at % 2 == 0, NOW + at, metrics={metric: value if at > 55 else 0.5}))
    look = guard.look(NOW + 60)
    assert look.verdict is Verdict.BROKEN_TELEMETRY
    assert "cannot be" in only(look).note


@pytest.mark.requirement("GUARD-9")
def test_zeros_where_there_were_none_and_measurements_that_stop_are_broken_telemetry() -> None:
    guard = Guard(plan(Limit("tokens", relative=0.1)), HALF)
    for at in range(80):
        guard.sample(call(at % 2 == 0, NOW + at, metrics={"tokens": 0.0 if at % 2 == 0 else 800.0}))
    assert "all 40 values on trial are 0" in only(guard.look(NOW + 80)).note
    leak = Guard(plan(Limit("memory", relative=0.2, judge=THRESHOLD, min_samples=10)), HALF)
    for at in range(200):
        leak.sample(call(at % 2 == 0, NOW + at))
        leak.sample(measured(1, NOW + at, memory=1e8))
        if at < 100:
            leak.sample(measured(2, NOW + at, memory=1e8))
    assert leak.look(NOW + 200).verdict is Verdict.BROKEN_TELEMETRY


@pytest.mark.requirement("GUARD-2")
def test_a_limit_on_what_nobody_reports_has_no_say_unless_somebody_is_asked_for_it() -> None:
    asked = Metric("asked", Kind.MAGNITUDE, Source.PROMETHEUS, "up")
    story = plan(Limit("error", margin=0.05), Limit("tokens", relative=0.1), metrics=(asked,))
    guard = Guard(story, HALF)
    assert fed(guard, calls(900, failing(0.01))) is None
    look = guard.look(NOW + 999)
    error, tokens = look.limits
    assert (tokens.applies, tokens.note) == (False, "nobody reports it")
    assert error.verdict is Verdict.WITHIN_MARGIN
    assert look.verdict is Verdict.WITHIN_MARGIN
    insisting = Guard(replace(story, limits=(Limit("asked", relative=0.1),)), HALF)
    fed(insisting, calls(100, failing(0.01)))
    nothing = insisting.look(NOW + 999)
    assert (nothing.verdict, only(nothing).note) == (Verdict.NO_DATA, "nothing came of it yet, of either version")


@pytest.mark.requirement("GUARD-2", "VERB-4")
def test_what_is_missing_of_a_metric_that_others_measure_is_told_in_samples() -> None:
    lag = Metric("lag", Kind.MAGNITUDE, Source.SAMPLES)
    guard = Guard(plan(Limit("error", margin=0.05), Limit("lag", most=7.0, min_samples=5), metrics=(lag,)), HALF)
    fed(guard, calls(4, failing(0.0)))
    guard.sample(measured(2, NOW + 4, lag=3.0))
    error, lagging = guard.look(NOW + 5).limits
    assert (error.noun, lagging.noun) == ("call", "sample")
    assert error.more
    assert lagging.more
    assert (more_words(lagging.more, lagging.noun), more_words(1)) == ("about 4 more samples", "about 1 more call")


@pytest.mark.requirement("GUARD-2", "VERB-4")
def test_limits_and_figures_of_a_metric_of_ones_own_have_the_unit_that_the_plan_declares() -> None:
    lag = Metric("lag", Kind.MAGNITUDE, Source.SAMPLES, unit="lines")
    limits = (Limit("lag", most=7.0), Limit("lag", least=1.0), Limit("lag", relative=0.1, floor=2.0))
    guard = Guard(plan(*limits, metrics=(lag,)), HALF)
    guard.sample(measured(2, NOW, lag=3.0))
    most, least, _ = guard.look(NOW + 1).limits
    assert limit_words(most).startswith("lag at most 7 lines: not yet, 3 lines (1 and 0 samples)")
    assert least.limit == "lag at least 1 line"
    lines = told(plan(*limits, metrics=(lag,)), Registry())
    assert any("lag at least 1 line; lag worse by 10 % and 2 lines" in line for line in lines)


@pytest.mark.requirement("GUARD-6")
def test_pairs_say_nothing_of_latency_because_the_second_call_runs_warm() -> None:
    story = plan(Limit("duration", relative=0.1, min_samples=10), steps=(Step(0, 600.0, mirror=True),))
    guard = Guard(story, replace(HALF, share=0.0, weight=0))
    for at in range(100):
        guard.pair(pair(NOW + at, {}, {}))
    one = only(guard.look(NOW + 100))
    assert (one.trial.samples, one.applies, one.note) == (0, False, "nothing to compare it with here")


def test_series_keep_the_newest_and_quantiles_are_of_the_nearest_rank() -> None:
    series = Series(most=3)
    for value in range(5):
        series.add(float(value), NOW)
    assert sorted(series.newest(NOW)) == [2.0, 3.0, 4.0]
    assert series.count == 5
    figure = series.figure()
    assert figure is not None
    assert (figure.mean, figure.deviation, figure.p50) == (2.0, pytest.approx(2**0.5), 3.0)
    assert Series().figure() is None
    assert quantile([float(at) for at in range(1, 101)], 0.95) == 95.0
