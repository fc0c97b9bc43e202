"""One connection: requests in turn, slow and silent clients, and what is left when it goes."""

from __future__ import annotations

import asyncio

import pytest
from http_peer import INITIALIZE, World, call
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.proxy.http.connection import LINGER
from orchestrator.proxy.http.ports import QUIET

BIG = 10_000

WHOLE = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: "
PIECES = [
    b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
    b"OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
    b"HEAD * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    WHOLE + b'40\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
    WHOLE + b"2\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: x\r\n\r\n{}",
    WHOLE + b"999999999\r\n\r\n{",
    WHOLE + b"5\r\nExpect: 100-continue\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"\r\n",
    b"\0",
]
"""Requests of many kinds, most of them wrong."""


@pytest.mark.requirement("HTTP-1")
async def test_requests_on_one_connection_are_answered_one_after_the_other() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    peer.post(call(2), mcp_session_id=name)
    assert [taken.id for taken in world.owner.taken[1:]] == [b"1"]
    assert peer.transport.paused
    world.latest.answer(value=1)
    assert not peer.transport.paused
    world.latest.answer(value=2)
    assert [response.json["id"] for response in peer.responses] == [1, 2]


async def test_a_long_row_of_requests_in_one_piece_is_served_without_recursion() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    ping = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    peer.send(ping * 3000)
    assert [response.status for response in peer.responses] == [404] * 3000
    assert name


async def test_a_large_answer_is_sent_in_parts_and_whole() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.latest.answer(value="x" * 200_000)
    assert peer.last.whole
    assert peer.last.json["result"]["value"] == "x" * 200_000


async def test_a_client_that_asks_for_it_is_hung_up_on_after_its_answer() -> None:
    world = World()
    peer = world.peer()
    answer = peer.post(INITIALIZE, connection="close")
    assert answer.headers["connection"] == "close"
    assert peer.transport.closed


async def test_a_client_of_http_1_0_gets_a_stream_without_chunks() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    head = f"GET /mcp HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {name}\r\n\r\n"
    peer.send(head.encode())
    assert "transfer-encoding" not in peer.last.headers
    assert peer.last.headers["connection"] == "close"


@pytest.mark.requirement("HTTP-3")
async def test_a_refused_body_that_is_still_coming_is_not_answered_with_a_reset() -> None:
    world = World(body_bytes=BIG)
    peer = world.peer()
    peer.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    peer.send(b"Accept: */*\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 50)
    assert peer.last.status == 413
    assert (peer.transport.eof, peer.transport.closed) == (True, False)
    peer.send(b"x" * 5000)
    assert len(peer.responses) == 1
    world.pass_time(peer, LINGER + 1)
    assert peer.transport.aborted


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize(
    ("sent", "seconds"),
    [(b"", 11), (b"POST /mcp HTTP/1.1\r\nX: y", 11), (b"POST /mcp HTTP/1.1\r\nContent-Length: 9\r\n\r\nhel", 61)],
)
async def test_a_client_that_does_not_finish_its_request_is_told_and_cut_off(sent: bytes, seconds: float) -> None:
    world = World(header_timeout=10.0, body_timeout=60.0)
    peer = world.peer()
    peer.send(sent)
    world.pass_time(peer, seconds - 2)
    assert not peer.transport.written
    world.pass_time(peer, seconds)
    assert peer.last.status == 408
    assert peer.transport.eof


@pytest.mark.requirement("HTTP-3")
async def test_a_client_that_trickles_its_head_gains_no_time_by_it() -> None:
    world = World(header_timeout=10.0)
    peer = world.peer()
    peer.connection.tick(100.0)
    for second in range(1, 12):
        peer.send(b"x" if second > 1 else b"GET /")
        peer.connection.tick(100.0 + second)
    assert peer.last.status == 408


async def test_a_connection_without_requests_is_closed_in_the_end() -> None:
    world = World(keepalive_timeout=120.0)
    peer = world.peer()
    peer.post(INITIALIZE)
    world.pass_time(peer, 119)
    assert not peer.transport.closed
    world.pass_time(peer, 121)
    assert peer.transport.closed


@pytest.mark.requirement("HTTP-3")
async def test_a_client_that_does_not_read_its_answers_is_sent_no_more_until_it_does() -> None:
    world = World()
    peer = world.peer()
    peer.connection.pause_writing()
    peer.post(INITIALIZE)
    assert not peer.transport.written
    assert peer.transport.paused
    peer.connection.resume_writing()
    assert peer.last.status == 200
    assert not peer.transport.paused


@pytest.mark.requirement("HTTP-3")
async def test_a_client_that_does_not_read_its_stream_is_cut_off_and_nobody_else() -> None:
    world = World(backlog_bytes=BIG)
    name = world.session()
    slow, other = world.peer(), world.peer()
    slow.post(call(1), mcp_session_id=name)
    other.post(call(2), mcp_session_id=name)
    first, second = world.owner.taken[1:]
    slow.transport.clogged = True
    slow.connection.pause_writing()
    while not slow.transport.aborted:
        first.tell("notifications/message", data="x" * 1000)
    slow.hang_up()
    first.answer()
    second.answer(fine=True)
    assert other.last.json["result"] == {"fine": True}


@pytest.mark.requirement("HTTP-3")
async def test_more_connections_than_allowed_are_refused_with_the_reason() -> None:
    world = World(connections=1)
    first, second = world.peer(), world.peer()
    assert second.last.status == 503
    assert "http.connections" in second.last.json["error"]["message"]
    second.hang_up()
    first.hang_up()
    assert world.peer().post(INITIALIZE).status == 200


async def test_a_silent_stream_says_that_it_lives() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.request("GET", mcp_session_id=name)
    before = peer.last.body
    world.pass_time(peer, QUIET + 1)
    assert peer.last.body == before + b":\n\n"
    assert not peer.last.whole


async def test_a_request_that_takes_long_becomes_a_stream_in_any_version() -> None:
    world = World("2024-11-05")
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.pass_time(peer, QUIET + 1)
    assert peer.last.headers["content-type"] == "text/event-stream"
    assert peer.last.events == []
    world.latest.answer(value=1)
    assert [message["result"] for message in peer.last.messages] == [{"value": 1}]
    assert peer.last.whole


async def test_closing_the_door_ends_sessions_and_hangs_up() -> None:
    world = World()
    listening, idle = world.peer(), world.peer()
    name = world.session(idle)
    listening.request("GET", mcp_session_id=name)
    world.door.close()
    assert listening.last.whole
    assert listening.transport.closed
    assert idle.transport.closed
    assert world.owner.ended == world.owner.sessions


@pytest.mark.requirement("HTTP-3")
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=8), st.booleans())
def test_no_row_of_bytes_harms_the_door(pieces: list[bytes], cut: bool) -> None:  # noqa: FBT001 - drawn at random
    async def attack() -> None:
        world = World()
        peer = world.peer()
        for piece in pieces:
            peer.send(piece[: len(piece) // 2] if cut else piece)
        assert {response.status for response in peer.responses} <= {100, 200, 202, 400, 404, 405, 406, 413, 415}
        peer.hang_up()
        assert world.peer().post(INITIALIZE).status == 200
        world.door.close()

    asyncio.run(attack())
