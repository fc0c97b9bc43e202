"""Each flag of the reference worker flipped live, behind one daemon, while the official client goes on calling."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import anyio
import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from mcp import Client
from mcp.types import TextContent
from sdk_client import SocketTransport
from switchover_kit import METRICS_KEY
from waiting import eventually
from web_site import Site, html, silent, website

from workers.reference.hands.chromium import UNSANDBOXED
from workers.reference.hands.processes import browser_processes

LIMIT = 60
"""Seconds that a test's calls may take together."""
WORKER = [sys.executable, "-m", "workers.reference"]
TESTS = {
    "shop.py": "def price(net):\n    return net * 1.2\n",
    "mail.py": "",
    "tests/unit/test_mail.py": "import mail\n\ndef test_mail():\n    pass\n",
    "tests/integration/test_price.py": "from shop import price\n\ndef test_price():\n    assert price(1) > 1\n",
}
LONG = "word " * 100
TRIAL = """
new_generation = false
on_missing_data = "wait"
[rehearsal]
run = false
[[flags]]
flag = "PROMPT_MODE"
to = "verbose"
soak = "1h"
min_stable = "0s"
[[limits]]
metric = "error"
margin = 0.5
"""
"""Has a flag on trial for half of the keys, for half an hour."""
KEYS = 40
FEW, MANY = 8, 32
"""Of 40 keys at 50 %: fewer, or more, come once in 10,000 runs (binomial)."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon around one worker, which works in a tree with tests."""
    tree = tmp_path_factory.mktemp("tree")
    for name, text in TESTS.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SWITCHOVER_REFERENCE_NETWORKS": "127.0.0.0/8"}
    with RunningDaemon.start([*WORKER, "--work-tree", str(tree)], env=environment) as running:
        yield running


@asynccontextmanager
async def client(daemon: RunningDaemon) -> AsyncIterator[Client]:
    """Connect the official client, with every flag at its safe value."""
    status, told = daemon.control("POST", "/v1/flags/-/reset", {})
    assert status == HTTPStatus.OK, told
    with anyio.fail_after(LIMIT):
        async with Client(SocketTransport(daemon.tools_socket), mode="legacy") as connected:
            yield connected


def flip(daemon: RunningDaemon, assignment: str) -> None:
    name, _, value = assignment.partition("=")
    status, told = daemon.control("POST", "/v1/flags", {"texts": {name: value}})
    assert status == HTTPStatus.OK, told


async def asked(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed and return its structured content."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    content: dict[str, Any] = result.structured_content
    return content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must refuse and return what it says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def browsers_when(client: Client, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the browsers until something holds for them, and return them."""
    while not holds(browsers := (await asked(client, "orchestrator_status"))["browsers"]):  # noqa: ASYNC110 - another process sets no event here
        await anyio.sleep(0.05)
    return dict(browsers)


async def order(client: Client) -> list[int]:
    """Return the numbers of the tasks that come next."""
    return [line["task"]["id"] for line in (await asked(client, "plan_next", limit=50))["upcoming"]]


@pytest.mark.requirement("REF-4")
async def test_prompt_mode_changes_how_much_the_next_call_tells(daemon: RunningDaemon) -> None:
    async with client(daemon) as speaker:
        files = [f"src/{number}.py" for number in range(9)]
        details = f"{LONG}\n\n{LONG}\n\n{LONG}"
        task = (await asked(speaker, "plan", title="Explain", details=details, files=files, priority=0))["task"]["id"]
        compact = await speaker.call_tool("context", {"task_id": task})
        flip(daemon, "PROMPT_MODE=verbose")
        verbose = await speaker.call_tool("context", {"task_id": task})
        assert compact.structured_content is not None
        assert verbose.structured_content is not None
        for result, mode, longest, shown in ((compact, "compact", 120, 3), (verbose, "verbose", 220, 5)):
            told = result.structured_content or {}
            assert (told["mode"], len(told["files"])) == (mode, shown)
            assert max(map(len, told["entries"])) <= longest < max(map(len, told["entries"])) + 10
            assert result.meta is not None
            assert result.meta[METRICS_KEY]["context_tokens"] == told["tokens"]
        assert verbose.structured_content["tokens"] > 1.5 * compact.structured_content["tokens"]


@pytest.mark.requirement("REF-3")
async def test_scheduler_mode_changes_what_comes_next_and_what_is_dispatched(daemon: RunningDaemon) -> None:
    async with client(daemon) as speaker:
        urgent = (await asked(speaker, "plan", title="Now", business_value=20, time_criticality=20, job_size=1))["task"]
        assert (await order(speaker))[0] == 2, "what is nearest to done"
        flip(daemon, "SCHEDULER_MODE=wsjf")
        first = (await asked(speaker, "plan_next", limit=1))["upcoming"][0]
        assert (first["task"]["id"], first["wsjf"]["score"]) == (urgent["id"], 41)
        taken = await asked(speaker, "dispatch", agent="ada")
        assert (taken["task"]["id"], taken["scheduler"]) == (urgent["id"], "wsjf")
        flip(daemon, "SCHEDULER_MODE=legacy")
        assert (await order(speaker))[0] == 2


@pytest.mark.requirement("REF-5")
async def test_mo_engine_changes_how_a_task_is_executed(daemon: RunningDaemon) -> None:
    async with client(daemon) as speaker:
        limits = {"prefer": "quality", "min_quality": 0}
        lines = [await asked(speaker, "plan_next", limit=50)]
        flip(daemon, "MO_ENGINE=1")
        lines.append(await asked(speaker, "plan_next", limit=50))
        engines = [{it["option"]["engine"] for it in line["upcoming"] if it["option"]} for line in lines]
        assert engines == [{"single_objective"}, {"multi_objective"}]
        result = await speaker.call_tool("dispatch", {"agent": "ada", **limits})
        assert result.structured_content is not None
        assert result.meta is not None
        option = result.structured_content["option"]
        assert option["profile"] in option["front"]
        metrics = result.meta[METRICS_KEY]
        assert (metrics["cost"], metrics["quality"]) == (option["cost"], option["quality"])
        dear = await asked(speaker, "dispatch", agent="ada", prefer="cost", max_cost=0, max_minutes=0)
        assert "nothing is within the limits" in dear["option"]["reason"]


@pytest.mark.requirement("REF-6", "REF-8")
async def test_selective_tests_changes_which_tests_verify_runs(daemon: RunningDaemon) -> None:
    async with client(daemon) as speaker:
        ran = []
        for number in range(2):
            planned = await asked(speaker, "plan", title=f"Work {number}", priority=100)
            while (taken := (await asked(speaker, "dispatch", agent="eve"))["task"])["id"] != planned["task"]["id"]:
                assert taken is not None
            evidence = [{"kind": "test", "passed": True, "detail": "seen"}]
            await asked(speaker, "report_mo", task_id=taken["id"], agent="eve", evidence=evidence, tokens=9, cost=0.1)
            answer = await asked(speaker, "verify", task_id=taken["id"], work_tree=".", changed=["mail.py"])
            assert answer["verdict"] == "done", answer["reasons"]
            ran.append(sorted(it["test"] for it in answer["tests"]["results"]))
            flip(daemon, "SELECTIVE_TESTS=1")
        price, mail = "tests.integration.test_price::test_price", "tests.unit.test_mail::test_mail"
        assert ran == [[price, mail], [mail]]
        crew = await asked(speaker, "autopilot_status")
        critics = {it["name"]: it for it in crew["critics"]}
        assert critics["tests"]["opinions"] == 2
        assert {it["name"]: it["reviews"] for it in crew["profiles"]}, "what the profiles have done is known"


@pytest.mark.requirement("HAND-1")
async def test_danger_gates_changes_how_a_refusal_is_marked_and_nothing_of_what_is_blocked(
    daemon: RunningDaemon,
) -> None:
    commands = ("rm -rf .", "ls; id", "ls\nid", "echo $(id)", "git reset --hard", "cat /etc/passwd")
    async with client(daemon) as speaker:
        relaxed = [await refused(speaker, "cmd_run", command=command) for command in commands]
        assert (await asked(speaker, "cmd_run", command="cat shop.py"))["stdout"] == TESTS["shop.py"]
        flip(daemon, "DANGER_GATES=1")
        strict = [await refused(speaker, "cmd_run", command=command) for command in commands]
        assert (await asked(speaker, "cmd_run", command="cat shop.py"))["stdout"] == TESTS["shop.py"]
        marked = "Error executing tool cmd_run: [DANGER_GATES] "
        assert strict == [text.replace("Error executing tool cmd_run: ", marked) for text in relaxed]
        flip(daemon, "DANGER_GATES=0")
        assert [await refused(speaker, "cmd_run", command=command) for command in commands] == relaxed


@pytest.mark.requirement("HAND-5")
async def test_sandbox_mode_changes_whether_a_browser_is_used_again_and_how_it_is_started(
    daemon: RunningDaemon,
) -> None:
    async with client(daemon) as speaker, website({"/": html("<p>page"), "/silent": silent}) as site:
        page = {"url": site.url("/"), "rendered": True}
        before = await asked(speaker, "orchestrator_status")
        pid = (await asked(speaker, "health"))["pid"]
        assert (await asked(speaker, "web_fetch", **page))["text"] == "page"
        browsers = (await asked(speaker, "orchestrator_status"))["browsers"]
        assert (browsers["mode"], browsers["started"], browsers["processes"]) == ("none", 1, 0)
        flip(daemon, "SANDBOX_MODE=pool")
        for _ in range(2):
            assert (await asked(speaker, "web_fetch", **page))["text"] == "page"
        browsers = (await asked(speaker, "orchestrator_status"))["browsers"]
        assert (browsers["mode"], browsers["started"], browsers["idle"], browsers["browsers"]) == ("pool", 2, 1, 1)
        assert browsers["processes"] > 1
        (main,) = (process for process in browser_processes(pid) if process.is_main)
        assert not set(UNSANDBOXED) & set(main.words)
        async with anyio.create_task_group() as group:
            group.start_soon(fetch_in_vain, speaker, site)
            await eventually(lambda: site.asked["/silent"])
            os.kill(main.pid, signal.SIGKILL)
        flip(daemon, "SANDBOX_MODE=none")
        browsers = await browsers_when(speaker, lambda found: found["processes"] == 0)
        assert (browsers["mode"], browsers["idle"], browsers["lost"]) == ("none", 0, 1)
        after = await asked(speaker, "orchestrator_status")
        assert (after["counts"], after["total"]) == (before["counts"], before["total"])
        assert (await asked(speaker, "health"))["store"] == "ok"


async def fetch_in_vain(speaker: Client, site: Site) -> None:
    """Ask for a page that never loads, in a browser that is killed meanwhile."""
    said = await refused(speaker, "web_fetch", url=site.url("/silent"), rendered=True)
    assert said.endswith("the browser ended in the middle of it; ask again")


async def test_the_flags_show_in_the_status_and_the_kill_switch_makes_all_of_them_safe(daemon: RunningDaemon) -> None:
    async with client(daemon) as speaker:
        flip(daemon, "PROMPT_MODE=verbose")
        assert (await asked(speaker, "orchestrator_status"))["flags"]["PROMPT_MODE"] == "verbose"
        flip(daemon, "DISABLE_NEW=1")
        assert (await asked(speaker, "orchestrator_status"))["flags"]["PROMPT_MODE"] == "compact"
        flip(daemon, "DISABLE_NEW=0")
        assert (await asked(speaker, "orchestrator_status"))["flags"]["PROMPT_MODE"] == "verbose"
        assert (await asked(speaker, "health"))["flags"] == "ok"


@pytest.mark.requirement("REF-4")
async def test_a_flag_that_is_rolled_out_to_one_key_answers_that_keys_calls_only(daemon: RunningDaemon) -> None:
    targeting = daemon.home / "targeting.json"
    targeting.write_text('{"allow": {"value": "verbose", "keys": ["mission-1"]}}')
    async with client(daemon) as speaker:
        ended = daemon.cli("flags", "target", "PROMPT_MODE", str(targeting))
        assert ended.returncode == 0, ended.stderr
        for key, mode in (("mission-1", "verbose"), ("mission-2", "compact"), ("mission-1", "verbose")):
            told = await speaker.call_tool("context", {"task_id": 2}, meta={"io.switchover/key": key})
            assert told.structured_content is not None
            assert told.structured_content["mode"] == mode
        assert (await asked(speaker, "context", task_id=2))["mode"] == "compact", "a call that names no key"


async def mode(client: JsonRpcClient, **meta: str) -> str:
    """Return which PROMPT_MODE the worker has for a call."""
    told = await client.call("orchestrator_status", meta=meta or None)
    return str(told["result"]["structuredContent"]["flags"]["PROMPT_MODE"])


def tried(daemon: RunningDaemon) -> list[dict[str, Any]]:
    """Return the stored samples of calls made while something was on trial, in the order in which they ended."""
    place = daemon.home / "samples.jsonl"
    done = daemon.cli("samples", "export", "-o", str(place))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    return [one for one in lines if one.get("treated") is not None]


@pytest.mark.requirement("SAMPLE-16", "KIT-5")
async def test_half_of_the_sessions_have_a_flag_on_trial_they_stick_and_samples_say_what_the_worker_did(
    daemon: RunningDaemon,
) -> None:
    async def two_calls() -> tuple[str, str]:
        async with connected(daemon.tools_socket) as client:
            return await mode(client), await mode(client)

    async with client(daemon):
        assert await two_calls() == ("compact", "compact")
    plan = daemon.home / "plan.toml"
    plan.write_text(TRIAL)
    status, begun = daemon.control("POST", "/v1/rollout", {"plan": str(plan), "force_plan": True})
    assert status == HTTPStatus.OK, begun
    await eventually(lambda: "percentage" in json.dumps(daemon.control("GET", "/v1/flags/PROMPT_MODE")[1]))
    with anyio.fail_after(LIMIT):
        modes = [await two_calls() for _ in range(KEYS)]
        async with connected(daemon.tools_socket) as speaker:
            named = [await mode(speaker, **{"io.switchover/key": f"mission-{number}"}) for number in range(KEYS)]
    assert all(first == second for first, second in modes)
    assert FEW <= [first for first, _ in modes].count("verbose") <= MANY
    assert FEW <= named.count("verbose") <= MANY
    seen = [each for both in modes for each in both] + named
    stored = await eventually(lambda: found if len(found := tried(daemon)) >= len(seen) else None)
    assert [one["treated"] for one in stored] == [each == "verbose" for each in seen]
    assert {one["share"] for one in stored} == {0.5}
    status, _ = daemon.control("POST", "/v1/rollout/abort", {})
    assert status == HTTPStatus.OK
    await eventually(lambda: "percentage" not in json.dumps(daemon.control("GET", "/v1/flags/PROMPT_MODE")[1]))
    assert await two_calls() == ("compact", "compact")


@pytest.mark.requirement("REF-2")
async def test_a_canary_works_on_the_same_live_state_beside_the_active_one(daemon: RunningDaemon) -> None:
    daemon.verb("canary", command=[*WORKER, "--version-label", "v2"])
    daemon.verb("weight", weight=50)
    async with client(daemon) as speaker:
        for number in range(20):
            await asked(speaker, "plan", title=f"task {number}")
        taken: list[tuple[int, str]] = []
        for number in range(20):
            key = {"io.switchover/key": f"mission-{number}"}
            result = await speaker.call_tool("dispatch", {"agent": f"agent-{number}"}, meta=key)
            health = await speaker.call_tool("health", meta=key)
            assert result.structured_content is not None
            assert health.structured_content is not None
            taken.append((result.structured_content["task"]["id"], health.structured_content["version"]))
        assert len({number for number, _ in taken}) == 20, "no task twice"
        assert len({version for _, version in taken}) == 2, "and both versions gave some away"
