"""Rollouts by the real daemon around real workers, under load: a good version takes over, each bad one is taken back.

All five versions have the same plan with the same limits, so each bad one must be found by its own metric and the good
one by none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from daemon import RunningDaemon
from missions import Missions
from rollout_daemon import Json, asked, begin, course, ended, flag_values, say, until_at
from waiting import eventually
from web_site import html, website

pytestmark = [pytest.mark.requirement("LIVE-1"), pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
CANDIDATE = ROOT / "tests" / "candidates" / "candidate.py"
CLIENTS = 24
WARM = 10 * CLIENTS
"""Calls after which a fresh process with a fifth of them is warm: while it is not, clients wait for it."""
WAIT = 0.4
"""Seconds the web site takes to answer: nearly all of a call's time, so that a process that a busy machine holds up by
some 80 ms a call, whatever its version, stays far below the limit, which is at 140 ms."""
ENVIRONMENT = {"SWITCHOVER_REFERENCE_NETWORKS": "127.0.0.1/32"}
CONFIG = """
[samples]
process_every = 0.2
[upgrade]
suite = "{suite}"
repeats = 1
spare_bytes = 0
"""
SUITE = """
[[call]]
tool = "plan"
arguments = { title = "try it" }
[[call]]
tool = "plan_next"
"""
PLAN = """
on_inconclusive = "go_on"

[rehearsal]
run = {rehearsal}
build = false
test = false
on_differences = "go_on"

# The first calls of a fresh process are slow, whatever its version: it is judged once somebody says that it is warm.
[[steps]]
weight = 20
pause = "until resumed"
analysis = false

[[steps]]
weight = 50
pause = "{pause}"

[bake]
health = "1s"
unlock = "2s"

[[flags]]
flag = "DANGER_GATES"
to = "1"
soak = "1s"
min_stable = "0s"

[[flags]]
flag = "SELECTIVE_TESTS"
to = "1"
soak = "1s"
min_stable = "0s"

[[limits]]
metric = "error"
margin = 0.02
min_samples = 20

[[limits]]
metric = "tokens"
relative = 0.2
min_samples = 20

[[limits]]
metric = "memory"
relative = 0.15
judge = "threshold"
min_samples = 5
window = {{ seconds = "3s" }}

# After the promotion one worker has all the load, so latency is compared while two share it.
[[steps.limits]]
metric = "duration"
relative = 0.35
min_samples = 20
"""
SAFE = {"DANGER_GATES": "0", "SELECTIVE_TESTS": "0"}


def candidate(change: str) -> list[str]:
    """Return the command of a version of the reference worker."""
    return [sys.executable, str(CANDIDATE), "--change", change]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """Serve the reference worker; each test leaves flags and lanes as it found them."""
    suite = tmp_path_factory.mktemp("suite") / "suite.toml"
    suite.write_text(SUITE)
    command = [sys.executable, "-m", "workers.reference", "--version-label", "1"]
    with RunningDaemon.start(command, config=CONFIG.format(suite=suite), env=ENVIRONMENT, cwd=ROOT) as running:
        yield running


@pytest.fixture(autouse=True)
def safe_flags(daemon: RunningDaemon) -> Iterator[None]:
    """Bring the flags back for whoever comes next."""
    yield
    daemon.control("POST", "/v1/flags/-/reset", {"keys": list(SAFE)})


@asynccontextmanager
async def load(daemon: RunningDaemon) -> AsyncIterator[Missions]:
    """Keep clients calling; each call waits for a web site."""

    async def page(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(WAIT)
        writer.write(html("<p>a page"))
        await writer.drain()

    async with website({"/": page}) as site:
        fetch = ("web_fetch", {"url": site.url("/")})
        missions = Missions(daemon.tools_socket, [fetch], clients=CLIENTS)
        async with missions.running():
            yield missions
    assert (missions.lost, missions.strays, missions.counts["cut"]) == ([], [], 0)
    assert missions.counts["answered"] > 0


async def tried(daemon: RunningDaemon, missions: Missions, plan: str, change: str) -> Json:
    """Carry a plan out with a version; return the rollout that is over."""
    run = await begin(daemon, plan, candidate(change))
    await until_at(daemon, run, ("stepping", "running", 0))
    await missions.more(WARM)
    await say(daemon, "resume")
    return await ended(daemon)


async def test_a_good_version_takes_over_and_no_limit_objects(daemon: RunningDaemon) -> None:
    async with load(daemon) as missions:
        over = await tried(daemon, missions, PLAN.format(rehearsal="true", pause="3s"), "none")
    assert over["cause"]["what"] == "done", over["cause"]
    assert course(daemon, over["id"]) == [
        ("rehearsing", "running", 0),
        ("stepping", "starting", 0),
        ("stepping", "running", 0),
        ("stepping", "running", 1),
        ("baking", "health", 0),
        ("baking", "unlock", 0),
        ("flipping", "half", 0),
        ("flipping", "whole", 0),
        ("flipping", "half", 1),
        ("flipping", "whole", 1),
        ("done", "whole", 1),
    ]
    assert missions.counts["failed"] == 0
    status = daemon.status()
    assert status["lanes"] == {"active": over["candidate"]}
    assert await flag_values(daemon, SAFE) == {"DANGER_GATES": ("1", None), "SELECTIVE_TESTS": ("1", None)}
    assert not over["quarantined"]


@pytest.mark.parametrize(
    ("change", "metric"), [("errors", "error"), ("slow", "duration"), ("tokens", "tokens"), ("leak", "memory")]
)
async def test_a_bad_version_is_taken_back_for_its_own_fault(daemon: RunningDaemon, change: str, metric: str) -> None:
    before = daemon.status()["lanes"]
    async with load(daemon) as missions:
        over = await tried(daemon, missions, PLAN.format(rehearsal="false", pause="60s"), change)
        await missions.more(50)
    _went_back(daemon, over, metric, before)
    assert await flag_values(daemon, SAFE) == {flag: (value, None) for flag, value in SAFE.items()}
    explained = await asked(daemon, "GET", "/v1/rollout/why")
    assert f"metric: {metric}" in explained["lines"]
    assert any("is quarantined" in line for line in explained["lines"])
    again = daemon.control("POST", "/v1/rollout", {"command": candidate(change)})
    assert again[0] == 409
    assert "quarantine" in again[1]["reason"], again
    await eventually(lambda: len(daemon.status()["generations"]) == 1)


def _went_back(daemon: RunningDaemon, over: Json, metric: str, lanes: dict[str, int]) -> None:
    cause = over["cause"]
    assert (over["phase"], cause["what"], cause["metric"]) == ("rolled_back", "regression", metric), cause
    assert over["quarantined"]
    status = daemon.status()
    assert (status["lanes"], status["weight"], status["phase"]) == (lanes, 0, "steady")
