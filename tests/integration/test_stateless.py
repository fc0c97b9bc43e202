"""The stateless era (MCP 2026-07-28) through the daemon, and across a switch."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from waiting import eventually

VERSION_META = "io.modelcontextprotocol/protocolVersion"
TAG = "io.modelcontextprotocol/subscriptionId"
META = {VERSION_META: "2026-07-28"}


def worker(*tools: str) -> list[str]:
    return [sys.executable, "-S", str(Path(__file__).parents[1] / "workers" / "stateless_worker.py"), *tools]


async def ask(client: JsonRpcClient, method: str, **params: Any) -> Any:
    return await client.answer(client.ask(method, {**params, "_meta": META}))


async def call(client: JsonRpcClient, tool: str, **more: Any) -> Any:
    return await ask(client, "tools/call", name=tool, arguments={}, **more)


async def verb(daemon: RunningDaemon, name: str, **body: Any) -> None:
    await asyncio.to_thread(daemon.verb, name, **body)


@pytest.mark.requirement("ERA-1")
async def test_a_worker_that_knows_only_the_stateless_era_is_found_out_and_served() -> None:
    with RunningDaemon.start(worker("who")) as daemon:
        async with connected(daemon.tools_socket) as client:
            discovered = (await ask(client, "server/discover"))["result"]
            assert discovered["supportedVersions"] == ["2026-07-28"]
            assert discovered["capabilities"]["tools"] == {"listChanged": True}
            assert (await call(client, "who"))["result"]["structuredContent"]["generation"] == 1


@pytest.mark.requirement("ERA-2")
async def test_a_client_of_an_era_the_worker_does_not_speak_hears_the_workers_own_error() -> None:
    with RunningDaemon.start(worker("who")) as daemon:
        async with connected(daemon.tools_socket) as client:
            error = (await client.answer(client.ask("initialize", {"protocolVersion": "2025-11-25"})))["error"]
            assert error == {"code": -32601, "message": "no method initialize"}
            assert (await call(client, "who"))["result"]["structuredContent"]["generation"] == 1


@pytest.mark.requirement("ERA-1")
async def test_a_stateless_generation_serves_again_after_a_restart_of_the_daemon() -> None:
    with RunningDaemon.start(worker("who")) as daemon:
        daemon.kill9()
        daemon.restart()
        async with connected(daemon.tools_socket) as client:
            assert (await call(client, "who"))["result"]["structuredContent"]["generation"] == 1


@pytest.mark.requirement("ERA-3")
async def test_a_request_state_goes_back_to_the_generation_that_gave_it_also_after_a_switch() -> None:
    with RunningDaemon.start(worker("begin")) as daemon:
        async with connected(daemon.tools_socket) as client:
            state = (await call(client, "begin"))["result"]["requestState"]
            await verb(daemon, "canary", command=worker("begin"))
            await verb(daemon, "switch")
            again = (await call(client, "begin", requestState=state))["result"]
            assert again["structuredContent"]["generation"] == 1
            fresh = (await call(client, "begin"))["result"]["requestState"]
            assert (await call(client, "begin", requestState=fresh))["result"]["structuredContent"]["generation"] == 2
            assert (await call(client, "begin", requestState=f"{state}-TAMPERED"))["error"]["code"] == -32602
            assert (await call(client, "begin", requestState="9~made by 9"))["error"]["code"] == -32602


@pytest.mark.requirement("ERA-4")
async def test_a_listener_listens_on_across_a_switch_and_hears_of_the_lists_that_differ() -> None:
    with RunningDaemon.start(worker("emit")) as daemon:
        async with connected(daemon.tools_socket) as client:
            wanted = {"toolsListChanged": True, "resourcesListChanged": True}
            client.ask("subscriptions/listen", {"notifications": wanted, "_meta": META}, call_id="mine")
            await eventually(lambda: client.notifications)
            await verb(daemon, "canary", command=worker("emit", "more"))
            await verb(daemon, "switch")
            told = (await call(client, "emit"))["result"]["structuredContent"]
            assert told == {"generation": 2, "listeners": 1}
            await eventually(lambda: len(client.notifications) >= 3)
            assert [message["method"].rpartition("/")[2] for message in client.notifications] == [
                "acknowledged",
                "list_changed",
                "updated",
            ]
            assert all(message["params"]["_meta"][TAG] == "mine" for message in client.notifications)
            assert client.notifications[1]["method"] == "notifications/tools/list_changed"


@pytest.mark.requirement("ERA-4")
async def test_a_listener_outlives_its_worker_and_is_told_when_the_daemon_ends() -> None:
    with RunningDaemon.start(worker("emit")) as daemon:
        async with connected(daemon.tools_socket) as client:
            params = {"notifications": {"toolsListChanged": True}, "_meta": META}
            ending = client.ask("subscriptions/listen", params, call_id=7)
            await eventually(lambda: client.notifications)
            os.kill(daemon.status()["generations"][0]["pid"], signal.SIGKILL)
            await eventually(lambda: daemon.status()["generations"][0]["restarts"] == 1)
            told = (await call(client, "emit"))["result"]["structuredContent"]
            assert told["listeners"] == 1
            await verb(daemon, "stop")
            result = (await client.answer(ending))["result"]
            assert result == {"resultType": "complete", "_meta": {TAG: 7}}


@pytest.mark.requirement("ERA-5")
async def test_while_lists_differ_a_partial_weight_moves_nobody_and_no_list_may_be_kept() -> None:
    with RunningDaemon.start(worker("who")) as daemon:
        async with connected(daemon.tools_socket) as client:
            assert (await ask(client, "tools/list"))["result"]["ttlMs"] == 60_000
            await verb(daemon, "canary", command=worker("who", "more"))
            await verb(daemon, "weight", weight=100)
            assert (await ask(client, "tools/list"))["result"]["ttlMs"] == 0
            assert (await call(client, "who"))["result"]["structuredContent"]["generation"] == 1
            await verb(daemon, "canary", command=worker("who"), replace=True)
            await verb(daemon, "weight", weight=100)
            assert (await call(client, "who"))["result"]["structuredContent"]["generation"] == 3
            assert (await ask(client, "tools/list"))["result"]["ttlMs"] == 60_000
