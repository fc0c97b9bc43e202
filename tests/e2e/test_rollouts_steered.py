"""People, signals and files in the middle of a rollout, and a rollback of flags, by the real daemon under load."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from daemon import RunningDaemon
from missions import Missions
from rollout_daemon import asked, begin, ended, flag_values, rollout, say, until, until_at
from rollout_stories import BAD_FLAG, GOOD, LONG, SAFE, plan, serving, version
from waiting import eventually

pytestmark = [pytest.mark.requirement("LIVE-3"), pytest.mark.timeout(120)]

STAYS = plan("until resumed", LONG)
"""The plan, whose steps stay until somebody goes on."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """Serve a good version; each test ends its rollout and leaves the flags safe."""
    with serving(tmp_path_factory.mktemp("flags")) as running:
        yield running


@pytest.fixture(autouse=True)
def safe_flags(daemon: RunningDaemon) -> Iterator[None]:
    """Bring the flags back for whoever comes next."""
    yield
    daemon.control("POST", "/v1/flags/-/reset", {"keys": list(SAFE)})


@asynccontextmanager
async def load(daemon: RunningDaemon) -> AsyncIterator[Missions]:
    """Keep clients calling; nothing may be lost."""
    missions = Missions(daemon.tools_socket, [("work", {})])
    async with missions.running():
        yield missions
    assert (missions.lost, missions.strays, missions.counts["cut"]) == ([], [], 0)


async def at_first_step(daemon: RunningDaemon, number: int) -> tuple[str, int]:
    """Begin a rollout of a good version that stays at its steps; return its id and the generation on trial."""
    run = await begin(daemon, STAYS, version(GOOD, number))
    await until_at(daemon, run, ("stepping", "running", 0))
    candidate: int = (await rollout(daemon))["candidate"]
    return run, candidate


async def test_a_drill_and_a_pause_in_a_step_leave_it_as_it_was_and_another_weight_waits_for_a_person(
    daemon: RunningDaemon,
) -> None:
    async with load(daemon) as missions:
        run, candidate = await at_first_step(daemon, 101)
        before = daemon.status()["lanes"]
        drilled = await asked(daemon, "POST", "/v1/drill", {"hold": 0.3, "reason": "Tuesday"})
        assert (drilled["left"], drilled["refuge"], drilled["stray_calls"]) == (candidate, before["active"], 0)
        assert drilled["calls_meanwhile"] > 0
        status = daemon.status()
        assert (status["lanes"], status["weight"], status["kill_switch"]) == (before, 50, False)
        assert (await rollout(daemon))["paused"] is None
        await say(daemon, "pause", reason="lunch")
        assert "lunch" in (await rollout(daemon))["paused"]["cause"]["words"]
        await say(daemon, "resume")
        await asked(daemon, "POST", "/v1/weight", {"weight": 25})
        paused = await rollout(daemon)
        assert (paused["paused"]["cause"]["what"], daemon.status()["weight"]) == ("person", 25)
        await missions.more(50)
        await say(daemon, "resume")
        assert daemon.status()["weight"] == 50
        await say(daemon, "promote", reason="it is well")
        assert daemon.status()["lanes"] == {"active": candidate, "previous": before["active"]}
        await say(daemon, "abort", reason="enough")
        over = await ended(daemon)
    assert (over["id"], over["phase"], over["cause"]["what"]) == (run, "rolled_back", "person")
    assert daemon.status()["lanes"] == {"active": before["active"]}


async def test_a_signal_in_the_bake_goes_back_without_a_judgement_and_a_retry_is_the_same_version(
    daemon: RunningDaemon,
) -> None:
    before = daemon.status()["lanes"]
    async with load(daemon):
        run, _ = await at_first_step(daemon, 102)
        await say(daemon, "promote")
        await until_at(daemon, run, ("baking", "health", 0))
        daemon.signal(signal.SIGUSR2)
        over = await ended(daemon)
        assert (over["phase"], over["cause"]["what"], over["quarantined"]) == ("rolled_back", "person", False)
        assert daemon.status()["lanes"] == before
        again = await say(daemon, "retry", reason="it was not its fault")
        await until_at(daemon, again["id"], ("stepping", "running", 0))
        now = await rollout(daemon)
        assert (now["command"], now["fingerprint"]) == (over["command"], over["fingerprint"])
        await say(daemon, "abort")
        assert (await ended(daemon))["quarantined"]
    with pytest.raises(AssertionError, match="quarantine"):
        await begin(daemon, STAYS, version(GOOD, 102))


async def test_the_kill_switch_takes_all_calls_from_the_version_on_trial_until_it_is_lifted_and_resumed(
    daemon: RunningDaemon,
) -> None:
    async with load(daemon) as missions:
        _, candidate = await at_first_step(daemon, 103)
        await missions.more(50)
        await asked(daemon, "POST", "/v1/kill-switch", {"on": True, "reason": "smoke"})
        served = _calls(daemon, candidate)
        await missions.more(100)
        assert _calls(daemon, candidate) == served
        refused = daemon.control("POST", "/v1/rollout/resume", {})
        assert refused[0] == HTTPStatus.CONFLICT
        assert "kill-switch off" in refused[1]["reason"]
        await asked(daemon, "POST", "/v1/kill-switch", {"on": False})
        assert (await rollout(daemon))["paused"] is not None
        await say(daemon, "resume")
        await missions.more(100)
        assert _calls(daemon, candidate) > served
        await say(daemon, "abort")
        await ended(daemon)


def _calls(daemon: RunningDaemon, generation: int) -> int:
    """Return how many calls a generation has answered or is about to."""
    found = next(one for one in daemon.status()["generations"] if one["number"] == generation)
    return int(found["calls"])


async def test_a_flag_changed_by_hand_in_its_stage_stops_the_clock_and_stays_when_the_rest_goes_back(
    daemon: RunningDaemon,
) -> None:
    async with load(daemon):
        run = await begin(daemon, plan(0.5, LONG, first=LONG), version(GOOD, 104))
        await until_at(daemon, run, ("flipping", "half", 0))
        await eventually(lambda: _flag(daemon, "MODE")["targeting"])
        await asked(daemon, "POST", "/v1/flags", {"values": {"MODE": "wsjf"}, "reason": "we want it"})
        cause = (await until(daemon, lambda now: now["paused"], "paused"))["paused"]["cause"]
        assert (cause["what"], cause["flag"]) == ("flag", "MODE"), cause
        await say(daemon, "resume")
        await until_at(daemon, run, ("flipping", "half", 1))
        await eventually(lambda: _flag(daemon, "CACHE")["targeting"])
        await say(daemon, "abort", reason="not today")
        over = await ended(daemon)
    assert over["phase"] == "rolled_back"
    left = await flag_values(daemon, SAFE)
    assert (left["MODE"][0], left["CACHE"]) == ("wsjf", SAFE["CACHE"]), "a person's hand is left alone"


def _flag(daemon: RunningDaemon, flag: str) -> Any:
    return daemon.control("GET", f"/v1/flags/{flag}")[1]


async def test_a_configuration_read_again_in_the_middle_changes_nothing_of_a_rollout(daemon: RunningDaemon) -> None:
    async with load(daemon) as missions:
        _, candidate = await at_first_step(daemon, 105)
        before = await rollout(daemon)
        config = daemon.home / "switchover.toml"
        daemon.write_config(config.read_text() + '\n[rollout]\nplan = "planner"\n')
        daemon.signal(signal.SIGHUP)
        reloaded = await eventually(lambda: daemon.log("configuration reloaded"))
        assert "rollout.plan" in str(reloaded[-1]["changed"])
        await missions.more(50)
        after = await rollout(daemon)
        same = ("id", "plan", "where", "paused", "candidate", "weight", "entered")
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        assert daemon.status()["lanes"]["canary"] == candidate
        await say(daemon, "abort")
        await ended(daemon)


async def test_flags_go_back_dependants_first_when_the_evidence_is_against_the_last_and_why_says_so(
    daemon: RunningDaemon,
) -> None:
    before = daemon.status()["lanes"]
    async with load(daemon):
        await begin(daemon, BAD_FLAG.plan, version(BAD_FLAG, 106))
        over = await ended(daemon)
    cause = over["cause"]
    assert (over["phase"], (cause["what"], cause["metric"], cause["flag"])) == (BAD_FLAG.phase, BAD_FLAG.cause), cause
    assert daemon.status()["lanes"] == before
    assert await flag_values(daemon, SAFE) == SAFE
    history = (await asked(daemon, "GET", "/v1/flags/-/history?limit=2"))["changes"]
    assert [(one["key"], one["cause"]) for one in reversed(history)] == [("CACHE", "rollback"), ("MODE", "rollback")]
    told = daemon.cli("why")
    assert told.returncode == 0, told.stderr
    for line in ("metric: error", "flag on trial: CACHE", "the version is quarantined"):
        assert line in told.stdout
