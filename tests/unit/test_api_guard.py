"""The guard API over a real engine, and what of rollouts is served over TCP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_story import StoryPlane, control_plane
from rollout_asked import FLAGS_ONLY, ROLLOUT, begin, now, plan_file
from rollout_engine import judged, regression
from test_api_over_tcp import OPERATOR, made, over_tcp

from orchestrator.api.rollouts.guard_report import concerned, evaluation_of, stats_of
from orchestrator.domain.evidence.look import Verdict


def trusting(plane: StoryPlane) -> StoryPlane:
    """Have the other verbs done for real, too."""
    plane.control.verbs = plane.control.engine.verbs
    return plane


@pytest.mark.requirement("VERB-7")
async def test_status_tells_config_figures_evaluation_and_limits_and_changes_nothing(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        engine = plane.control.engine
        engine.guard.look = regression(engine.driver.state)
        records = len(await engine.journal.tail(100))
        status, told = await plane.ask("GET", "/guard/status")
        assert status == 200
        assert told["config"] == {"canary_pct": 10, "kill_switch": False, "paused": False, "revision": 3}
        assert told["stats"]["v2"] == {"generation": 2, "samples": 214, "metrics": {"error": 0.051}}
        assert told["stats"]["v1"] == {"generation": 1, "samples": 642, "metrics": {"error": 0.01}}
        assert (told["evaluation"]["action"], told["evaluation"]["verdict"]) == ("none", "regression")
        assert told["evaluation"]["breaches"][0].startswith("error worse by 0.05: regression, 5.1 % against 1 %")
        assert told["thresholds"] == [
            {
                "limit": "error worse by 5 pp", "metric": "error", "bound": "margin", "value": 0.05,
                "statistic": "mean", "min_samples": 10, "judge": "sequential",
            }
        ]  # fmt: skip
        assert (engine.guard.evaluated, len(await engine.journal.tail(100))) == (0, records)


@pytest.mark.requirement("VERB-7")
async def test_an_evaluation_acts_on_a_regression_and_says_what_it_did(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        _, told = await plane.ask("POST", "/guard/evaluate")
        assert (told["verdict"], told["action"]) == ("not_watching", "none")
        await begin(plane, tmp_path)
        engine = plane.control.engine
        engine.guard.look = judged(engine.driver.state, Verdict.NOT_YET)
        _, told = await plane.ask("POST", "/guard/evaluate")
        assert (told["verdict"], told["action"], told["breaches"]) == ("not_yet", "none", [])
        engine.guard.look = regression(engine.driver.state)
        _, told = await plane.ask("POST", "/guard/evaluate")
        assert (told["verdict"], told["action"], told["message"]) == ("regression", "rollback", "error rate +4.1 pp")
        assert (await now(plane))["phase"] == "rolled_back"


@pytest.mark.requirement("VERB-7")
@pytest.mark.parametrize("weight", [-1, 101, 12.5, "many", "5", True])
async def test_a_weight_that_is_no_percentage_is_refused_with_words(tmp_path: Path, weight: Any) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        status, told = await trusting(plane).ask("PUT", "/guard/config", {"canary_pct": weight})
        assert (status, "canary_pct" in told["reason"]) == (422, True)
        assert (await now(plane))["weight"] == 10


@pytest.mark.requirement("VERB-7")
async def test_what_json_would_take_for_a_weight_is_told_how_it_is_written(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        for weight, written in (("5", '"5"'), (True, "true")):
            _status, told = await trusting(plane).ask("PUT", "/guard/config", {"canary_pct": weight})
            assert f"{written} is no number: give a whole number from 0 to 100" in told["reason"]


@pytest.mark.requirement("VERB-7")
async def test_a_kill_switch_is_true_or_false_and_no_word_for_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        for word in ("yes", 1, "off"):
            status, told = await trusting(plane).ask("PUT", "/guard/config", {"kill_switch": word})
            assert (status, "kill_switch" in told["reason"]) == (422, True)
        assert plane.control.engine.driver.state.table.kill_switch is False


@pytest.mark.requirement("VERB-7")
async def test_a_rollback_without_a_body_is_told_how_one_looks(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, told = await plane.ask("POST", "/guard/rollback")
        words = 'the request is not valid: body: a JSON object is wanted, such as {} or {"reason": "why"}'
        assert (status, told["reason"]) == (422, words)


@pytest.mark.requirement("VERB-7")
async def test_a_figure_of_a_percentile_is_named_by_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        engine = plane.control.engine
        look = judged(engine.driver.state, Verdict.NOT_YET)
        slow = replace(look.limits[0], limit="duration (p95) at most 1600", metric="duration")
        engine.guard.look = replace(look, limits=(slow,))
        _, told = await plane.ask("GET", "/guard/status")
        assert list(told["stats"]["v2"]["metrics"]) == ["duration p95"]


@pytest.mark.requirement("VERB-7")
async def test_config_sets_the_share_and_the_kill_switch_and_says_who_asked(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        body = {"canary_pct": 5.0, "updated_by": "admin", "reason": "initial_canary"}
        status, told = await trusting(plane).ask("PUT", "/guard/config", body)
        assert (status, told["config"]["canary_pct"], told["config"]["paused"]) == (200, 5, True)
        assert (await now(plane))["paused"]["cause"]["words"].endswith("gave the canary 5 %: admin: initial_canary")
        _, told = await plane.ask("PUT", "/guard/config", {"kill_switch": True})
        assert told["config"]["kill_switch"] is True
        _, told = await plane.ask("PUT", "/guard/config", {"kill_switch": False})
        assert told["config"]["kill_switch"] is False
        assert (await plane.ask("PUT", "/guard/config", {}))[1]["message"] == "nothing was asked for"


@pytest.mark.requirement("VERB-7")
async def test_a_rollback_by_hand_goes_back_with_its_reason_and_health_is_told(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        _, health = await plane.ask("GET", "/guard/health")
        assert health == {"status": "ok", "watching": "r/steps/0/1", "trouble": None}
        status, told = await trusting(plane).ask("POST", "/guard/rollback", {"reason": "bad answers"})
        assert (status, told["config"]["canary_pct"], told["config"]["kill_switch"]) == (200, 0, True)
        assert told["message"].startswith("rollout r is rolled back: generation 1 serves all calls")
        assert (await now(plane))["cause"]["words"].endswith("rolled back: bad answers")
        assert (await plane.ask("GET", "/guard/health"))[1]["watching"] is None


@pytest.mark.requirement("VERB-7")
async def test_a_canary_that_somebody_starts_by_hand_is_no_version_of_the_rollout_before_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        engine = plane.control.engine
        engine.guard.look = regression(engine.driver.state)
        await plane.ask("POST", "/guard/evaluate")
        state = engine.driver.state
        assert (stats_of(state, None)["v2"].generation, concerned(state)) == (2, state.rollout)
        by_hand = replace(state, table=replace(state.table, canary=7))
        assert (stats_of(by_hand, None)["v2"].generation, concerned(by_hand)) == (7, None)
        assert evaluation_of(by_hand, engine.guard.look).verdict == "not_watching"


@pytest.mark.requirement("VERB-7")
async def test_after_a_rollback_by_hand_nothing_begins_until_the_kill_switch_is_lifted(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        again = {"reason": "no trust", "updated_by": "admin"}
        status, told = await trusting(plane).ask("POST", "/guard/rollback", again)  # nothing to go back from
        assert (status, told["config"]["kill_switch"]) == (200, True)
        assert (await begin(plane, tmp_path))[0] == 409
        wish = {"canary_pct": 5.0, "kill_switch": False, "reason": "fix_applied"}
        status, told = await plane.ask("PUT", "/guard/config", wish)
        assert (status, "no version is on trial" in told["reason"]) == (409, True)
        assert (await plane.ask("GET", "/guard/status"))[1]["config"]["kill_switch"] is True  # nothing was done
        status, told = await plane.ask("PUT", "/guard/config", {**wish, "canary_pct": 0})
        assert (status, told["config"]["kill_switch"]) == (200, False)
        assert (await begin(plane, tmp_path))[0] == 200


@pytest.mark.requirement("VERB-7")
async def test_the_kill_switch_is_lifted_and_the_share_given_in_one_request(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await trusting(plane).ask("PUT", "/guard/config", {"kill_switch": True})
        for share in (5, 20):
            status, told = await plane.ask("PUT", "/guard/config", {"canary_pct": share, "kill_switch": False})
            assert (status, told["config"]["canary_pct"], told["config"]["kill_switch"]) == (200, share, False)


@pytest.mark.requirement("VERB-7")
async def test_a_share_that_cannot_be_given_is_refused_with_what_serves_and_nothing_else_of_the_request_is_done(
    tmp_path: Path,
) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/promote", {})
        await trusting(plane).ask("PUT", "/guard/config", {"kill_switch": True})
        for share in (0, 30):
            status, told = await plane.ask("PUT", "/guard/config", {"canary_pct": share, "kill_switch": False})
            assert (status, "generation 2 serves all calls and" in told["reason"]) == (409, True)
            assert plane.control.engine.driver.state.table.kill_switch
        status, told = await plane.ask("PUT", "/guard/config", {"canary_pct": 100})
        assert (status, told["message"]) == (200, "the share is 100 % already")


@pytest.mark.requirement("VERB-7")
async def test_a_share_is_given_and_the_kill_switch_turned_on_in_one_request(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        status, told = await trusting(plane).ask("PUT", "/guard/config", {"canary_pct": 5, "kill_switch": True})
        assert (status, told["config"]["canary_pct"], told["config"]["kill_switch"]) == (200, 5, True)


@pytest.mark.requirement("VERB-6")
async def test_over_tcp_flags_may_be_rolled_out_by_name_and_no_command_or_file_comes_in(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        engine = plane.control.engine
        plan_file(tmp_path, FLAGS_ONLY, "only")
        engine.settings = engine.settings.model_copy(update={"plans_dir": tmp_path})
        for body in ({"plan": "only", "command": ["/bin/two"]}, {"plan": str(tmp_path / "only.toml")}):
            response = await client.post(ROLLOUT, headers=OPERATOR, json=body)
            assert (response.status_code, response.json()["reason"].startswith("over TCP")) == (403, True)
        response = await client.post(ROLLOUT, headers=OPERATOR, json={"plan": "only", "id": "r"})
        assert (response.status_code, response.json()["id"]) == (200, "r")
        ann = await made(client, "ann")
        assert (await client.get(ROLLOUT, headers=ann)).json()["rollout"]["actor"] == "token:ops"
        for path in (f"{ROLLOUT}/pause", "/v1/rollback", "/guard/rollback", "/guard/evaluate", "/v1/drill"):
            assert (await client.post(path, headers=ann, json={})).status_code == 403
        assert (await client.post(f"{ROLLOUT}/pause", headers=OPERATOR, json={})).status_code == 200
