"""The rollout's routes over a real engine without processes: beginning, steering, how it stands, why, what happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_story import StoryPlane, control_plane
from rollout_asked import FLAGS_ONLY, PLAN, ROLLOUT, begin, judge, later, now, plan_file
from rollout_engine import judged, regression

from orchestrator.api.rollouts import verbs
from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.lint import Finding
from orchestrator.domain.plans.plan import Plan
from orchestrator.settings import Rollout


@pytest.mark.requirement("VERB-1")
async def test_a_rollout_begins_with_a_plan_and_goes_to_its_first_step(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        assert (await now(plane)) is None
        status, begun = await begin(plane, tmp_path, reason="new model")
        assert (status, begun["id"], begun["warnings"]) == (200, "r", [])
        assert begun["message"] == "rollout r: rehearsal: the new version is rehearsed"
        shown = await now(plane)
        assert (shown["phase"], shown["step"], shown["step_number"], shown["steps"]) == (
            "stepping", "step 1 of 2 (10 %)", 1, 2,
        )  # fmt: skip
        assert (shown["weight"], shown["left"], shown["actor"], shown["reason"]) == (
            10,
            60.0,
            "root (uid 0)",
            "new model",
        )


@pytest.mark.requirement("VERB-1")
async def test_every_flag_stage_says_what_it_wants_before_the_machine_hears_of_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        rollout = plane.control.engine.driver.state.rollout
        assert rollout is not None
        assert [stage.min_stable for stage in rollout.plan.flags] == [0.0]


@pytest.mark.requirement("VERB-1")
async def test_a_stage_whose_flag_has_its_value_already_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.control.engine.standing.add("beta")
        _, told = await begin(plane, tmp_path)
        assert "beta has its value already: its stage is left out" in told["warnings"]
        assert plane.control.engine.driver.state.under_way.plan.flags == ()


@pytest.mark.requirement("VERB-1")
async def test_a_plan_that_is_not_there_or_cannot_work_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, told = await begin(plane, tmp_path, plan="defalt")
        assert (status, told["reason"]) == (409, "there is no plan 'defalt'; did you mean default?")
        bad = plan_file(tmp_path, PLAN.replace('"beta"', '"betta"'), "bad")
        status, told = await begin(plane, tmp_path, plan=bad)
        assert status == 409
        assert "betta is not declared; did you mean beta? [unknown-flag]" in told["reason"]
        assert f"{bad}:" in told["reason"]
        status, told = await begin(plane, tmp_path, plan="./small.toml")
        assert (status, "absolute path" in told["reason"]) == (422, True)
        assert plane.control.engine.driver.state.rollout is None
        assert (await begin(plane, tmp_path, plan=bad, force_plan=True))[0] == 200


@pytest.mark.requirement("VERB-1")
async def test_a_plan_that_no_file_can_hold_is_refused_like_any_other(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.control.engine.settings = Rollout(plans_dir=tmp_path)
        for named, why in (("", "no plan ''"), ("x" * 5_000, "no plan 'xxx"), ("/dev/zero", "a device or a pipe")):
            status, told = await begin(plane, tmp_path, plan=named)
            assert (status, why in told["reason"], len(told["reason"]) < 300) == (409, True, True), told


@pytest.mark.requirement("VERB-1", "VERB-2", "VERB-8")
async def test_consent_is_true_or_false_and_nothing_that_might_be_meant_so(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        for path, consent in (
            ("/v1/rollout", {"force": "yes"}),
            ("/v1/rollout", {"force_plan": 1}),
            ("/v1/rollback", {"lose_writes": 1}),
            ("/v1/drill", {"hold": True}),
            ("/v1/drill", {"hold": "5"}),
        ):
            status, told = await plane.ask("POST", path, consent)
            assert (status, next(iter(consent)) in told["reason"]) == (422, True), told


@pytest.mark.requirement("VERB-1")
async def test_without_a_name_the_configured_plan_is_taken_from_ones_own_folder_first(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plan_file(tmp_path, PLAN, "quick")
        plane.control.engine.settings = Rollout(plan="quick", plans_dir=tmp_path)
        assert (await begin(plane, tmp_path, plan=None, id=None))[0] == 200
        shown = await now(plane)
        assert (shown["plan"], shown["steps"], shown["id"]) == ("quick", 2, "20270115T080000Z")


@pytest.mark.requirement("VERB-1")
async def test_an_id_that_is_no_name_of_a_folder_is_shown_with_what_would_fit(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, told = await begin(plane, tmp_path, id="a b")
        assert (status, told["reason"].startswith("the request is not valid: id: 'a b' does not fit ^[A-Z")) == (
            422,
            True,
        )


@pytest.mark.requirement("VERB-1")
async def test_an_id_that_a_rehearsal_had_is_not_given_again(tmp_path: Path) -> None:
    (tmp_path / "upgrades" / "r").mkdir(parents=True)
    (tmp_path / "upgrades" / "20270115T080000Z").mkdir()
    async with control_plane(tmp_path) as plane:
        status, told = await begin(plane, tmp_path)
        assert (status, told["reason"]) == (409, "there was a rehearsal r already; choose another id")
        assert (await begin(plane, tmp_path, id=None))[1]["id"] == "20270115T080000Z-2"


@pytest.mark.requirement("VERB-2")
async def test_each_verb_is_answered_with_where_the_rollout_stands_then(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        paused = await plane.ask("POST", f"{ROLLOUT}/pause", {"reason": "lunch"})
        assert paused[1]["message"] == "rollout r is paused at step 1 of 2 (10 %): root (uid 0) paused: lunch"
        again = await plane.ask("POST", f"{ROLLOUT}/pause", {})
        assert (again[0], again[1]["reason"].startswith("it is paused already")) == (409, True)
        resumed = await plane.ask("POST", f"{ROLLOUT}/resume", {})
        assert resumed[1]["message"] == (
            "rollout r: step 1 of 2 (10 %): generation 2 has its share of the calls, 1 min left"
        )
        promoted = await plane.ask("POST", f"{ROLLOUT}/promote", {})
        assert promoted[1]["message"] == "rollout r: bake: generation 2 serves all calls and is watched, 1 min left"
        assert (await now(plane))["weight"] == 100
        back = await plane.ask("POST", f"{ROLLOUT}/abort", {"reason": "a hunch"})
        assert back[1]["message"] == (
            "rollout r is rolled back: generation 1 serves all calls, the new version is stopped and quarantined"
        )
        assert (await now(plane))["quarantined"] is True


@pytest.mark.requirement("VERB-2")
async def test_what_was_rolled_back_is_refused_without_force_and_runs_again_by_retry(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/abort", {})
        status, told = await begin(plane, tmp_path, id="r2")
        assert (status, "this version is quarantined" in told["reason"]) == (409, True)
        status, begun = await plane.ask("POST", f"{ROLLOUT}/retry", {"id": "r3"})
        assert (status, begun["id"]) == (200, "r3")
        await plane.control.engine.settled()
        assert ((await now(plane))["phase"], (await plane.ask("GET", "/v1/quarantine"))[1]) == ("stepping", [])


@pytest.mark.requirement("VERB-2", "ROLL-14")
async def test_what_was_rolled_back_is_taken_out_of_quarantine_by_the_beginning_of_its_fingerprint(
    tmp_path: Path,
) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/abort", {})
        _, ((held,)) = await plane.ask("GET", "/v1/quarantine")
        status, told = await plane.ask("DELETE", f"/v1/quarantine/{held['fingerprint'][:8]}?reason=mended")
        words = f"{held['fingerprint'][:12]} is out of quarantine, and may be rolled out again"
        assert (status, told["message"]) == (200, words)
        assert (await plane.ask("GET", "/v1/quarantine"))[1] == []
        status, told = await plane.ask("DELETE", f"/v1/quarantine/{held['fingerprint']}")
        assert (status, "nothing in quarantine is" in told["reason"]) == (409, True)
        assert (await begin(plane, tmp_path, id="r2"))[0] == 200


@pytest.mark.requirement("VERB-2")
async def test_without_a_rollout_abort_is_refused_and_rollback_needs_somewhere_to_go(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        for path, words in (
            (f"{ROLLOUT}/abort", "no rollout is under way"),
            ("/v1/rollback", "there is nothing to go back to"),
            (f"{ROLLOUT}/promote", "no rollout is under way"),
            (f"{ROLLOUT}/retry", "there is nothing to retry"),
        ):
            status, told = await plane.ask("POST", path, {})
            assert (status, words in told["reason"]) == (409, True), path


@pytest.mark.requirement("VERB-3")
async def test_set_and_actual_weight_and_every_limit_are_told(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.control.engine.chosen[1] = 1000
        await begin(plane, tmp_path)
        plane.control.engine.chosen.update({1: 88, 2: 12})
        await judge(plane, judged(plane.control.engine.driver.state, Verdict.NOT_YET))
        shown = await now(plane)
        assert (shown["weight"], shown["weight_actual"], shown["calls"]) == (10, 12.0, 100)
        (limit,) = shown["look"]["limits"]
        assert (limit["verdict"], limit["evidence"], limit["needed"], limit["more"]) == ("not_yet", 3.0, 100.0, 90)
        await later(plane, 61)
        assert ((await now(plane))["step"], (await now(plane))["calls"]) == ("step 2 of 2 (50 %)", 0)


@pytest.mark.requirement("VERB-3")
async def test_the_guards_newest_look_is_shown_also_when_the_engine_was_not_told_of_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        engine = plane.control.engine
        engine.guard.look = judged(engine.driver.state, Verdict.NOT_YET, calls=77)
        assert (await now(plane))["look"]["trial"] == 77
        engine.guard.look = replace(engine.guard.look, epoch="r/steps/9/9")
        assert (await now(plane))["look"] is None


@pytest.mark.requirement("VERB-3")
async def test_numbers_that_json_does_not_have_are_told_as_none_or_the_largest(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        look = judged(plane.control.engine.driver.state, Verdict.NOT_YET, evidence=float("inf"), figure=float("nan"))
        await judge(plane, look)
        (limit,) = (await now(plane))["look"]["limits"]
        assert (limit["evidence"], limit["trial"]["figure"]) == (1e300, None)


@pytest.mark.requirement("VERB-3")
async def test_a_flags_stage_goes_from_half_to_whole_to_moved(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/promote", {})
        states = []
        for seconds, verdict in ((61, Verdict.WITHIN_MARGIN), (31, Verdict.WITHIN_MARGIN), (31, None)):
            state = plane.control.engine.driver.state
            states.append((await now(plane))["flags"][0]["state"])
            if verdict is not None:
                await judge(plane, judged(state, verdict))
            await later(plane, seconds)
        assert states == ["to_come", "half", "whole"]


@pytest.mark.requirement("VERB-4")
async def test_why_says_cause_call_evidence_and_what_would_have_changed_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await judge(plane, regression(plane.control.engine.driver.state))
        _, told = await plane.ask("GET", f"{ROLLOUT}/why")
        lines = "\n".join(told["lines"])
        assert "rolled back: error rate +4.1 pp" in told["lines"][0]
        assert "decided at step 1 of 2 (10 %) by switchover: error rate +4.1 pp" in lines
        assert "seen at call 214 of the version on trial" in lines
        assert "5.1 % against 1 % (214 and 642 samples), evidence 130:1 of 100:1 needed" in lines
        assert "otherwise: at alpha .005 it would have gone on" in lines
        assert "quarantined" in lines


@pytest.mark.requirement("VERB-3", "VERB-4")
async def test_what_prometheus_gave_nothing_for_is_told_while_the_rollout_is_under_way(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        words = "Prometheus gave nothing for lag: it cannot be reached"
        plane.control.engine.desk.unanswered = lambda: [words]
        assert (await now(plane))["unanswered"] == [words]
        assert (await plane.ask("GET", f"{ROLLOUT}/why"))[1]["lines"][1] == words
        await plane.ask("POST", f"{ROLLOUT}/abort", {})
        assert (await now(plane))["unanswered"] == []


@pytest.mark.requirement("VERB-4")
async def test_why_says_of_a_rollout_that_goes_on_or_is_paused_what_is_missing(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, told = await plane.ask("GET", f"{ROLLOUT}/why")
        assert (status, "there was no rollout yet" in told["reason"]) == (409, True)
        await begin(plane, tmp_path)
        await judge(plane, judged(plane.control.engine.driver.state, Verdict.NOT_YET))
        _, told = await plane.ask("GET", f"{ROLLOUT}/why?rollout=r")
        assert "1 min of it are left" in told["lines"]
        assert told["lines"][-1].endswith("evidence 3:1 of 100:1 needed; about 90 more calls are needed")
        await plane.ask("POST", f"{ROLLOUT}/pause", {"reason": "lunch"})
        _, told = await plane.ask("GET", f"{ROLLOUT}/why")
        assert told["lines"][1] == "paused at step 1 of 2 (10 %): root (uid 0) paused: lunch"
        assert told["lines"][-1] == "go on with: switchover resume; end it with: switchover abort"
        assert (await plane.ask("GET", f"{ROLLOUT}/why?rollout=other"))[0] == 409


@pytest.mark.requirement("VERB-4")
async def test_looks_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        look = judged(plane.control.engine.driver.state, Verdict.NOT_YET)
        plane.control.engine.looks.kept = [replace(look, number=number) for number in (1, 2, 3)]
        _, page = await plane.ask("GET", f"{ROLLOUT}/looks?limit=2")
        assert ([one["number"] for one in page["looks"]], page["before"]) == ([3, 2], 2)
        _, page = await plane.ask("GET", f"{ROLLOUT}/looks?limit=2&before=2")
        assert ([one["number"] for one in page["looks"]], page["before"]) == ([1], None)


@pytest.mark.requirement("VERB-5")
async def test_history_is_told_newest_first_page_by_page_without_mere_looks(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path, reason="new model")
        await judge(plane, judged(plane.control.engine.driver.state, Verdict.NOT_YET))
        await plane.ask("POST", f"{ROLLOUT}/abort", {"reason": "a hunch"})
        _, whole = await plane.ask("GET", f"{ROLLOUT}/history")
        told = [one["words"][0] for one in whole["steps"]]
        assert told[0] == "root (uid 0) rolled back: a hunch"
        assert told[-1] == "rollout r begins: plan small, /bin/two"
        assert (whole["steps"][-1]["actor"], whole["steps"][-1]["reason"]) == ("root (uid 0)", "new model")
        paged, before = [], ""
        while before is not None:
            _, page = await plane.ask("GET", f"{ROLLOUT}/history?limit=1{before}")
            paged += [one["words"][0] for one in page["steps"]]
            before = None if page["before"] is None else f"&before={page['before']}"
        assert paged == told


@pytest.mark.requirement("VERB-5")
async def test_what_happened_before_a_restart_is_still_told_and_an_old_rollout_explained(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/abort", {})
        await plane.ask("POST", f"{ROLLOUT}/retry", {"id": "r2"})
        await plane.control.engine.settled()
        plane.control.engine.desk.past._lately.clear()  # as after a restart
        _, told = await plane.ask("GET", ROLLOUT)
        assert any("rollout r2 begins" in words for one in told["events"] for words in one["words"])
        _, told = await plane.ask("GET", f"{ROLLOUT}/why?rollout=r")
        assert told["lines"][0].startswith("rollout r (plan small): root (uid 0) rolled back")


@pytest.mark.requirement("VERB-5")
async def test_a_step_that_was_noted_a_moment_after_it_was_written_is_told_once(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        past = plane.control.engine.desk.past
        later = [one.model_copy(update={"n": one.n + 1}) for one in past._lately]
        past._lately.clear()
        past._lately.extend(later)
        _, told = await plane.ask("GET", ROLLOUT)
        words = [tuple(one["words"]) for one in told["events"]]
        assert len(words) == len(set(words)) > 1


@pytest.mark.requirement("VERB-5")
async def test_a_step_that_is_read_before_it_is_noted_is_told_once_and_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with control_plane(tmp_path) as plane:
        past = plane.control.engine.desk.past
        steps: list[tuple[Any, ...]] = []

        def only_written(*step: Any) -> None:
            steps.append(step)

        await begin(plane, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(past, "noted", only_written)
            await plane.ask("POST", f"{ROLLOUT}/pause", {"reason": "lunch"})
        _, read = await plane.ask("GET", ROLLOUT)
        for step in steps:
            past.noted(*step)
        _, noted = await plane.ask("GET", ROLLOUT)
        words = [one["words"] for one in noted["events"]]
        assert words == [one["words"] for one in read["events"]]
        assert words[-1] == ["paused at step 1 of 2 (10 %): root (uid 0) paused: lunch"]


@pytest.mark.requirement("VERB-3")
async def test_who_follows_is_told_what_is_new_and_nothing_twice(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        _, first = await plane.ask("GET", ROLLOUT)
        seen = first["events"][-1]["n"]
        assert (await plane.ask("GET", f"{ROLLOUT}?after={seen}"))[1]["events"] == []
        await plane.ask("POST", f"{ROLLOUT}/pause", {})
        (new,) = (await plane.ask("GET", f"{ROLLOUT}?after={seen}"))[1]["events"]
        assert (new["rollout"], new["words"]) == ("r", ["paused at step 1 of 2 (10 %): root (uid 0) paused"])


@pytest.mark.requirement("VERB-9")
async def test_the_guide_names_the_commands_of_a_plan_and_where_a_rollout_is(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        _, told = await plane.ask("GET", f"{ROLLOUT}/guide?plan=quick")
        text = "\n".join(told["lines"])
        for command in ("lint quick", "upgrade --plan quick -- COMMAND", "status --watch", "promote", "rollback"):
            assert f"switchover {command}" in text
        _, told = await plane.ask("GET", f"{ROLLOUT}/guide?plan=flag-only")
        assert "-- COMMAND" not in "\n".join(told["lines"])
        await begin(plane, tmp_path)
        _, told = await plane.ask("GET", f"{ROLLOUT}/guide")
        assert "   rollout r carries it out now and is at step 1 of 2 (10 %)" in told["lines"]


@pytest.mark.requirement("VERB-9")
async def test_the_guide_says_how_to_begin_earlier_what_a_hold_for_equal_states_waits_for(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        hold = 'hold = {kind = "parity", clean = "3d"}'
        plan = plan_file(tmp_path, PLAN.replace("[[steps]]", f"[[steps]]\n{hold}", 1), "equal")
        _, told = await plane.ask("GET", f"{ROLLOUT}/guide?plan={plan}")
        at = next(at for at, line in enumerate(told["lines"]) if line.endswith("the same for 3 d; to begin earlier:"))
        assert told["lines"][at + 1].strip() == "switchover parity start"


@pytest.mark.requirement("VERB-1")
async def test_a_plan_is_examined_off_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    found = verbs.lint

    def noted(plan: Plan, registry: Registry) -> tuple[Finding, ...]:
        threads.append(threading.get_ident())
        return found(plan, registry)

    monkeypatch.setattr(verbs, "lint", noted)
    async with control_plane(tmp_path) as plane:
        assert (await begin(plane, tmp_path))[0] == 200
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def drilled(plane: StoryPlane, **body: object) -> tuple[int, dict[str, object]]:
    return await plane.ask("POST", "/v1/drill", {"hold": 0, **body})


@pytest.mark.requirement("VERB-8")
async def test_a_drill_moves_traffic_to_the_refuge_and_back_and_leaves_the_rollout_as_it_was(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        before = plane.control.engine.driver.state
        status, told = await drilled(plane)
        assert (status, told["left"], told["refuge"], told["stray_calls"]) == (200, 2, 1, 0)
        after = plane.control.engine.driver.state
        assert (after.table.kill_switch, after.table.weight, after.table.lanes()) == (
            False, before.table.weight, before.table.lanes(),
        )  # fmt: skip
        assert before.rollout is not None
        assert after.rollout is not None
        assert (after.rollout.paused, after.rollout.due, after.quarantine) == (None, before.rollout.due, {})
        tables = [table.table.kill_switch for _, table in plane.control.engine.steps[-3:]]
        assert tables == [True, False, False]


@pytest.mark.requirement("VERB-8")
async def test_a_drill_lets_no_rollout_go_on_that_waits_for_data(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        await later(plane, 61)
        assert ((await now(plane))["waiting"], (await drilled(plane))[0]) == (True, 200)
        await plane.control.engine.settled()
        shown = await now(plane)
        assert (shown["step"], shown["waiting"], shown["paused"]) == ("step 1 of 2 (10 %)", True, None)


@pytest.mark.requirement("VERB-8")
async def test_a_drill_leaves_somebodys_pause_alone_and_needs_a_refuge(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, told = await drilled(plane)
        assert (status, "there is nothing to go back to" in str(told["reason"])) == (409, True)
        await begin(plane, tmp_path)
        await plane.ask("POST", f"{ROLLOUT}/pause", {"reason": "lunch"})
        assert (await drilled(plane))[0] == 200
        assert (await now(plane))["paused"]["cause"]["words"] == "root (uid 0) paused: lunch"
        await plane.control.engine.verbs.kill_switch(on=True, actor="ann")
        status, told = await drilled(plane)
        assert (status, "the kill switch is on" in str(told["reason"])) == (409, True)


@asynccontextmanager
async def a_drill(plane: StoryPlane) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """Have a drill hold traffic at the refuge while inside; whoever asked for it hangs up then, which ends it."""
    left = asyncio.Event()

    async def hangs_up(scope: Any, receive: Any, send: Any) -> None:
        read = False

        async def received() -> Any:
            nonlocal read
            if read:
                await left.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            read = not message.get("more_body")
            return message

        await plane.app(scope, received, send)

    transport = httpx.ASGITransport(app=hangs_up, client=("root (uid 0)", 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://switchover") as client, asyncio.timeout(25.0):
        drilling = asyncio.ensure_future(client.post("/v1/drill", json={"hold": 30}))
        while not plane.control.engine.driver.state.table.kill_switch:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
        yield drilling
        left.set()
        await drilling


@pytest.mark.requirement("VERB-8")
async def test_a_drill_is_over_at_once_when_whoever_asked_for_it_hangs_up(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        async with a_drill(plane) as drilling:
            assert not drilling.done()
        assert drilling.result().json()["message"].endswith("; all is as it was")
        state = plane.control.engine.driver.state
        assert (state.table.kill_switch, state.under_way.paused) == (False, None)


@pytest.mark.requirement("VERB-8")
async def test_a_drill_does_not_lift_the_kill_switch_that_somebody_asks_for_meanwhile(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        async with a_drill(plane) as drilling:
            await plane.control.engine.verbs.kill_switch(on=True, actor="ann", reason="pager")
        assert "the kill switch stays on, for somebody asked for it" in drilling.result().json()["message"]
        state = plane.control.engine.driver.state
        assert (state.table.kill_switch, state.under_way.paused is None) == (True, False)


@pytest.mark.requirement("VERB-8")
async def test_a_drill_does_not_end_the_pause_that_somebody_asks_for_meanwhile(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        async with a_drill(plane) as drilling:
            status, told = await plane.ask("POST", f"{ROLLOUT}/pause", {"reason": "lunch"})
            assert (status, told["message"].endswith(": root (uid 0) paused: lunch")) == (200, True), told
        assert "the rollout stays paused: root (uid 0) paused: lunch" in drilling.result().json()["message"]
        state = plane.control.engine.driver.state
        assert (state.table.kill_switch, state.under_way.paused is None) == (False, False)


@pytest.mark.requirement("VERB-8")
async def test_a_drill_in_which_the_rollout_was_ended_does_not_say_that_all_is_as_it_was(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        async with a_drill(plane) as drilling:
            await plane.ask("POST", f"{ROLLOUT}/abort", {})
        assert drilling.result().json()["message"].endswith("what else was asked for meanwhile: switchover history")
        assert not plane.control.engine.driver.state.table.kill_switch


@pytest.mark.requirement("VERB-1")
async def test_a_plan_that_only_moves_flags_needs_no_command(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        only = plan_file(tmp_path, FLAGS_ONLY, "only")
        assert (await begin(plane, tmp_path, plan=only))[0] == 409
        assert (await begin(plane, tmp_path, plan=only, command=None))[0] == 200
        shown = await now(plane)
        assert (shown["phase"], shown["command"], shown["flags"][0]["state"]) == ("flipping", None, "half")


@pytest.mark.requirement("VERB-1")
async def test_who_begins_is_not_told_that_0_s_are_left_of_what_is_still_to_be_reckoned(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        young = plan_file(tmp_path, f"{FLAGS_ONLY}min_stable = '1h'\n", "young")
        _, begun = await begin(plane, tmp_path, plan=young, command=None)
        assert "waits until the version has run for long enough" in begun["message"]
        assert " 0 s left" not in begun["message"]


@pytest.mark.requirement("VERB-1")
async def test_a_plan_all_of_whose_flags_have_their_values_already_has_nothing_to_do(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        plane.control.engine.standing.add("beta")
        flags = plan_file(tmp_path, FLAGS_ONLY, "flags")
        status, told = await begin(plane, tmp_path, plan=flags, command=None)
        words = "there is nothing to do: beta has its value already, for everybody"
        assert (status, told["reason"]) == (409, words)
        assert (await now(plane)) is None


@pytest.mark.requirement("VERB-1")
async def test_a_plan_that_does_nothing_is_refused_also_when_it_is_forced(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        empty = plan_file(tmp_path, "new_generation = false\n[rehearsal]\nrun = false\n", "empty")
        status, told = await begin(plane, tmp_path, plan=empty, command=None, force_plan=True)
        assert (status, "so there is nothing to do" in told["reason"]) == (409, True)
        assert (await now(plane)) is None
