"""Requests of the stateless era: no session, each with its own status, ended with their connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_peer import INITIALIZE, STATELESS_META, Peer, Response, World

from orchestrator.proxy import codec
from orchestrator.proxy.http.mirrored import Mirror
from orchestrator.proxy.http.ports import QUIET

pytestmark = pytest.mark.requirement("HTTP-5")

VERSION = "2026-07-28"
REGION = (Mirror(b"mcp-param-region", ("region",), "string"),)


def post(peer: Peer, method: str = "tools/list", id_: Any = 1, **params: Any) -> Response:
    """Post a good request."""
    headers = {name: params.pop(name) for name in list(params) if name.startswith("mcp_")}
    message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": {"_meta": STATELESS_META, **params}}
    named = {"mcp_name": params["name"]} if "name" in params else {}
    return peer.post(message, **{"mcp_protocol_version": VERSION, "mcp_method": method, **named, **headers})


async def test_a_request_needs_no_session_and_is_given_none() -> None:
    world = World()
    peer = world.peer()
    post(peer, mcp_session_id="made-up", last_event_id="1-1")
    world.latest.answer(resultType="complete")
    assert peer.last.json == {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete"}}
    assert "mcp-session-id" not in peer.last.headers


@pytest.mark.parametrize(
    ("error", "status"), [(-32601, 404), (-32602, 400), (-32021, 400), (-32603, 200), (-31010, 200)]
)
async def test_the_status_follows_the_workers_error(error: int, status: int) -> None:
    world = World()
    peer = world.peer()
    post(peer)
    world.latest.fail(error)
    assert (peer.last.status, peer.last.json["error"]["code"]) == (status, error)


async def test_the_status_follows_the_daemons_own_error_too() -> None:
    world = World()
    peer = world.peer()
    post(peer)
    world.latest.session.put(codec.error_line(b"1", -32602, "no such state"), b"1")
    assert peer.last.status == 400


async def test_what_comes_before_the_answer_makes_it_a_stream_without_ids() -> None:
    world = World()
    peer = world.peer()
    post(peer)
    world.latest.tell("notifications/progress", progress=1)
    world.latest.fail(-32602)
    assert peer.last.status == 200
    assert peer.last.headers["x-accel-buffering"] == "no"
    assert [sorted(event) for event in peer.last.events] == [["data", "event"]] * 2
    assert peer.last.messages[-1]["error"]["code"] == -32602
    assert peer.last.whole


async def test_a_silent_request_becomes_a_stream_and_says_that_it_lives() -> None:
    world = World()
    peer = world.peer()
    post(peer)
    world.pass_time(peer, QUIET + 1)
    world.pass_time(peer, QUIET + 1)
    assert peer.last.body == b":\n\n:\n\n"
    world.latest.answer(value=1)
    assert peer.last.messages[-1]["result"] == {"value": 1}


async def test_closing_the_connection_ends_the_session_and_so_its_request() -> None:
    world = World()
    one, other = world.peer(), world.peer()
    post(one)
    first = world.latest
    post(other)
    one.hang_up()
    assert world.owner.ended == [first.session]
    first.answer(value=1)
    world.latest.answer(value=2)
    assert other.last.json["result"] == {"value": 2}


async def test_a_connection_keeps_its_session_from_request_to_request() -> None:
    world = World()
    peer = world.peer()
    for number in range(3):
        post(peer, id_=1)
        world.latest.answer(value=number)
    assert [response.json["result"]["value"] for response in peer.responses] == [0, 1, 2]
    assert len(world.owner.sessions) == 1


async def test_what_belongs_to_no_request_is_on_no_stream() -> None:
    world = World()
    peer = world.peer()
    post(peer)
    world.latest.session.put(codec.notification_line("notifications/tools/list_changed"))
    assert not peer.transport.written
    world.latest.answer(value=1)
    assert peer.last.json["result"] == {"value": 1}


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_only_post(method: str) -> None:
    answer = World().peer().request(method, mcp_protocol_version=VERSION)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.requirement("HTTP-3")
async def test_a_notification_is_accepted_and_dropped() -> None:
    world = World()
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    assert world.peer().post(notice, mcp_protocol_version=VERSION).status == 202
    assert world.peer().post(notice, mcp_protocol_version="2099-01-01").status == 400
    assert not world.owner.notices


@pytest.mark.requirement("HTTP-3")
async def test_an_answer_is_refused_for_nothing_was_asked() -> None:
    world = World()
    answer = world.peer().post({"jsonrpc": "2.0", "id": 1, "result": {}}, mcp_protocol_version=VERSION)
    assert (answer.status, answer.json["error"]["code"]) == (400, -32600)
    assert not world.owner.replies


@pytest.mark.requirement("HTTP-3")
async def test_initialize_with_this_eras_header_is_no_handshake() -> None:
    world = World()
    message = {**INITIALIZE, "params": {"_meta": STATELESS_META}}
    answer = world.peer().post(message, mcp_protocol_version=VERSION, mcp_method="initialize")
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (404, -32601, 0)


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize("body", [b"[]", b"{", b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}'])
async def test_a_body_that_is_no_request_is_a_bad_request(body: bytes) -> None:
    peer = World().peer()
    assert peer.request("POST", body, mcp_protocol_version=VERSION).status == 400
    assert "id" not in peer.last.json


@pytest.mark.requirement("HTTP-3")
async def test_parameters_that_are_no_object_are_refused_under_their_id() -> None:
    peer = World().peer()
    message = {"jsonrpc": "2.0", "id": "x", "method": "tools/list", "params": [1]}
    answer = peer.post(message, mcp_protocol_version=VERSION, mcp_method="tools/list")
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (400, -32602, "x")


@pytest.mark.requirement("HTTP-3")
async def test_a_session_that_its_owner_will_not_have_is_refused() -> None:
    world = World()
    world.owner.refusal = "the daemon is stopping"
    answer = post(world.peer())
    assert answer.status == 503
    assert "stopping" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"region": "eu"}, {"mcp_param_region": "eu"}, 0),
        ({}, {}, 0),
        ({"region": "eu"}, {"mcp_param_region": "us"}, 400),
        ({"region": "eu"}, {}, 400),
    ],
)
async def test_mirrored_arguments_are_held_against_their_headers(arguments: Any, headers: Any, status: int) -> None:
    world = World(mirrored=REGION)
    answer = post(world.peer(), "tools/call", name="where", arguments=arguments, **headers)
    assert answer.status == status
    if status:
        assert answer.json["error"]["code"] == -32020


async def test_a_mirrored_header_that_comes_twice_is_a_mismatch() -> None:
    peer = World(mirrored=REGION).peer()
    params = {"name": "where", "arguments": {"region": "eu"}, "_meta": STATELESS_META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    names = ("Mcp-Method: tools/call", "Mcp-Name: where", "Mcp-Param-Region: eu", "mcp-param-region: eu")
    head = "\r\n".join((f"MCP-Protocol-Version: {VERSION}", "Content-Type: application/json", "Accept: */*", *names))
    peer.send(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{head}\r\n\r\n".encode() + body)
    assert peer.last.json["error"]["code"] == -32020


async def test_calls_stick_by_who_asks() -> None:
    world = World()
    clients = [{"name": "a", "version": "1"}, {"name": "b", "version": "1"}, {"name": "a", "version": "1"}]
    keys = []
    for client in clients:
        peer = world.peer()
        meta = {**STATELESS_META, "io.modelcontextprotocol/clientInfo": client}
        post(peer, _meta=meta)
        keys.append(world.latest.session.key)
    assert keys[0] == keys[2] != keys[1]
