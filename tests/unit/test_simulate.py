"""What a plan would have done with recorded calls: the real machine, driver and guard on a clock of their own."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from recorded_story import BEGAN, Version, plan, recorded

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.evidence.samples import Origin, Sample
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.routing import Lane
from orchestrator.plans.shipped import find_plan
from orchestrator.simulating import Ending, Options, RecordingError, Told, recording_of, simulate

GOOD = Version()
FAILING = Version(errors=0.06)
COSTLY = Version(tokens=1600.0)


def run(wanted: Plan, *versions: Version, options: Options | None = None, **how: Any) -> Told:
    """Simulate a plan over made-up calls of these versions."""
    return simulate(wanted, recording_of(recorded(versions, **how)), options)


def words(told: Told) -> list[str]:
    return [line.words for line in told.lines]


def assumed(told: Told, what: str) -> bool:
    return any(what in sentence for sentence in told.assumed)


@pytest.mark.requirement("SIM-1")
def test_a_version_that_is_no_different_is_carried_through_the_whole_plan_in_its_own_times() -> None:
    told = run(plan(), GOOD)
    assert (told.ending, told.lasted, told.metric) == (Ending.DONE, 660.0, "")
    begins = {line.words.partition(",")[0]: line.at for line in told.lines}
    assert (begins["step 1 of 2"], begins["step 2 of 2"]) == (0.0, 300.0)
    assert told.lines[-1].words == "done: generation 2 serves all calls"
    assert assumed(told, "only generation 1 was recorded")


@pytest.mark.requirement("PLAN-5")
@pytest.mark.parametrize("name", ["default", "quick", "planner", "flag-only"])
def test_a_plan_that_ships_lets_a_version_that_is_no_different_through(name: str) -> None:
    calls = recorded([Version(errors=0.0)] * 2)  # thresholds of a hundred calls take two failures for a regression
    processes = [idle(one) for one in recorded([Version(memory=1.0)] * 2) if one.origin is Origin.PROCESS]
    told = simulate(find_plan(name).plan, recording_of([*calls, *processes]))
    assert told.ending is Ending.DONE, told.lines[-1].words


def idle(sample: Sample) -> Sample:
    """Measure a process that does as much as ever."""
    return msgspec.structs.replace(sample, metrics={"memory": 1e8, "cpu": 10.0, "processes": 2.0})


@pytest.mark.requirement("SIM-1")
@pytest.mark.parametrize(("bad", "metric"), [(FAILING, "error"), (COSTLY, "tokens")])
def test_a_bad_version_is_rolled_back_by_its_own_metric_and_the_evidence_is_told(bad: Version, metric: str) -> None:
    told = run(plan(steps=[{"weight": 50, "pause": "10m"}]), GOOD, bad)
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, metric)
    last = told.lines[-1]
    assert last.words.startswith("rolled back at step 1 of 1 (50 %): ")
    assert last.look is not None
    assert last.look.verdict is Verdict.REGRESSION
    assert 0 < told.lasted < 600
    assert told.why == last.words.removeprefix("rolled back at step 1 of 1 (50 %): ")


@pytest.mark.requirement("SIM-1")
def test_the_same_arguments_give_the_same_and_another_seed_draws_other_keys() -> None:
    how = plan(steps=[{"weight": 50, "pause": "10m"}])
    one, again = (run(how, GOOD, COSTLY, options=Options(seed=7)) for _ in range(2))
    assert one == again
    assert {run(how, GOOD, COSTLY, options=Options(seed=seed)).lasted for seed in range(4)} != {one.lasted}


@pytest.mark.requirement("SIM-2")
@pytest.mark.parametrize(("answer", "ending", "at"), [("pause", Ending.PAUSED, 300.0), ("wait", Ending.WAITING, 300.0)])
def test_without_traffic_nothing_goes_on(answer: str, ending: Ending, at: float) -> None:
    told = simulate(plan(on_missing_data=answer), recording_of([]))
    assert (told.ending, told.lasted, told.calls) == (ending, at, 0)
    assert not any("step 2" in line for line in words(told))
    assert assumed(told, "no call was recorded")


@pytest.mark.requirement("SIM-2")
def test_data_that_never_come_are_waited_for_and_the_wait_is_given_up_in_the_end() -> None:
    told = run(
        plan(on_missing_data="wait", limits=[{"metric": "error", "margin": 0.02, "min_samples": 1_000_000}]), GOOD
    )
    assert told.ending is Ending.WAITING
    assert told.lines[-1].at == 300.0
    assert "more calls on trial are wanted" in told.why


@pytest.mark.requirement("SIM-3")
def test_a_person_agrees_at_once_and_it_is_said_or_the_simulation_ends_there() -> None:
    held = plan(promotion={"hold": {"kind": "person", "say": "read the disagreements"}})
    told = run(held, GOOD)
    assert told.ending is Ending.DONE
    assert "promotion waits for a person: read the disagreements" in words(told)
    assert assumed(told, "a person agreed 1 time(s): to holds at once")
    stopped = run(held, GOOD, options=Options(stop_at_holds=True))
    assert (stopped.ending, stopped.lasted) == (Ending.HELD, 600.0)


@pytest.mark.requirement("SIM-3")
def test_a_command_that_is_to_agree_is_not_run() -> None:
    held = plan(promotion={"hold": {"kind": "command", "command": ["/nowhere/to/be/found"]}})
    told = run(held, GOOD)
    assert told.ending is Ending.DONE
    assert assumed(told, "none is run")
    assert run(held, GOOD, options=Options(stop_at_holds=True)).ending is Ending.HELD


@pytest.mark.requirement("SIM-3")
def test_a_step_that_stays_until_resumed_is_resumed_when_there_is_enough_to_see() -> None:
    told = run(plan(steps=[{"weight": 50, "pause": "until resumed"}]), GOOD)
    assert told.ending is Ending.DONE
    resumed = next(line for line in told.lines if line.words.startswith("promoted"))
    assert resumed.look is not None
    assert resumed.look.verdict is Verdict.WITHIN_MARGIN
    unsure = run(plan(steps=[{"weight": 50, "pause": "until resumed"}], judge={"alpha": 1e-90}), GOOD)
    resumed = next(line for line in unsure.lines if line.words.startswith("promoted"))
    assert resumed.look is not None
    assert resumed.look.trial + resumed.look.baseline == pytest.approx(5_000, abs=50)


@pytest.mark.requirement("SIM-4")
def test_weeks_take_seconds_because_only_the_ends_of_long_parts_happen() -> None:
    brief = {"health": "1m", "unlock": "1m", "mirror": False}
    told = run(plan(steps=[{"weight": 50, "pause": "1w"}], bake=brief), GOOD, GOOD, calls=600, seconds=60.0)
    assert (told.ending, told.lasted) == (Ending.DONE, 7 * 86_400.0 + 60.0)
    assert told.calls == pytest.approx(10_600, abs=100)
    assert assumed(told, "only the first and the last 5,000 happened")


@pytest.mark.requirement("SIM-5")
def test_what_is_measured_of_processes_happens_again_to_the_version_it_was_measured_of() -> None:
    memory = [{"metric": "memory", "relative": 0.2, "judge": "threshold", "min_samples": 5}]
    how = plan(steps=[{"weight": 50, "pause": "10m"}], limits=memory)
    told = run(how, Version(memory=1.0), Version(memory=3.0))
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, "memory")
    assert run(how, Version(memory=1.0), Version(memory=1.0)).ending is Ending.DONE


@pytest.mark.requirement("SIM-5")
def test_the_generations_that_stand_for_old_and_new_can_be_named() -> None:
    samples = recorded((GOOD, FAILING, GOOD))
    by_itself, named = recording_of(samples), recording_of(samples, old=1, new=2)
    assert (by_itself.numbers, named.numbers) == ((2, 3), (1, 2))
    assert named.left == sum(one.generation == 3 for one in samples)
    with pytest.raises(RecordingError, match="no call of generation 9 was recorded; recorded: 1, 2, 3"):
        recording_of(samples, new=9)


@pytest.mark.requirement("SIM-5")
def test_versions_that_were_not_recorded_side_by_side_are_told_of() -> None:
    samples = [_later(one, 600.0) if one.generation == 2 else one for one in recorded((GOOD, GOOD))]
    assert recording_of(samples).overlap == 0.0
    assert assumed(simulate(plan(), recording_of(samples)), "not recorded side by side")
    assert recording_of(recorded((GOOD, GOOD))).overlap > 0.95


@pytest.mark.requirement("SIM-5")
def test_a_recording_begins_where_its_calls_do_and_comes_again_after_its_last_gap() -> None:
    recording = recording_of(recorded((GOOD,), calls=100, seconds=50.0))
    assert (recording.began, recording.lasts) == (BEGAN, pytest.approx(50.0))
    assert recording.per_second == pytest.approx(2.0)


def _later(one: Sample, seconds: float) -> Sample:
    return Sample(**{**{name: getattr(one, name) for name in one.__struct_fields__}, "at": one.at + seconds})


@pytest.mark.requirement("SIM-1")
def test_a_smaller_alpha_wants_more_evidence_before_it_rolls_back() -> None:
    usual = plan(steps=[{"weight": 50, "pause": "10m"}])
    strict = dataclasses.replace(usual, judge=dataclasses.replace(usual.judge, alpha=1e-9))
    assert run(strict, GOOD, COSTLY).lasted > run(usual, GOOD, COSTLY).lasted


@pytest.mark.requirement("SIM-5")
def test_told_again_a_difference_by_chance_is_no_new_evidence_and_one_version_alone_has_new_sessions_each_time() -> (
    None
):
    how = plan(steps=[{"weight": 50, "pause": "10m"}], bake={"health": "1m", "unlock": "1m", "mirror": False})
    units = {}
    for versions in ((GOOD,), (GOOD, GOOD)):
        told = run(how, *versions, calls=200, seconds=60.0)
        look = next(line.look for line in told.lines if line.words.startswith("promoted"))
        assert look is not None
        units[len(versions)] = look.limits[0].trial.units + look.limits[0].baseline.units
        assert assumed(told, "no new evidence") is (len(versions) == 2)
    assert units[2] <= 200
    assert units[1] > 1500


FLAG = {"flag": "NEW_PATH", "to": "1", "soak": "10m"}


@pytest.mark.requirement("SIM-5")
def test_calls_recorded_while_a_flag_was_on_trial_stand_for_calls_with_its_new_value() -> None:
    how = plan(new_generation=False, rehearsal={"run": False}, steps=[], flags=[FLAG])
    samples = [_flagged(one) for one in recorded((GOOD, COSTLY))]
    told = simulate(how, recording_of(samples))
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, "tokens")
    assert words(told)[-1].startswith("rolled back at flag 1 of 1 (NEW_PATH): ")
    assert assumed(told, "calls recorded with a flag on trial gave, whichever flag that was")
    assert run(how, GOOD).ending is Ending.DONE


def _flagged(one: Sample) -> Sample:
    """Return a call of the first generation, that of the second one as one with the flag."""
    known = {name: getattr(one, name) for name in one.__struct_fields__}
    return Sample(**{**known, "generation": 1, "lane": Lane.ACTIVE})


@pytest.mark.requirement("SIM-1")
def test_what_a_flag_or_a_freeze_window_waits_for_is_told_with_its_time() -> None:
    young = run(plan(flags=[{**FLAG, "min_stable": "1h"}], on_missing_data="go_on"), GOOD, calls=50)
    assert "flag 1 of 1, NEW_PATH to 1, waits for 59 min more: the version has not run for long enough" in words(young)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    nights = [{"zone": "UTC", "days": days, "begin": "00:00", "end": "23:30"}]
    frozen = run(plan(freeze=nights, on_missing_data="go_on"), GOOD, calls=10)
    held = next(line for line in frozen.lines if line.words.startswith("held up by a freeze window for "))
    opens = next(line for line in frozen.lines if line.words.startswith("step 1"))
    assert (BEGAN + opens.at) % 86_400 == 23.5 * 3600
    assert held.at == 0.0
    assert frozen.ending is Ending.DONE
