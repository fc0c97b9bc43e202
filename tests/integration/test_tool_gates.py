"""Tools behind gates, at every door and in both eras: refused by the gate, hidden, and told when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from daemon import RunningDaemon
from flag_daemon import OPERATOR, control_url, flag_worker, mcp_url, over_tcp, set_flags, start, target
from http_client import client as http_client
from jsonrpc_client import JsonRpcClient, connected, told
from waiting import eventually

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
GATE = "tool-access"
FOR_ANN = {"allow": {"value": True, "keys": ["ann"]}}
CHANGED = "notifications/tools/list_changed"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for all tests; each leaves the gate closed."""
    with start(tmp_path_factory.mktemp("gates")) as running:
        yield running


@pytest.fixture(autouse=True)
def closed(daemon: RunningDaemon) -> Iterator[None]:
    """Close the gate after each test."""
    yield
    status, answer = daemon.control("POST", "/v1/flags/-/reset", {})
    assert status == 200, answer


async def opened(client: JsonRpcClient, name: str = "ann") -> JsonRpcClient:
    """Do the handshake as a client of a name."""
    info = {"name": name, "version": "1"}
    await client.answer(client.ask("initialize", {"protocolVersion": "2025-11-25", "clientInfo": info}))
    return client


async def listed(client: JsonRpcClient, meta: Any = None) -> set[str]:
    """Return the tools a client sees."""
    answer = await client.answer(client.ask("tools/list", {"_meta": meta} if meta else {}))
    return {tool["name"] for tool in answer["result"]["tools"]}


@pytest.mark.requirement("FLAG-65")
@pytest.mark.parametrize("meta", [{}, META], ids=["handshake", "stateless"])
async def test_a_call_without_its_gate_is_refused_by_the_gates_name_and_its_tool_not_listed(
    daemon: RunningDaemon, meta: dict[str, Any]
) -> None:
    async with connected(daemon.tools_socket) as client:
        if not meta:
            await opened(client, "bob")
        error = (await client.call("gated", meta=meta))["error"]
        assert (error["code"], error["data"]["gate"], error["data"]["retryable"]) == (-31014, GATE, False)
        assert "refused: the tool gated needs the gate tool-access" in error["message"]
        assert await listed(client, meta) == {"open", "flag"}
        assert "result" in await client.call("open", meta=meta)
        await asyncio.to_thread(set_flags, daemon, tool__access=True)
        assert "result" in await client.call("gated", meta=meta)
        assert await listed(client, meta) == {"open", "flag", "gated"}


@pytest.mark.requirement("FLAG-65")
async def test_a_gate_is_decided_by_the_calls_key_and_else_by_the_clients_name(daemon: RunningDaemon) -> None:
    await asyncio.to_thread(target, daemon, GATE, FOR_ANN)
    async with connected(daemon.tools_socket) as one, connected(daemon.tools_socket) as other:
        ann, bob = await opened(one, "ann"), await opened(other, "bob")
        assert "result" in await ann.call("gated")
        assert "error" in await bob.call("gated")
        assert "result" in await bob.call("gated", meta={"io.switchover/key": "ann"})
        assert "error" in await ann.call("gated", meta={"io.switchover/key": "bob"})
        named = {**META, "io.modelcontextprotocol/clientInfo": {"name": "ann", "version": "1"}}
        assert "result" in await bob.call("gated", meta=named)


@pytest.mark.requirement("FLAG-65")
async def test_a_list_that_differs_by_caller_is_for_no_shared_cache(daemon: RunningDaemon) -> None:
    async with connected(daemon.tools_socket) as client:
        for gate in (False, True):
            await asyncio.to_thread(set_flags, daemon, tool__access=gate)
            result = (await client.answer(client.ask("tools/list", {"_meta": META})))["result"]
            assert result["cacheScope"] == "private"


@pytest.mark.requirement("FLAG-66")
async def test_who_has_listed_tools_is_told_when_the_flags_show_or_hide_one(daemon: RunningDaemon) -> None:
    async with connected(daemon.tools_socket) as one, connected(daemon.tools_socket) as other:
        ann, bob = await opened(one, "ann"), await opened(other, "bob")
        await listed(ann)
        await listed(bob)
        await asyncio.to_thread(target, daemon, GATE, FOR_ANN)
        await eventually(lambda: ann.notifications)
        assert await listed(ann) == {"open", "flag", "gated"}
        await asyncio.to_thread(target, daemon, GATE, None)
        await eventually(lambda: len(ann.notifications) > 1)
        await asyncio.to_thread(set_flags, daemon, limit=9)
        await bob.call("open")
        assert [message["method"] for message in ann.notifications] == [CHANGED] * 2
        assert bob.notifications == [], "nothing he sees has changed"


@pytest.mark.requirement("FLAG-66")
async def test_a_listener_of_the_stateless_era_is_told_likewise(daemon: RunningDaemon) -> None:
    async with connected(daemon.tools_socket) as client:
        client.ask("subscriptions/listen", {"_meta": META, "notifications": {"toolsListChanged": True}}, call_id="l")
        await eventually(lambda: client.notifications)
        await asyncio.to_thread(set_flags, daemon, tool__access=True)
        await eventually(lambda: len(client.notifications) > 1)
        changed = client.notifications[1]
        assert changed["method"] == CHANGED
        assert changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "l"


# --- with tokens, over HTTP -----------------------------------------------------------------------


async def token(daemon: RunningDaemon, subject: str, *gates: str) -> dict[str, Any]:
    """Have a token made for a subject."""
    body = {"subject": subject, "gates": list(gates)}
    status, answer = await asyncio.to_thread(daemon.control, "POST", "/v1/tokens", body)
    assert status == 200, answer
    return {"authorization": f"Bearer {answer['token']}"}


@pytest.mark.requirement("FLAG-65", "FLAG-67")
async def test_a_token_opens_the_gates_it_carries_and_no_other(daemon: RunningDaemon) -> None:
    await asyncio.to_thread(set_flags, daemon, tool__access=True)
    carrying, bare = await token(daemon, "ann", GATE), await token(daemon, "ann")
    async with http_client(await mcp_url(daemon), None) as speaker:

        async def stateless(headers: dict[str, Any], method: str, **params: Any) -> Any:
            message = {"jsonrpc": "2.0", "id": 1, "method": method}
            message["params"] = {"_meta": {**META, "io.modelcontextprotocol/clientCapabilities": {}}, **params}
            named = {"mcp_name": params["name"]} if "name" in params else {}
            response = await speaker.request(
                "POST", message, mcp_protocol_version="2026-07-28", mcp_method=method, **named, **headers
            )
            return response.json

        call = {"name": "gated", "arguments": {}}
        assert "result" in await stateless(carrying, "tools/call", **call)
        assert (await stateless(bare, "tools/call", **call))["error"]["data"]["gate"] == GATE
        tools = [tool["name"] for tool in (await stateless(bare, "tools/list"))["result"]["tools"]]
        assert tools == ["open", "flag"]


@pytest.mark.requirement("FLAG-62", "FLAG-67")
async def test_a_token_is_revoked_at_every_door_when_the_flags_decide_otherwise(daemon: RunningDaemon) -> None:
    await asyncio.to_thread(target, daemon, GATE, {"allow": {"value": True, "keys": ["ann", "bob"]}})
    anns, bobs = await token(daemon, "ann", GATE), await token(daemon, "bob", GATE)
    control = await control_url(daemon)
    async with http_client(await mcp_url(daemon), None) as speaker:
        initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}
        opened = await speaker.request("POST", first, **anns)
        session = opened.headers["mcp-session-id"]
        call = speaker.message("gated")
        assert told((await speaker.request("POST", call, mcp_session_id=session, **anns)).json)["version"] > 0
        assert (await asyncio.to_thread(over_tcp, control, "GET", "/v1/flags", **anns))[0] == 200

        await asyncio.to_thread(target, daemon, GATE, {"allow": {"value": True, "keys": ["bob"]}})
        refused = await speaker.request("POST", call, mcp_session_id=session, **anns)
        assert (refused.status, refused.headers["www-authenticate"].endswith('error="invalid_token"')) == (401, True)
        status, answer = await asyncio.to_thread(over_tcp, control, "GET", "/v1/flags", **anns)
        assert (status, "revoked" in answer["reason"]) == (401, True)
        assert (await asyncio.to_thread(over_tcp, control, "GET", "/v1/flags", **bobs))[0] == 200


@pytest.mark.requirement("FLAG-58")
async def test_over_tcp_an_operator_moves_traffic_and_brings_no_command(daemon: RunningDaemon) -> None:
    control = await control_url(daemon)
    assert (await asyncio.to_thread(over_tcp, control, "GET", "/v1/status"))[0] == 401
    for path, body in (("/v1/canary", {"command": ["/bin/true"]}), ("/v1/stop", {}), ("/v1/reload", {})):
        status, answer = await asyncio.to_thread(over_tcp, control, "POST", path, body, **OPERATOR)
        assert (status, "control.sock only" in answer["reason"]) == (403, True)
    status, answer = await asyncio.to_thread(over_tcp, control, "POST", "/v1/switch", {}, **OPERATOR)
    assert (status, "canary" in answer["reason"]) == (409, True), "served, and refused by the engine's own rule"
    values = {"values": {"limit": 8}}
    assert (await asyncio.to_thread(over_tcp, control, "POST", "/v1/flags", values, **OPERATOR))[0] == 200
    status, history = await asyncio.to_thread(daemon.control, "GET", "/v1/flags/limit/history?limit=1")
    assert history["changes"][0]["actor"] == "token:ops"


@pytest.mark.requirement("FLAG-64")
async def test_a_development_daemon_opens_gates_without_a_flag_and_says_so_loudly() -> None:
    config = '[access]\nenvironment = "development"\n[access.tools]\ngated = "not-declared-yet"\n'
    with RunningDaemon.start(flag_worker(), config=config) as daemon:
        async with connected(daemon.tools_socket) as client:
            await opened(client, "bob")
            for _ in range(2):
                assert "result" in await client.call("gated")
        await eventually(lambda: daemon.log("gate OPEN without a flag: development daemon"))
        warnings = [line for line in daemon.log() if line["level"] == "warning" and line.get("room") == "access"]
        assert "DEVELOPMENT daemon" in warnings[0]["event"]
        assert [line["gate"] for line in warnings[1:]] == ["not-declared-yet"], "each gate once"
