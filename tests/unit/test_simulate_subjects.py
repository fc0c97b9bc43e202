"""Plans that take keys by an attribute or by name: whose calls a recording holds is told to the simulation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from recorded_story import BEGAN, Version, plan, recorded

from orchestrator.domain.evidence.samples import Sample
from orchestrator.domain.routing import RoutingTable
from orchestrator.plans.shipped import find_plan
from orchestrator.simulating import Ending, Options, SubjectError, Subjects, Told, recording_of, simulate, subjects_of
from orchestrator.simulating.subjects import FIRST_CALL, Introduced
from orchestrator.simulating.traffic import Traffic

pytestmark = pytest.mark.requirement("SIM-7")

GOOD = Version(errors=0.0)
FAILING = Version(errors=0.3)
NEW_ONLY = {"weight": 100, "pause": "10m", "keys": {"only_new_by": "created"}}
OURS = {"weight": 0, "pause": "10m", "keys": {"always": ["internal-*", "ann"]}}
BEFORE, AFTER = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00+01:00"
ERRORS = [{"metric": "error", "most": 0.05, "min_samples": 20}]


def run(step: dict[str, Any], version: Version, *, always: float = 0.0, **attributes: str) -> Told:
    """Simulate a plan of one step."""
    wanted = plan(steps=[step], limits=ERRORS, on_missing_data="pause")
    subjects = subjects_of(wanted, attributes, always)
    return simulate(wanted, recording_of(recorded((GOOD, version))), Options(subjects=subjects))


def assumed(told: Told, what: str) -> bool:
    return any(what in sentence for sentence in told.assumed)


def test_without_a_word_about_its_attribute_a_step_of_new_keys_takes_nobody_and_what_to_say_is_told() -> None:
    told = run(NEW_ONLY, FAILING)
    assert (told.ending, told.lasted) == (Ending.PAUSED, 600.0)
    assert "20 more calls on trial are wanted" in told.why
    assert assumed(told, "--attribute created=first-call")


def test_keys_that_began_with_their_first_call_are_new_and_judged() -> None:
    told = run(NEW_ONLY, FAILING, created=FIRST_CALL)
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, "error")
    assert assumed(told, "counts as a new one")
    assert run(NEW_ONLY, GOOD, created=FIRST_CALL).ending is Ending.DONE


def test_keys_of_an_instant_are_old_before_the_rollout_and_new_after_it() -> None:
    old, new = run(NEW_ONLY, FAILING, created=BEFORE), run(NEW_ONLY, FAILING, created=AFTER)
    assert (old.ending, new.ending) == (Ending.PAUSED, Ending.ROLLED_BACK)
    assert assumed(old, "each call says 2020-01-01T00:00:00Z as its created")
    assert assumed(new, "each call says 2029-12-31T23:00:00Z as its created")


def test_since_is_compared_with_the_time_of_the_recording() -> None:
    step = {**NEW_ONLY, "keys": {"only_new_by": "created", "since": AFTER}}
    assert run(step, FAILING, created=FIRST_CALL).ending is Ending.PAUSED
    step = {**NEW_ONLY, "keys": {"only_new_by": "created", "since": BEFORE}}
    assert run(step, FAILING, created=FIRST_CALL).ending is Ending.ROLLED_BACK


def test_keys_that_a_plan_names_are_on_the_canary_at_any_weight_as_often_as_is_said() -> None:
    nobody, told = run(OURS, FAILING), run(OURS, FAILING, always=0.2)
    assert nobody.ending is Ending.PAUSED
    assert assumed(nobody, "--always says how many percent")
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, "error")
    assert assumed(told, "20 % of the keys, drawn anew, are taken to be internal-*, ann")


def test_keys_that_were_recorded_by_name_are_those_that_a_plan_names() -> None:
    calls = recorded((GOOD, FAILING))
    ours = [f"internal-{number % 40}" if number % 5 == 0 else "" for number in range(len(calls))]
    named = [msgspec.structs.replace(one, key=key or one.key) for one, key in zip(calls, ours, strict=True)]
    wanted = plan(steps=[OURS], limits=ERRORS, on_missing_data="pause")
    told = simulate(wanted, recording_of(named))
    assert told.ending is Ending.ROLLED_BACK
    assert assumed(told, "8 recorded keys are among those that are always on the canary")


def test_a_call_is_told_as_the_daemon_would_tell_it_drawn_or_not() -> None:
    traffic = Traffic(recording_of(recorded((GOOD,))), 0, BEGAN, 1.0, Subjects({"created": FIRST_CALL}, 0.25))
    traffic.served.table = RoutingTable(
        active=1, canary=2, weight=50, salt="s", always=("internal-*",), new_by="created", new_since=BEGAN + 60
    )
    told = [one for _ in range(1500) if isinstance(one := traffic.happen(), Sample)]
    old = [one for one in told if one.at < BEGAN + 60 and not one.key.startswith("internal-")]
    ours = [one for one in told if one.key.startswith("internal-")]
    drawn = [one for one in told if one.share == 0.5]
    assert {(one.treated, one.share, one.generation) for one in old} == {(False, 0.0, 1)}
    assert {(one.treated, one.share, one.generation) for one in ours} == {(True, 1.0, 2)}
    assert {one.treated for one in drawn} == {True, False}
    assert len(ours) / len(told) == pytest.approx(0.25, abs=0.05)


def test_a_key_keeps_its_beginning_and_its_name() -> None:
    table = RoutingTable(active=1, canary=2, always=("ann", "internal-*"))
    known = Introduced(Subjects({"created": FIRST_CALL, "since": 5.0}, 1.0), "salt")
    assert known.attributes("k", 7.0) == {"created": 7.0, "since": 5.0}
    assert known.attributes("k", 9.0) == {"created": 7.0, "since": 5.0}
    assert known.key("k", table) == "internal-k"
    assert known.key("k", RoutingTable(always=("ann",))) == "ann"
    assert known.key("k", RoutingTable()) == "k"


@pytest.mark.parametrize(
    ("step", "attributes", "always", "said"),
    [
        (NEW_ONLY, {"create": FIRST_CALL}, 0.0, "no step of tried looks at the attribute create; it goes by created"),
        (OURS, {"created": FIRST_CALL}, 0.0, r"no step of tried takes keys by an attribute \(only_new_by\)"),
        (NEW_ONLY, {"created": "yesterday"}, 0.0, "'yesterday' is no instant; write first-call"),
        (NEW_ONLY, {"created": "2026-11-20T08:00:00"}, 0.0, "one with its offset, such as 2026-11-20T08:00:00Z"),
        (NEW_ONLY, {}, 0.1, r"no step of tried names keys \(always\)"),
    ],
)
def test_what_no_step_looks_at_and_what_is_no_instant_is_refused_with_what_to_write(
    step: dict[str, Any], attributes: dict[str, str], always: float, said: str
) -> None:
    with pytest.raises(SubjectError, match=said):
        subjects_of(plan(steps=[step]), attributes, always)


def engine(*, errors: float = 0.0, milliseconds: float = 300.0, lines: float = 0.0, created: str = FIRST_CALL) -> Told:
    """Carry the shipped plan out with a new version like this."""
    shipped = find_plan("engine").plan
    calls = recorded((Version(errors=0.0, memory=1.0), Version(errors=errors, memory=1.0)))
    bad = {"generation_ms": milliseconds, "error_logs": lines, "missing_events": 0.0}
    good = {"generation_ms": 300.0, "error_logs": 0.0, "missing_events": 0.0}
    told = [msgspec.structs.replace(one, metrics=bad if one.generation == 2 else good) for one in calls]
    subjects = subjects_of(shipped, {"created": created}, 0.05)
    return simulate(shipped, recording_of(told), Options(subjects=subjects))


@pytest.mark.requirement("PLAN-5")
@pytest.mark.requirement("LIVE-4")
def test_the_engine_is_carried_from_our_own_missions_to_new_ones_to_half_to_all_in_its_own_times() -> None:
    told = engine()
    days = {line.words.partition(",")[0]: line.at / 86_400 for line in told.lines}
    assert days["step 1 of 3 (internal testing)"] == 0.0
    assert days["step 2 of 3 (new missions only)"] == 2.0
    assert days["step 3 of 3 (half of all missions)"] == 5.0
    assert days["promoted: all traffic to the new version"] == 12.0
    assert (told.ending, told.lasted, told.metric) == (Ending.DONE, 19 * 86_400.0, "")
    judged = next(line.look for line in told.lines if line.words.startswith("step 3 of 3"))
    assert judged is not None
    assert min(judged.trial, judged.baseline) > 4_000, "half of the new ones had the new engine"


@pytest.mark.requirement("PLAN-5")
@pytest.mark.parametrize(
    ("fault", "metric"),
    [({"errors": 0.3}, "error"), ({"milliseconds": 900.0}, "generation_ms"), ({"lines": 2.0}, "error_logs")],
)
def test_an_engine_that_is_worse_is_taken_back_while_our_own_missions_alone_have_it(
    fault: dict[str, float], metric: str
) -> None:
    told = engine(**fault)
    assert (told.ending, told.metric) == (Ending.ROLLED_BACK, metric)
    assert "internal testing" in told.lines[-2].words or "step 1 of 3" in told.lines[-1].words
    assert told.lasted < 86_400


def test_the_engine_waits_for_new_missions_where_there_are_none_whatever_our_own_ones_show() -> None:
    told = engine(created=BEFORE)
    assert (told.ending, told.lines[-1].at) == (Ending.WAITING, 5 * 86_400.0)
    assert told.why == "duration worse by 10 % and 5 ms: only 0 keys on trial and 0 others have counted; 5 are wanted"
