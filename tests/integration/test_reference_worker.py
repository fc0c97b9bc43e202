"""The reference worker as its clients see it: over stdio with the official client, alone and two on one state."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import anyio
import pytest
from candidates import Forks
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent
from sdk_client import SocketTransport
from switchover_kit import METRICS_KEY

from workers.reference.tokens import count_tokens

LIMIT = 60
"""Seconds that any exchange with a worker may take, starting it included; it takes about one on an idle machine."""

READING = {"plan_next", "context", "orchestrator_status", "autopilot_status", "health"}
WRITING = {"plan", "plan_update", "dispatch", "report_mo", "verify"}
HANDS = {"cmd_run", "fs_read", "fs_write", "web_fetch", "screenshot"}
"""What has tests of its own."""
NEEDED = {"context": {"task_id": 3}}
"""Arguments without which a reading tool cannot be called."""
PASSED = {"kind": "test", "passed": True, "detail": "12 passed"}
FAILED = {"kind": "review", "passed": False, "detail": "the name is misleading"}

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("plan", {"title": 5}, "title: Input should be a valid string"),
    ("plan", {"title": "two\nlines"}, "title: String should match pattern"),
    ("plan", {"title": "x", "priority": True}, "priority: Input should be a valid integer"),
    ("plan", {"title": "x", "priority": "5"}, "priority: Input should be a valid integer"),
    ("plan", {"title": "x", "business_value": 21}, "business_value: Input should be less than or equal to 20"),
    ("plan", {"title": "x", "job_size": 0}, "job_size: Input should be greater than or equal to 1"),
    ("plan", {"title": "x", "files": ["a\nb"]}, "files.0: String should match pattern"),
    ("plan", {"title": "x", "details": "x" * 10_001}, "details: String should have at most 10000 characters"),
    ("plan_update", {"task_id": 4}, "nothing is to be changed about task 4"),
    ("plan_update", {"task_id": 99, "title": "x"}, "there is no task 99"),
    ("plan_update", {"task_id": 4, "depends_on": [4]}, "task 4 cannot depend on task 4, only on tasks planned before"),
    ("plan_update", {"task_id": 6, "title": "x", "depends_on": [0]}, "depends_on.0: Input should be greater"),
    ("plan_update", {"task_id": 4, "status": "in_progress"}, "status: Input should be 'pending', 'needs_improvement'"),
    ("plan_update", {"task_id": 4, "title": "x", "status": "done"}, "task 4 is pending and cannot be moved to done"),
    ("plan_next", {"limit": "many"}, "limit: Input should be a valid integer"),
    ("plan_next", {"everything": "yes"}, "everything: Input should be a valid boolean"),
    ("dispatch", {"agent": "ada", "prefer": "luck"}, "prefer: Input should be 'balanced', 'cost'"),
    ("dispatch", {"agent": "ada", "max_cost": -1}, "max_cost: Input should be greater than or equal to 0"),
    ("dispatch", {"agent": "ada", "max_cost": "1"}, "max_cost: Input should be a valid number"),
    ("dispatch", {"agent": "ada", "min_quality": 101}, "min_quality: Input should be less than or equal to 100"),
    ("report_mo", {"task_id": 7, "agent": "grace", "evidence": [{}]}, "evidence.0.kind: Field required"),
    ("report_mo", {"task_id": 7, "agent": "grace", "evidence": [PASSED], "cost": -1}, "cost: Input should be greater"),
    ("report_mo", {"task_id": 99, "agent": "grace", "evidence": [PASSED]}, "there is no task 99"),
    ("verify", {"task_id": 0}, "task_id: Input should be greater than or equal to 1"),
    ("verify", {"task_id": 2, "work_tree": ".."}, "'..' leads outside the work tree"),
    ("verify", {"task_id": 2, "work_tree": "no"}, "'no' is no directory in the work tree"),
    ("verify", {"task_id": 2, "work_tree": "x" * 300}, "is no path: File name too long; name one inside the work tree"),
    ("verify", {"task_id": 2, "work_tree": ".", "since": "--output=x"}, "'--output=x' is no revision"),
    ("verify", {"task_id": 2, "work_tree": ".", "changed": ["../x"]}, "'../x' leads outside"),
    ("verify", {"task_id": 2, "time_limit": 0}, "time_limit: Input should be greater than 0"),
    ("verify", {"task_id": 2, "changed": ["a.py"]}, "changed and since are about a work tree; name that too"),
    ("context", {"task_id": 99}, "there is no task 99"),
    ("context", {"task_id": True}, "task_id: Input should be a valid integer"),
    ("orchestrator_status", {"x": 1}, "x: Extra inputs are not permitted"),
    ("autopilot_status", {"x": 1}, "x: Extra inputs are not permitted"),
]
"""A call that is refused, and what it says."""

OPENER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from workers.reference.database import StoreError
from workers.reference.store import Store
print("up", flush=True)
for line in sys.stdin:
    try:
        store = Store.open(Path(line.strip()), datetime.now(UTC))
        print(sum(store.overview().counts.values()), flush=True)
        store.close()
    except StoreError as error:
        print(error, flush=True)
"""


def log_of(state: Path) -> TextIO:
    """Open the file that keeps what a worker on `state` says on stderr."""
    return Path(f"{state}.log").open("a")


class Start(Protocol):
    """Starts a worker on a state directory and connects the official client to it."""

    def __call__(self, state: Path, **environment: str) -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture
def worker(forks: Forks) -> Start:
    """Workers forked from a process that has imported everything, so that each is there at once."""

    @asynccontextmanager
    async def start(state: Path, **environment: str) -> AsyncIterator[Client]:
        arguments = ["--version-label", "2.0-test"]
        with anyio.fail_after(LIMIT), forks.streams(arguments, state, **environment) as streams:
            async with Client(SocketTransport(streams), mode="legacy") as client:
                yield client

    return start


@asynccontextmanager
async def spawned(state: Path, mode: str) -> AsyncIterator[Client]:
    """Start a worker as a daemon would, and connect the official client to it."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "workers.reference", "--version-label", "2.0-test"],
        env={"SWITCHOVER_WORKER_STATE": str(state)},
    )
    with anyio.fail_after(LIMIT), log_of(state) as log:
        async with Client(stdio_client(parameters, errlog=log), mode=mode) as client:
            yield client


async def asked(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed and return its structured content."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    content: dict[str, Any] = result.structured_content
    return content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must refuse and return what it says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return said(result)


def said(result: CallToolResult) -> str:
    """Return a result's text."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.requirement("REF-1")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_task_goes_from_plan_to_done_in_both_eras_of_the_protocol(tmp_path: Path, mode: str) -> None:
    async with spawned(tmp_path / "state", mode) as client:
        planned = (await asked(client, "plan", title="Sort the mail", priority=100))["task"]
        following = await asked(client, "plan_next", limit=50)
        assert planned["id"] in [line["task"]["id"] for line in following["upcoming"]]
        assert (await asked(client, "dispatch", agent="ada"))["task"]["id"] == 3, "rework goes first"
        taken = (await asked(client, "dispatch", agent="ada"))["task"]
        assert (taken["id"], taken["status"], taken["agent"]) == (planned["id"], "in_progress", "ada")
        await asked(client, "report_mo", task_id=taken["id"], agent="ada", evidence=[PASSED])
        verified = await asked(client, "verify", task_id=taken["id"])
        assert (verified["verdict"], verified["task"]["status"], verified["reasons"]) == ("done", "done", [])


@pytest.mark.requirement("REF-1")
async def test_failed_evidence_brings_a_task_back_to_the_queue(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        await asked(client, "report_mo", task_id=7, agent="grace", evidence=[PASSED, FAILED])
        verified = await asked(client, "verify", task_id=7)
        assert verified["reasons"] == ["review failed: the name is misleading"]
        assert await asked(client, "verify", task_id=7) == verified, "verifying again changes nothing"
        following = await asked(client, "plan_next", limit=50)
        assert (95, 7) in [(line["weight"], line["task"]["id"]) for line in following["upcoming"]]


@pytest.mark.requirement("REF-1")
async def test_a_new_worker_has_something_to_show(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state", SWITCHOVER_GENERATION="4") as client:
        following = await asked(client, "plan_next", limit=3)
        assert [(line["weight"], line["task"]["id"]) for line in following["upcoming"]] == [(105, 2), (95, 3), (60, 4)]
        queue = await asked(client, "orchestrator_status")
        assert queue["total"] == sum(queue["counts"].values()) == 7
        assert (queue["queue"]["ready"], queue["queue"]["blocked"], queue["queue"]["shadow_diffs"]) == (3, 1, None)
        crew = await asked(client, "autopilot_status")
        assert [(agent["name"], len(agent["in_progress"])) for agent in crew["agents"]] == [("ada", 0), ("grace", 1)]
        health = await asked(client, "health")
        assert (health["healthy"], health["store"], health["generation"], health["role"], health["version"]) == (
            True,
            "ok",
            4,
            "serving",
            "2.0-test",
        )
        assert health["uptime_seconds"] > 0
        await asked(client, "fs_write", path="a/b.txt", content="hello")
        assert (await asked(client, "cmd_run", command="ls a"))["stdout"] == "b.txt\n", "the work tree is there"


@pytest.mark.requirement("REF-1")
async def test_every_tool_says_truly_what_it_does(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == READING | WRITING | HANDS
    tools = {name: tool for name, tool in tools.items() if name in READING | WRITING}
    for name, tool in tools.items():
        assert tool.annotations is not None
        assert tool.description
        assert tool.output_schema is not None
        assert tool.annotations.read_only_hint is (name in READING)
        assert tool.annotations.idempotent_hint is (name in READING | {"verify", "plan_update"})
        assert bool(tool.annotations.destructive_hint) is (name == "plan_update"), "it alone replaces what was there"
        assert tool.annotations.open_world_hint is (name == "verify"), "it runs the work tree's tests"


@pytest.mark.requirement("REF-1", "KIT-2")
async def test_every_answer_carries_metrics_and_a_verdict_its_quality(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        for tool in sorted(READING):
            result = await client.call_tool(tool, NEEDED.get(tool))
            assert result.meta is not None
            assert result.meta[METRICS_KEY]["tokens"] == count_tokens(said(result))
        verified = await client.call_tool("verify", {"task_id": 2})
        assert verified.meta is not None
        assert verified.meta[METRICS_KEY]["quality"] == 100.0


@pytest.mark.requirement("REF-1")
async def test_reading_tools_change_nothing(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        reads = sorted(READING - {"health"})
        first = [await asked(client, tool, **NEEDED.get(tool, {})) for tool in reads]
        assert [await asked(client, tool, **NEEDED.get(tool, {})) for tool in reads] == first


@pytest.mark.requirement("REF-1")
async def test_bad_arguments_are_refused_by_name_with_what_would_do(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        assert await refused(client, "plan_next", limt=3) == (
            "plan_next cannot take these arguments: limt: Extra inputs are not permitted (it takes limit, everything)"
        )
        assert "limit: Input should be less than or equal to 50" in await refused(client, "plan_next", limit=51)
        assert "agent: Field required" in await refused(client, "dispatch")
        assert "agent: String should match pattern" in await refused(client, "dispatch", agent="two words")
        assert "title: String should have at least 1 character" in await refused(client, "plan", title="  ")
        assert "priority: Input should be less than" in await refused(client, "plan", title="x", priority=101)
        assert "evidence: List should have at least 1" in await refused(
            client, "report_mo", task_id=7, agent="grace", evidence=[]
        )
        assert "(it takes no arguments)" in await refused(client, "health", deep=True)


@pytest.mark.requirement("REF-1")
async def test_bad_arguments_of_every_tool_are_told_and_leave_the_store_as_it_was(
    worker: Start, tmp_path: Path
) -> None:
    async with worker(tmp_path / "state") as client:
        before = await asked(client, "plan_next", limit=50, everything=True)
        for tool, arguments, message in BAD:
            assert message in await refused(client, tool, **arguments), (tool, arguments)
        assert await asked(client, "plan_next", limit=50, everything=True) == before
        assert (await asked(client, "health"))["store"] == "ok"


@pytest.mark.requirement("REF-1")
async def test_profiles_that_cannot_be_used_refuse_the_call_and_dispatch_nothing(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        (tmp_path / "state" / "profiles.toml").write_text("[mine]\n")
        assert "mine.provider: Field required" in await refused(client, "dispatch", agent="ada")
        (tmp_path / "state" / "profiles.toml").unlink()
        assert (await asked(client, "dispatch", agent="ada"))["task"]["id"] == 3


@pytest.mark.requirement("REF-1")
async def test_a_task_is_changed_by_hand_and_asking_twice_changes_nothing_more(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        change = {"task_id": 5, "title": "Write a guide", "files": ["docs/guide.md"], "details": "short"}
        changed = (await asked(client, "plan_update", **change))["task"]
        assert (changed["title"], changed["priority"]) == ("Write a guide", 50)
        assert (await asked(client, "plan_update", **change))["task"] == changed
        told = await asked(client, "context", task_id=5)
        assert told["files"] == ["docs/guide.md"]
        assert told["entries"][1:] == ["short", "After task 1 (done): List what changed since the last release"]
        reopened = await asked(client, "plan_update", task_id=1, status="needs_improvement", reason="one is missing")
        assert reopened["task"]["status"] == "needs_improvement"
        waiting = await asked(client, "plan_next", limit=50, everything=True)
        assert [line["task"]["id"] for line in waiting["upcoming"]] == [2, 3, 1, 4, 7, 6, 5]
        told = await asked(client, "context", task_id=1)
        assert told["history"][-1].endswith("moved by hand from done to needs_improvement: one is missing")


@pytest.mark.requirement("REF-1")
async def test_what_cannot_be_done_is_refused_with_the_reason(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        assert "there is no task 99" in await refused(client, "verify", task_id=99)
        assert "its agent has to report it first" in await refused(client, "verify", task_id=4)
        assert "there is no task 98" in await refused(client, "plan", title="x", depends_on=[98])
        assert "assigned to grace, not to ada" in await refused(
            client, "report_mo", task_id=7, agent="ada", evidence=[PASSED]
        )


@pytest.mark.requirement("REF-1")
async def test_the_last_shadow_comparison_shows_in_the_status(worker: Start, tmp_path: Path) -> None:
    summary = tmp_path / "analytics" / "upgrade_shadow.json"
    summary.parent.mkdir()
    async with worker(tmp_path / "worker") as client:
        summary.write_text('{"count": 2, "recorded_at": "2026-01-01T10:00:00Z", "path": "upgrades/1/shadow.json"}')
        queue = (await asked(client, "orchestrator_status"))["queue"]
        assert (queue["shadow_diffs"]["count"], queue["shadow_diffs_error"]) == (2, None)
        summary.write_text("{")
        queue = (await asked(client, "orchestrator_status"))["queue"]
        assert queue["shadow_diffs"] is None
        assert "is no summary" in queue["shadow_diffs_error"]


@pytest.mark.requirement("REF-2")
async def test_two_workers_on_one_state_never_assign_a_task_twice(worker: Start, tmp_path: Path) -> None:
    taken: list[int] = []

    async def drain(client: Client, agent: str) -> None:
        while (task := (await asked(client, "dispatch", agent=agent))["task"]) is not None:
            assert task["agent"] == agent
            taken.append(task["id"])

    async with worker(tmp_path / "state") as one, worker(tmp_path / "state") as two:
        planned = [(await asked(one, "plan", title=f"task {number}"))["task"]["id"] for number in range(40)]
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(drain, one, f"one-{number}")
                group.start_soon(drain, two, f"two-{number}")
        crew = await asked(one, "autopilot_status")
    assert sorted(taken) == [3, 4, 5, *planned]
    assert crew["in_progress"] == len(taken) + 1, "and the example that was in progress from the start"


@pytest.mark.requirement("REF-2")
async def test_what_one_worker_writes_the_other_sees_at_once(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as one, worker(tmp_path / "state") as two:
        planned = (await asked(one, "plan", title="Sort the mail", priority=100))["task"]
        following = await asked(two, "plan_next", limit=50)
        assert planned in [line["task"] for line in following["upcoming"]]


@pytest.mark.requirement("REF-2")
def test_many_processes_may_open_a_new_state_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENER]
    with ExitStack() as stack:
        openers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(4)
        ]
        pipes = [(opener.stdin, opener.stdout) for opener in openers if opener.stdin and opener.stdout]
        assert [answers.readline() for _, answers in pipes] == ["up\n"] * 4
        for attempt in range(20):
            for orders, _ in pipes:
                orders.write(f"{tmp_path / str(attempt)}\n")
            assert [answers.readline() for _, answers in pipes] == ["7\n"] * 4


@pytest.mark.requirement("REF-1", "KIT-1")
async def test_a_dry_run_writes_to_its_private_state_and_nowhere_else(worker: Start, tmp_path: Path) -> None:
    live, private = tmp_path / "live", tmp_path / "private"
    async with worker(live) as client:
        before = await asked(client, "autopilot_status")
    shutil.copytree(live, private)
    dry = {"SWITCHOVER_ROLE": "rehearsal", "SWITCHOVER_GENERATION": "2", "SWITCHOVER_DRY_RUN": "1"}
    async with worker(private, **dry) as client:
        assert (await asked(client, "dispatch", agent="ada"))["task"]["id"] == 3
        health = await asked(client, "health")
        assert (health["role"], health["dry_run"], health["generation"]) == ("rehearsal", True, 2)
    async with worker(live) as client:
        assert await asked(client, "autopilot_status") == before


@pytest.mark.requirement("REF-1")
async def test_what_was_answered_survives_the_worker_being_killed(worker: Start, tmp_path: Path) -> None:
    async with worker(tmp_path / "state") as client:
        taken = (await asked(client, "dispatch", agent="ada"))["task"]
        os.kill((await asked(client, "health"))["pid"], signal.SIGKILL)
        with pytest.raises(MCPError):
            await client.call_tool("health")
    async with worker(tmp_path / "state") as client:
        crew = await asked(client, "autopilot_status")
        assert taken in [task for agent in crew["agents"] for task in agent["in_progress"]]
        assert (await asked(client, "health"))["healthy"] is True


@pytest.mark.requirement("KIT-1")
@pytest.mark.parametrize(
    ("environment", "arguments", "status", "message"),
    [
        ({"SWITCHOVER_ROLE": "canary"}, [], 1, "SWITCHOVER_ROLE is 'canary'; it must be one of serving"),
        ({"SWITCHOVER_DRY_RUN": "1"}, [], 1, "SWITCHOVER_WORKER_STATE is not set; name a private directory"),
        ({"SWITCHOVER_WORKER_STATE": "/dev/null/x"}, [], 1, "state directory /dev/null/x cannot be used"),
        ({}, ["--version-label", "two\nlines"], 2, "is no version label; give 1 to 64 printable characters"),
    ],
)
def test_a_worker_that_cannot_start_says_why_and_exits(
    tmp_path: Path, environment: dict[str, str], arguments: list[str], status: int, message: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "workers.reference", *arguments],
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (status, "")
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_switchover_tasks_are_kept_in_the_users_state_directory(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "workers.reference"],
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        timeout=LIMIT,
        check=False,
    )
    assert ended.returncode == 0
    assert (tmp_path / "switchover-reference" / "tasks.db").exists()
