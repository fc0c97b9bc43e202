"""What a rehearsal's steps mean together: severity, exit status, last line, what is skipped, what comes next."""

from __future__ import annotations

import pytest

from orchestrator.domain.rehearsal import (
    PASSED,
    WARNED,
    Check,
    Options,
    Outcome,
    Promotion,
    Status,
    Step,
    closing,
    exit_code,
    highest,
    not_reached,
    overall,
    promotion_plan,
    why_skipped,
)

pytestmark = pytest.mark.requirement("REH-1")

OK, SKIPPED, WARNING, FAILED = Status.OK, Status.SKIPPED, Status.WARNING, Status.FAILED


def outcomes(*statuses: Status) -> list[Outcome]:
    return [Outcome(step, status, f"{step} said so") for step, status in zip(Step, statuses, strict=False)]


@pytest.mark.parametrize(
    ("statuses", "worst", "code", "nightly"),
    [
        ([], OK, 0, 0),
        ([OK, SKIPPED], OK, 0, 0),
        ([SKIPPED, SKIPPED], SKIPPED, 0, 0),
        ([OK, WARNING, SKIPPED], WARNING, 4, 0),
        ([WARNING, FAILED, OK], FAILED, 1, 1),
    ],
)
def test_the_exit_status_follows_the_most_severe_status_and_at_night_warnings_do_not_count(
    statuses: list[Status], worst: Status, code: int, nightly: int
) -> None:
    assert highest(statuses) is worst
    assert exit_code(statuses, nightly=False) == code
    assert exit_code(statuses, nightly=True) == nightly


def test_the_last_line_says_what_was_promised() -> None:
    assert closing(outcomes(OK, OK, SKIPPED)) == PASSED == "[upgrade] All checks passed."
    assert closing(outcomes(OK, WARNING)) == WARNED
    assert WARNED == "[upgrade] Completed with warnings (review noted shadow differences)."
    assert closing(outcomes(OK, OK, FAILED)) == "[upgrade] Failed in build: build said so"


def test_steps_run_in_their_order_and_what_follows_a_failure_is_not_reached() -> None:
    assert [str(step) for step in Step] == ["preflight", "copy", "build", "test", "shadow", "summary"]
    after = not_reached(outcomes(OK, OK, FAILED))
    assert [(one.step, one.status) for one in after] == [(Step.TEST, SKIPPED), (Step.SHADOW, SKIPPED)]
    assert all("build failed" in one.message for one in after)
    assert not_reached(outcomes(OK, WARNING)) == []


def test_build_and_test_are_skipped_when_asked_or_without_a_command_and_nothing_else_is() -> None:
    commands = {Step.BUILD: ("make",), Step.TEST: ()}
    assert why_skipped(Step.BUILD, Options(), commands=commands) is None
    assert why_skipped(Step.BUILD, Options(skip_build=True), commands=commands) == "--skip-build was given"
    planned = Options(skip_build=True, planned=True)
    assert why_skipped(Step.BUILD, planned, commands=commands) == "the plan says build = false"
    assert why_skipped(Step.TEST, Options(), commands=commands) == "upgrade.test names no command"
    everything = Options(allow_dirty=True, skip_build=True, skip_tests=True, nightly=True)
    assert [step for step in Step if why_skipped(step, everything, commands=commands)] == [Step.BUILD, Step.TEST]


def test_checks_come_to_the_worst_of_them_and_say_which_that_was() -> None:
    well, odd = Check("a", OK, "fine"), Check("b", WARNING, "odd")
    assert overall([well, well]) == (OK, "2 checks passed")
    assert overall([well, odd]) == (WARNING, "b: odd")
    assert overall([well, odd, Check("c", FAILED, "bad")]) == (FAILED, "c: bad")


def test_the_promotion_plan_says_what_stands_against_it_and_what_comes_first() -> None:
    plan = promotion_plan(Promotion(outcomes(OK, OK, OK, OK, OK), 0, shared_state=True, held=True))
    assert plan["may_promote"]
    assert plan["state"]["shared"] is True
    skipped = [Outcome(Step.TEST, SKIPPED, "--skip-tests was given"), *outcomes(OK)]
    plan = promotion_plan(Promotion(skipped, 2, shared_state=False, held=False))
    assert not plan["may_promote"]
    assert len(plan["first"]) == 3
    assert plan["state"]["shared"] is False
    assert "exclusive" in plan["then"][0]
    reaching = promotion_plan(Promotion(outcomes(OK, OK), 0, shared_state=True, held=True, attempts=2))
    assert not reaching["may_promote"]
    assert "the 2 stopped attempts in" in reaching["first"][0]
    one = promotion_plan(Promotion(outcomes(OK, OK), 1, shared_state=True, held=True, attempts=1))
    assert one["first"][0] == "read the difference in shadow.json and say which are expected"
    assert "the stopped attempt in" in one["first"][1]
    failed = promotion_plan(Promotion(outcomes(OK, FAILED), 0, shared_state=None, held=True))
    assert failed["against"] == ["copy failed: copy said so"]
