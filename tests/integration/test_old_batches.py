"""A batch on `tools.sock`: the worker sees single messages, the client one array."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import LINE_BYTES
from waiting import async_worker

PATIENCE = 60.0


def call(number: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@pytest.mark.requirement("ERA-7")
async def test_a_batch_on_the_socket_is_answered_by_one_array_with_an_answer_for_each_request() -> None:
    with RunningDaemon.start(async_worker()) as daemon:
        reader, writer = await asyncio.open_unix_connection(str(daemon.tools_socket), limit=LINE_BYTES)

        async def answer(message: Any) -> Any:
            writer.write(json.dumps(message).encode() + b"\n")
            async with asyncio.timeout(PATIENCE):
                return json.loads(await reader.readline())

        hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        assert (await answer([hello]))["error"]["code"] == -32600
        assert (await answer(hello))["result"]["protocolVersion"] == "2025-03-26"
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "late"}}
        told = await answer(
            [
                call("late", "hang"),
                call("slow", "sleep", ms=80, value=1),
                {"jsonrpc": "2.0", "id": 5, "method": "ping"},
                call(6, "no-such-tool"),
                {"jsonrpc": "2.0", "method": "notifications/any"},
                cancelled,
                hello,
                "text",
            ]
        )
        found = {str(each["id"]): each for each in told}
        assert sorted(found) == ["0", "5", "6", "None", "slow"]
        assert found["slow"]["result"]["structuredContent"]["value"] == 1
        assert found["5"]["result"] == {}
        assert {found[name]["error"]["code"] for name in ("0", "None")} == {-32600}
        assert (await answer([]))["error"]["code"] == -32600
        assert (await answer(call(7, "echo", value=2)))["id"] == 7
        writer.close()
        assert daemon.status()["in_flight"] == 0
