"""What clients rely on is looked at before traffic moves, and they are told of lists that differ after it has."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from waiting import eventually

WORKER = """
import json, sys
tools = json.load(open(sys.argv[1]))
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "initialize":
        info = {"name": "s", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
    elif asked["method"] == "tools/list":
        result = {"tools": tools}
    else:
        result = {"content": [], "structuredContent": {"tools": [tool["name"] for tool in tools]}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


def worker(folder: Path, *names: str) -> list[str]:
    """Return the command of a worker that shows these tools."""
    script = folder / "worker.py"
    script.write_text(WORKER)
    tools = folder / f"{'-'.join(names)}.json"
    tools.write_text(json.dumps([{"name": name, "inputSchema": {"type": "object"}} for name in names]))
    return [sys.executable, "-S", str(script), str(tools)]


async def told(client: JsonRpcClient) -> list[str]:
    return [message["method"] for message in client.notifications]


async def control(daemon: RunningDaemon, verb: str, **body: Any) -> tuple[int, Any]:
    return await asyncio.to_thread(daemon.control, "POST", f"/v1/{verb}", body)


@pytest.mark.requirement("SURF-2")
async def test_a_candidate_that_lacks_what_clients_use_is_refused_with_the_list_unless_that_is_meant(
    tmp_path: Path,
) -> None:
    with RunningDaemon.start(worker(tmp_path, "a", "b")) as daemon:
        fewer = worker(tmp_path, "b", "c")
        status, answer = await control(daemon, "canary", command=fewer)
        assert status == 409
        assert "tool a is gone" in answer["reason"]
        assert "additive: tool c is new" in answer["reason"]
        assert "--allow-breaking" in answer["reason"]
        assert daemon.status()["lanes"] == {"active": 1}
        status, answer = await control(daemon, "canary", command=fewer, allow_breaking=True)
        assert status == 200, answer
        assert daemon.status()["lanes"]["canary"] == 3


@pytest.mark.requirement("SURF-2")
async def test_a_candidate_is_held_against_what_the_active_worker_showed_also_while_that_is_down(
    tmp_path: Path,
) -> None:
    with RunningDaemon.start(worker(tmp_path, "a", "b"), config="[restart]\ninitial = 5\ncap = 5\n") as daemon:
        os.kill(daemon.status()["generations"][0]["pid"], signal.SIGKILL)
        await eventually(lambda: daemon.status()["generations"][0]["standing"] == "down")
        status, answer = await control(daemon, "canary", command=worker(tmp_path, "b"))
        assert status == 409
        assert "tool a is gone" in answer["reason"]
        assert daemon.status()["generations"][0]["standing"] == "down"


@pytest.mark.requirement("SURF-3")
async def test_a_switch_tells_exactly_the_sessions_whose_lists_it_changed(tmp_path: Path) -> None:
    with RunningDaemon.start(worker(tmp_path, "a")) as daemon:
        async with connected(daemon.tools_socket) as client, connected(daemon.tools_socket) as silent:
            await client.answer(client.ask("initialize", {"protocolVersion": "2025-11-25"}))
            await control(daemon, "canary", command=worker(tmp_path, "a", "b"))
            assert await told(client) == []
            await control(daemon, "switch")
            await eventually(lambda: client.notifications)
            assert await told(client) == ["notifications/tools/list_changed"]
            await control(daemon, "switch-back")
            await client.call("a")
            assert await told(client) == ["notifications/tools/list_changed"] * 2
            await silent.call("a")
            assert await told(silent) == []  # it never shook hands, and so never read a list


@pytest.mark.requirement("SURF-3")
async def test_a_switch_between_equal_lists_tells_nobody(tmp_path: Path) -> None:
    with RunningDaemon.start(worker(tmp_path, "a")) as daemon:
        async with connected(daemon.tools_socket) as client:
            await client.answer(client.ask("initialize", {"protocolVersion": "2025-11-25"}))
            await control(daemon, "canary", command=worker(tmp_path, "a"))
            await control(daemon, "switch")
            await eventually(lambda: daemon.status()["lanes"]["active"] == 2)
            await client.call("a")
            assert await told(client) == []
