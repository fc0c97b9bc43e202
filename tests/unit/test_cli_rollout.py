"""A rollout on the command line: how it is begun, followed and shown, against answers that a test wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrator.api.rollouts.shown import (
    ArmShown,
    CauseShown,
    HappenedShown,
    LimitShown,
    LookShown,
    PausedShown,
    RolloutNow,
    RolloutShown,
    StageShown,
)
from orchestrator.cli import rehearsing, rolling, upgrade
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.group import switchover
from orchestrator.cli.rollout_view import brief, lines

NOW = 1_800_000_000.0
Ask = Callable[..., dict[str, Any]]


def cause(words: str, what: str = "regression") -> CauseShown:
    return CauseShown(what=what, words=words, by="switchover", at=NOW)


def limit(**changes: Any) -> LimitShown:
    plain: dict[str, Any] = {
        "limit": "error worse by 0.05", "metric": "error", "judge": "sequential", "verdict": "not_yet",
        "trial": ArmShown(samples=40, units=40, figure=0.02), "baseline": ArmShown(samples=120, units=120, figure=0.01),
        "evidence": 3.0, "needed": 100.0, "within": 1.0, "more": 90, "doubtful": False, "note": "", "applies": True,
        "words": "",
    }  # fmt: skip
    return LimitShown(**{**plain, **changes})


def look(*limits: LimitShown, **changes: Any) -> LookShown:
    plain: dict[str, Any] = {
        "epoch": "r/steps/0/1", "number": 7, "at": NOW, "verdict": "not_yet", "trial": 40, "baseline": 120,
        "limits": list(limits), "doubtful": False, "cause": "", "otherwise": "", "disagreement": 0.034,
    }  # fmt: skip
    return LookShown(**{**plain, **changes})


def rollout(**changes: Any) -> RolloutShown:
    plain: dict[str, Any] = {
        "id": "r", "plan": "small", "description": "", "actor": "ann", "reason": "", "phase": "stepping",
        "part": "running", "where": "step 1 of 2 (10 %): generation 2 has its share of the calls",
        "step": "step 1 of 2 (10 %)", "step_number": 1, "steps": 2, "over": False, "asked": NOW, "entered": NOW,
        "due": NOW + 42, "left": 42.0, "deadline_left": 600.0, "frozen": False, "waiting": False, "baseline": 1,
        "candidate": 2, "command": ["/bin/two"], "fingerprint": "two", "weight": 10, "weight_actual": 12.5,
        "calls": 80, "paused": None, "cause": None, "look": look(limit()), "quarantined": False,
        "flags": [StageShown(flag="beta", to=True, soak=60.0, state="to_come", cause="")],
    }  # fmt: skip
    return RolloutShown(**{**plain, **changes})


def happened(number: int, *words: str, of: str = "r") -> HappenedShown:
    return HappenedShown(n=number, at=NOW, actor="ann", reason="", rollout=of, revision=3, words=list(words))


def now(shown: RolloutShown | None, *events: HappenedShown) -> RolloutNow:
    return RolloutNow(rollout=shown, now=NOW, quarantine=[], events=list(events), trouble=None)


def text(told: RolloutNow) -> str:
    return "\n".join(lines(told, colour=False))


# --- the view -----------------------------------------------------------------------------------------


@pytest.mark.requirement("VERB-11")
def test_the_view_shows_step_weights_time_left_evidence_flags_and_what_happened() -> None:
    told = lines(now(rollout(), happened(1, "rollout r begins")), colour=False)
    assert told[0] == "rollout r, plan small: /bin/two"
    assert told[1] == ("step 1 of 2 (10 %): generation 2 has its share of the calls, 42 s left, deadline in 10 min")
    assert told[2] == "weight 10 % to generation 2, actual 12.5 %; 80 calls since step 1 of 2 (10 %) began"
    assert told[4] == "look 7: not yet, 40 calls on trial against 120; 3.4 % of mirrored answers differ"
    row = next(line for line in told if line.startswith("error worse by 0.05"))
    assert " ".join(row.split()) == "error worse by 0.05 not yet 2 % 1 % 40/120 3:1 100:1 about 90 more calls"
    assert "[ ] beta=True to come" in told
    assert told[-1].endswith("  rollout r begins")


@pytest.mark.requirement("VERB-11")
def test_the_view_says_what_prometheus_gave_nothing_for() -> None:
    assert lines(now(rollout(unanswered=["Prometheus gave nothing for lag"])), colour=False)[2].endswith("for lag")


@pytest.mark.requirement("VERB-11")
def test_there_is_nothing_to_show_without_a_rollout_and_little_of_one_long_over() -> None:
    assert lines(now(None), colour=False) == []
    over = rollout(over=True, phase="done", where="done: generation 2 serves all calls", left=None, deadline_left=None)
    old = now(over.model_copy(update={"entered": NOW - 2 * 24 * 3600}))
    assert lines(old, colour=False) == ["rollout r, plan small: /bin/two", "done: generation 2 serves all calls"]


@pytest.mark.requirement("VERB-11")
def test_a_pause_says_why_and_how_to_go_on_and_limits_without_a_say_are_left_out() -> None:
    paused = PausedShown(cause=cause("a limit is in doubt"), left=30.0, over=False)
    told = text(now(rollout(paused=paused, look=look(limit(applies=False)))))
    assert "PAUSED (30 s of it left): a limit is in doubt; go on with: switchover resume" in told
    assert "error worse by" not in told


@pytest.mark.requirement("VERB-11")
def test_a_deadline_that_has_passed_is_no_deadline_in_0s_and_memory_is_told_in_mib() -> None:
    leaking = limit(metric="memory", limit="memory worse by 20 %", trial=ArmShown(samples=9, units=9, figure=2.0**24))
    told = text(now(rollout(deadline_left=0.0, look=look(leaking))))
    assert "42 s left, its deadline has passed" in told
    assert "16 MiB" in told
    lagging = limit(metric="lag", unit="s", trial=ArmShown(samples=9, units=9, figure=16.0))
    assert "16 s" in text(now(rollout(look=look(lagging))))


@pytest.mark.requirement("VERB-11")
def test_what_a_worker_or_a_plan_named_does_nothing_to_the_terminal() -> None:
    evil = rollout(command=["/bin/\x1b[2J"], where="\x1b[31m", look=look(limit(note="\x1b]0;x\x07")))
    told = text(now(evil, happened(1, "\x1b[2J")))
    assert "\x1b" not in told
    assert "\x1b" not in brief(rollout(step="\x1b[2J"))


@pytest.mark.requirement("VERB-11")
def test_sentences_are_kept_within_the_terminal() -> None:
    told = lines(now(rollout(), happened(1, "word " * 40)), colour=False, width=60)
    assert all(len(line) <= 60 for line in told[:4])


# --- following ----------------------------------------------------------------------------------------


class Script:
    """Answers in the place of a daemon; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, _paths: Any, method: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        self.asked.append((method, path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer.model_dump() if isinstance(answer, RolloutNow) else dict(answer)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Script]:
    def play(*answers: Any) -> Script:
        script = Script(*answers)
        for module in (rolling, rehearsing, upgrade):
            monkeypatch.setattr(module, "ask", script)
        monkeypatch.setattr(rolling._Following, "pause", lambda _self: None)
        return script

    return play


def run(*words: str) -> Result:
    verb, *rest = words
    return CliRunner().invoke(switchover, [verb, "--state-dir", "/tmp/nowhere-at-all", *rest])


BEGUN = {"id": "r", "revision": 1, "message": "rollout r: rehearsal", "warnings": ["a flag stays; leave it out [x]"]}
DONE = rollout(over=True, phase="done", where="done: generation 2 serves all calls")
ENDED = now(DONE, happened(9, DONE.where))
BACK = rollout(over=True, phase="rolled_back", where="rolled back: error +4 pp", cause=cause("error +4 pp"))


@pytest.mark.requirement("VERB-10")
def test_a_rollout_that_is_done_ends_with_0_and_nothing_is_told_twice(script: Callable[..., Script]) -> None:
    played = script(
        BEGUN,
        now(rollout(), happened(5, "rollout r begins"), happened(6, "active: 1 -> 2", of="")),
        now(DONE, happened(9, "done: generation 2 serves all calls")),
    )
    result = run("upgrade", "--plan", "quick", "--id", "r", "--", "/bin/two")
    assert result.exit_code == 0, result.output
    told = [line.partition("  ")[2] for line in result.stdout.splitlines()[1:]]
    assert told == ["rollout r begins", "done: generation 2 serves all calls"]
    assert "warning: a flag stays; leave it out [x]" in result.stderr
    method, path, body = played.asked[0]
    assert (method, path, body["plan"], body["command"], body["id"]) == (
        "POST", "/v1/rollout", "quick", ("/bin/two",), "r",
    )  # fmt: skip
    assert [path for _, path, _ in played.asked[1:]] == ["/v1/rollout?after=0", "/v1/rollout?after=6"]


@pytest.mark.requirement("VERB-10")
def test_a_rollout_that_goes_back_ends_with_1_and_its_cause_on_stderr(script: Callable[..., Script]) -> None:
    script(BEGUN, now(BACK, happened(5, BACK.where)))
    result = run("upgrade", "--", "/bin/two")
    assert result.exit_code == 1
    assert "switchover: rollout r went back: error +4 pp; see: switchover why r\n" in result.stderr


@pytest.mark.requirement("VERB-10")
def test_an_end_that_is_told_a_moment_after_it_took_effect_is_printed_too(script: Callable[..., Script]) -> None:
    script(BEGUN, now(DONE), now(DONE), ENDED)
    result = run("upgrade", "--", "/bin/two")
    assert (result.exit_code, result.stdout.splitlines()[-1].endswith(DONE.where)) == (0, True)


@pytest.mark.requirement("VERB-10")
def test_an_end_that_is_never_told_is_not_waited_for_for_long(script: Callable[..., Script]) -> None:
    played = script(BEGUN, *[now(BACK)] * (rolling.LAST_LOOKS + 1))
    assert run("upgrade", "--", "/bin/two").exit_code == 1
    assert played.answers == []


@pytest.mark.requirement("VERB-10")
def test_ctrl_c_stops_following_and_nothing_else(script: Callable[..., Script]) -> None:
    played = script(BEGUN, now(rollout()), KeyboardInterrupt())
    result = run("upgrade", "--", "/bin/two")
    assert (result.exit_code, "it goes on: switchover upgrade --follow r" in result.stderr) == (130, True)
    assert [method for method, _, _ in played.asked] == ["POST", "GET", "GET"]


@pytest.mark.requirement("VERB-10")
def test_a_daemon_that_is_restarted_meanwhile_is_waited_for(script: Callable[..., Script]) -> None:
    script(BEGUN, UnreachableError("no daemon answers"), UnreachableError("no daemon answers"), ENDED)
    result = run("upgrade", "--", "/bin/two")
    assert (result.exit_code, result.stderr.count("no daemon answers; looking for it again")) == (0, 1)


@pytest.mark.requirement("VERB-10")
def test_a_rollout_that_another_one_followed_is_told_to_its_end_all_the_same(script: Callable[..., Script]) -> None:
    script(BEGUN, now(rollout(id="r2")), {"rollout": BACK.model_dump()})
    result = run("upgrade", "--", "/bin/two")
    assert (result.exit_code, "rollout r went back" in result.stderr) == (1, True)


UNKNOWN = FailedError("no rollout r is remembered")


@pytest.mark.requirement("VERB-10")
def test_an_earlier_rollout_is_followed_to_the_end_it_had(script: Callable[..., Script]) -> None:
    later = now(rollout(id="r2"))
    script(later, {"rollout": BACK.model_dump()}, later, {"rollout": BACK.model_dump()})
    result = run("upgrade", "--follow", "r")
    assert (result.exit_code, "rollout r went back" in result.stderr) == (1, True)


@pytest.mark.requirement("VERB-10")
def test_a_rehearsal_of_no_rollout_is_followed(script: Callable[..., Script]) -> None:
    over = {"running": False, "exit_code": 4, "events": []}
    script(now(rollout(id="r2")), UNKNOWN, over, over)
    assert run("upgrade", "--follow", "r").exit_code == 4


@pytest.mark.requirement("VERB-10")
def test_to_follow_what_nobody_knows_is_refused_with_what_there_is_instead(script: Callable[..., Script]) -> None:
    script(now(None), UNKNOWN, FailedError("there is no rehearsal r"))
    result = run("upgrade", "--follow", "r")
    assert result.exit_code == 1
    assert "there is neither a rollout nor a rehearsal r; what there was: switchover history" in result.stderr


@pytest.mark.requirement("VERB-10")
def test_detached_it_is_only_begun_and_a_plans_file_is_named_by_its_whole_path(
    script: Callable[..., Script], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    played = script(BEGUN)
    assert run("upgrade", "--detach", "--plan", "./mine.toml", "--force", "--", "/bin/two").exit_code == 0
    (asked,) = played.asked
    assert (asked[2]["plan"], asked[2]["force"], asked[2]["cwd"]) == (
        str(tmp_path / "mine.toml"), True, str(tmp_path),
    )  # fmt: skip


@pytest.mark.requirement("VERB-10")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rehearse", "--plan", "quick", "--", "x"), "--plan belongs to a rollout"),
        (("--rehearse", "--detach", "--", "x"), "--detach belongs to a rollout"),
        (("--skip-tests", "--", "x"), "--skip-tests goes with --rehearse"),
        (("--nightly", "--", "x"), "--nightly goes with --rehearse"),
        (("--rehearse",), "name the new version's command"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(words: tuple[str, ...], said: str) -> None:
    result = run("upgrade", *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.output


@pytest.mark.requirement("VERB-4", "VERB-9")
@pytest.mark.parametrize("words", [("why",), ("guide",), ("quarantine", "--release")])
def test_what_is_no_text_is_refused_in_words_wherever_it_is_typed(words: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(switchover, [*words, "\udcff", "--state-dir", str(tmp_path)])
    assert (result.exit_code, "not UTF-8, or holds half a character" in result.stderr) == (1, True)


@pytest.mark.requirement("VERB-8")
def test_a_drill_wants_a_yes() -> None:
    result = run("drill")
    assert (result.exit_code, "say --yes" in result.stderr) == (1, True)
