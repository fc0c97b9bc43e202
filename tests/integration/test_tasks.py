"""Tasks (MCP 2025-11-25): what is asked about one goes to the process that made it, for as long as that is there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected, told
from waiting import WORKERS, alive, eventually

INVALID_PARAMS = -32602
OWN = '[worker]\nisolation = "session"\nsession_warm = 0\n'


def worker(*options: str) -> list[str]:
    return [sys.executable, "-S", str(WORKERS / "task_worker.py"), *options]


async def begun(client: JsonRpcClient) -> str:
    """Have a task made and return its id."""
    asked = {"name": "work", "arguments": {}, "task": {"ttl": 600_000}}
    made = (await client.answer(client.ask("tools/call", asked)))["result"]["task"]
    assert made["status"] == "working"
    return str(made["taskId"])


async def about(client: JsonRpcClient, method: str, task: str) -> Any:
    return await client.answer(client.ask(f"tasks/{method}", {"taskId": task}))


async def listed(client: JsonRpcClient) -> list[str]:
    """Read the list of tasks to its end."""
    found: list[str] = []
    params: dict[str, Any] = {}
    for _ in range(20):
        page = (await client.answer(client.ask("tasks/list", params)))["result"]
        found += [task["taskId"] for task in page["tasks"]]
        if "nextCursor" not in page:
            return found
        params = {"cursor": page["nextCursor"]}
    raise AssertionError("the list has no end")


async def switched(daemon: RunningDaemon) -> None:
    await asyncio.to_thread(daemon.verb, "canary", command=worker())
    await asyncio.to_thread(daemon.verb, "switch")


async def greeted(client: JsonRpcClient) -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert "result" in await client.answer(client.ask("initialize", params))


@pytest.mark.requirement("ERA-6")
async def test_a_task_stays_with_its_maker_across_switches_and_the_maker_until_its_outcome_was_fetched() -> None:
    with RunningDaemon.start(worker()) as daemon:
        async with connected(daemon.tools_socket) as client, connected(daemon.tools_socket) as other:
            await greeted(client)
            old = [await begun(client), await begun(client)]
            await switched(daemon)
            new = await begun(client)
            assert (await about(client, "get", old[0]))["result"]["status"] == "working"
            assert await listed(client) == [new, *old]
            await switched(daemon)
            await client.call("work")
            assert [each["number"] for each in daemon.status()["generations"]] == [1, 2, 3]  # 1 is retired, and waits
            assert (await about(client, "cancel", old[1]))["result"]["status"] == "cancelled"
            held = client.ask("tasks/result", {"taskId": old[0]})
            assert sorted(await listed(client)) == sorted([new, *old])
            await about(other, "cancel", old[0])
            assert [each["number"] for each in daemon.status()["generations"]] == [1, 2, 3]  # an answer is outstanding
            assert not held.done()


@pytest.mark.requirement("ERA-6")
async def test_a_retired_worker_ends_once_the_outcome_of_its_last_task_is_with_the_client() -> None:
    with RunningDaemon.start(worker()) as daemon:
        async with connected(daemon.tools_socket) as client, connected(daemon.tools_socket) as other:
            await greeted(client)
            task = await begun(client)
            await other.call("finish")
            await eventually(lambda: client.notifications)
            assert client.notifications[0]["params"]["taskId"] == task
            assert not other.notifications
            for _ in range(2):
                await switched(daemon)
            assert [each["number"] for each in daemon.status()["generations"]] == [1, 2, 3]
            assert told(await about(client, "result", task))["generation"] == 1
            await eventually(lambda: [each["number"] for each in daemon.status()["generations"]] == [2, 3])
            error = (await about(client, "get", task))["error"]
            assert error["code"] == INVALID_PARAMS
            assert f"the worker that had task {task} is gone" in error["message"]


@pytest.mark.requirement("ERA-6")
async def test_of_a_task_whose_worker_died_it_is_said_that_this_is_why_unless_the_next_one_knows_it(
    tmp_path: Any,
) -> None:
    with RunningDaemon.start(
        worker("--store", str(tmp_path / "tasks")), config="[restart]\ninitial = 0.05\n"
    ) as daemon:
        async with connected(daemon.tools_socket) as client:
            task = await begun(client)
            os.kill(daemon.status()["generations"][0]["pid"], signal.SIGKILL)
            assert (await about(client, "get", task))["result"]["status"] == "completed"
            (tmp_path / "tasks").unlink()
            error = (await about(client, "get", task))["error"]
            assert "is gone" in error["message"]
            assert f"task {task} was never heard of" in error["message"]
            assert "is gone" not in (await about(client, "get", "another"))["error"]["message"]


@pytest.mark.requirement("ERA-6", "ISO-3")
async def test_a_sessions_former_worker_lives_until_its_task_is_over() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greeted(client)
            pid = told(await client.call("work"))["pid"]
            task = await begun(client)
            await switched(daemon)
            async with asyncio.timeout(60):
                while told(await client.call("work"))["generation"] == 1:
                    await asyncio.to_thread(daemon.status)
            assert await listed(client) == [task]
            assert alive(pid)
            assert (await about(client, "cancel", task))["result"]["status"] == "cancelled"
            await eventually(lambda: not alive(pid))
