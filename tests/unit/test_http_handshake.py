"""Sessions of the handshake era: their names, what goes on which answer, resumption, and every wrong message."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from http_peer import INITIALIZE, Peer, World, call

from orchestrator.proxy import codec

NOTICE = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST_CHANGED = codec.notification_line("notifications/tools/list_changed")


def code(peer: Peer) -> tuple[int, int]:
    answer = peer.last
    assert answer.whole
    return answer.status, answer.json["error"]["code"]


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-1")
async def test_initialize_begins_a_session_whose_name_nobody_guesses() -> None:
    world = World()
    names = {world.session() for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) >= 32 and name.isascii() and name.isprintable() and " " not in name for name in names)
    assert len(world.owner.sessions) == 50
    assert not names & {session.value.id for session in world.owner.sessions}


@pytest.mark.requirement("HTTP-1")
async def test_a_session_lives_on_any_connection_until_it_is_deleted() -> None:
    world = World()
    name = world.session()
    one, other = world.peer(), world.peer()
    assert one.post(NOTICE, mcp_session_id=name).status == 202
    one.hang_up()
    other.post(call(), mcp_session_id=name)
    world.latest.answer(value=1)
    assert other.last.json == {"jsonrpc": "2.0", "id": 1, "result": {"value": 1}}
    assert other.request("DELETE", mcp_session_id=name).status == 200
    assert world.owner.ended == world.owner.sessions
    assert other.post(call(), mcp_session_id=name).status == 404
    assert other.request("GET", mcp_session_id=name).status == 404
    assert other.request("DELETE", mcp_session_id=name).status == 404


@pytest.mark.requirement("HTTP-1")
async def test_an_unused_session_ends_and_one_with_a_stream_or_a_call_does_not() -> None:
    world = World(session_timeout=100.0)
    idle, listening, calling = (world.session() for _ in range(3))
    stream, caller = world.peer(), world.peer()
    stream.request("GET", mcp_session_id=listening)
    caller.post(call(), mcp_session_id=calling)
    for now in (0.0, 101.0):
        for session in world.owner.sessions:
            session.tick(now, 100.0)  # type: ignore[attr-defined]  # they are all of this kind
    answers = [world.peer().post(NOTICE, mcp_session_id=name).status for name in (idle, listening, calling)]
    assert answers == [404, 202, 202]


@pytest.mark.requirement("HTTP-1")
async def test_a_session_whose_client_never_comes_back_ends_within_minutes() -> None:
    world = World(session_timeout=3600.0)
    left, used = world.session(), world.session()
    world.peer().post(NOTICE, mcp_session_id=used)
    for now in (0.0, 100.0):
        for session in world.owner.sessions:
            session.tick(now, 3600.0)  # type: ignore[attr-defined]  # they are all of this kind
    assert [world.peer().post(NOTICE, mcp_session_id=name).status for name in (left, used)] == [404, 202]


@pytest.mark.requirement("HTTP-1")
async def test_a_session_that_its_owner_will_not_have_is_refused_and_has_no_name() -> None:
    world = World()
    world.owner.refusal = "1024 clients are connected already (limits.sessions)"
    answer = world.peer().post(INITIALIZE)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (503, -31013, 0)
    assert "mcp-session-id" not in answer.headers
    assert answer.headers["retry-after"] == "1"


@pytest.mark.requirement("HTTP-1")
async def test_a_session_whose_initialize_fails_or_is_abandoned_is_gone() -> None:
    world = World(version="")
    failed, left = world.peer(), world.peer()
    failed.post(INITIALIZE)
    world.latest.fail(-32603)
    assert failed.last.json["error"]["code"] == -32603
    assert "mcp-session-id" not in failed.last.headers
    left.post(INITIALIZE)
    left.hang_up()
    assert world.owner.ended == world.owner.sessions


@pytest.mark.requirement("HTTP-4")
async def test_a_session_begun_with_one_token_is_not_found_with_another() -> None:
    world = World()
    tokens = ["ann:a-token-of-many-letters", "bob:b-token-of-many-letters"]
    world.door.access = world.door.access.to("127.0.0.1", hosts=(), origins=(), tokens=tokens)
    ann, bob = ({"authorization": f"Bearer {letter}-token-of-many-letters"} for letter in "ab")
    name = world.peer().post(INITIALIZE, **ann).headers["mcp-session-id"]
    assert world.peer().post(NOTICE, mcp_session_id=name, **bob).status == 404
    assert world.peer().post(NOTICE, mcp_session_id=name, **ann).status == 202
    assert world.peer().post(NOTICE, mcp_session_id=name).status == 401


# --- what goes on an answer ------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-1")
async def test_an_answer_alone_is_json_and_keeps_the_ids_type() -> None:
    world = World()
    name = world.session()
    for id_ in (7, "7", 2**70, "ü\n"):
        peer = world.peer()
        peer.post(call(id_), mcp_session_id=name)
        world.latest.answer(value=1)
        assert peer.last.headers["content-type"] == "application/json"
        assert (type(peer.last.json["id"]), peer.last.json["id"]) == (type(id_), id_)


@pytest.mark.requirement("HTTP-1")
async def test_what_comes_before_the_answer_makes_it_a_stream_of_this_request_alone() -> None:
    world = World()
    name = world.session()
    one, other, listener = world.peer(), world.peer(), world.peer()
    listener.request("GET", mcp_session_id=name)
    one.post(call(1), mcp_session_id=name)
    first = world.latest
    other.post(call(2), mcp_session_id=name)
    first.tell("notifications/progress", progress=1)
    first.session.put(LIST_CHANGED)
    first.answer(value=1)
    world.latest.answer(value=2)
    assert [message.get("method", "answer") for message in one.last.messages] == ["notifications/progress", "answer"]
    assert one.last.whole
    assert other.last.json["result"] == {"value": 2}
    assert [message["method"] for message in listener.last.messages] == ["notifications/tools/list_changed"]
    assert not listener.last.whole


@pytest.mark.requirement("HTTP-1")
async def test_a_servers_question_goes_to_its_request_and_the_answer_comes_by_a_post_of_its_own() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    question = b'{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}\n'
    world.latest.session.put(question, b"1")
    assert peer.last.messages == [json.loads(question)]
    reply = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert world.peer().post(reply, mcp_session_id=name).status == 202
    assert world.owner.replies == [b"1"]
    world.latest.answer(value=1)
    assert peer.last.messages[-1]["result"] == {"value": 1}


@pytest.mark.requirement("HTTP-1")
async def test_what_nobody_listens_for_waits_for_the_first_listener() -> None:
    world = World()
    name = world.session()
    session = world.owner.sessions[0]
    session.put(LIST_CHANGED)
    first, second = world.peer(), world.peer()
    assert len(first.request("GET", mcp_session_id=name).messages) == 1
    assert second.request("GET", mcp_session_id=name).messages == []
    session.put(LIST_CHANGED)
    assert (len(first.last.messages), len(second.last.messages)) == (1, 1)
    second.hang_up()
    session.put(LIST_CHANGED)
    assert len(first.last.messages) == 2


@pytest.mark.requirement("HTTP-1")
async def test_a_carriage_return_in_a_workers_line_does_not_break_the_event() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    world.latest.session.answer(b'{"jsonrpc":"2.0","id":99,"result":\r{"a":"b\\r"}}\r', b"1")
    assert peer.last.messages[-1]["result"] == {"a": "b\r"}


@pytest.mark.requirement("HTTP-1")
async def test_a_cancelled_request_gets_an_end_and_a_lost_connection_cancels_nothing() -> None:
    world = World()
    name = world.session()
    cancelled, lost = world.peer(), world.peer()
    cancelled.post(call(1), mcp_session_id=name)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    assert world.peer().post(cancel, mcp_session_id=name).status == 202
    assert cancelled.last.json["error"]["code"] == -32800
    lost.post(call(2), mcp_session_id=name)
    lost.hang_up()
    assert not world.owner.ended
    world.latest.answer(value=1)


@pytest.mark.requirement("HTTP-1")
async def test_ending_a_session_ends_what_its_client_waits_for() -> None:
    world = World()
    name = world.session()
    waiting, streaming, listening = world.peer(), world.peer(), world.peer()
    waiting.post(call(1), mcp_session_id=name)
    streaming.post(call(2), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    listening.request("GET", mcp_session_id=name)
    world.peer().request("DELETE", mcp_session_id=name)
    assert waiting.last.json["error"]["code"] == -32800
    assert streaming.last.messages[-1]["error"]["code"] == -32800
    assert all(peer.last.whole for peer in (waiting, streaming, listening))


async def test_messages_are_kept_back_while_the_worker_does_not_keep_up() -> None:
    world = World()
    name = world.session()
    session = world.owner.sessions[0]
    session.block()
    peer, gone = world.peer(), world.peer()
    peer.post(call(1), mcp_session_id=name)
    gone.post(call(2), mcp_session_id=name)
    gone.hang_up()
    assert len(world.owner.taken) == 1
    session.unblock()
    assert [taken.id for taken in world.owner.taken[1:]] == [b"1"]
    world.latest.answer(value=1)
    assert peer.last.json["result"] == {"value": 1}


# --- resumption -----------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-2")
async def test_a_request_that_takes_its_time_begins_with_an_event_to_resume_from() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    async with asyncio.timeout(60):
        while not peer.transport.written:  # noqa: ASYNC110 - the door sets no event; it looks after a tenth of a second
            await asyncio.sleep(0.01)
    assert [sorted(event) for event in peer.last.events] == [["data", "id", "retry"]]
    assert peer.last.headers["mcp-session-id"] == name


@pytest.mark.requirement("HTTP-2")
async def test_a_client_of_before_gets_no_event_it_could_not_read() -> None:
    world = World("2025-06-18")
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    assert all(event["data"] for event in peer.last.events)


@pytest.mark.requirement("HTTP-2")
async def test_a_lost_stream_is_resumed_with_what_was_missed_and_what_comes() -> None:
    world = World()
    name = world.session()
    lost, other = world.peer(), world.peer()
    lost.post(call(1), mcp_session_id=name)
    taken = world.latest
    other.post(call(2), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=99)
    taken.tell("notifications/progress", progress=1)
    last = lost.last.events[-1]["id"]
    lost.hang_up()
    taken.tell("notifications/progress", progress=2)
    again = world.peer()
    again.request("GET", mcp_session_id=name, last_event_id=last)
    assert [message["params"]["progress"] for message in again.last.messages] == [2]
    taken.tell("notifications/progress", progress=3)
    taken.answer(value=1)
    assert [message.get("result") for message in again.last.messages] == [None, None, {"value": 1}]
    assert again.last.whole


@pytest.mark.requirement("HTTP-2")
async def test_a_stream_that_has_ended_meanwhile_is_replayed_and_ended_as_often_as_asked() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    peer.hang_up()
    world.latest.answer(value=1)
    first, last = peer.last.events[0]["id"], peer.last.events[-1]["id"]
    for after, count in ((first, 2), (last, 1), (last, 1)):
        again = world.peer().request("GET", mcp_session_id=name, last_event_id=after)
        assert again.whole
        assert len(again.messages) == count
        assert again.messages[-1]["result"] == {"value": 1}


@pytest.mark.requirement("HTTP-2")
async def test_resuming_a_stream_that_is_still_open_takes_it_over() -> None:
    world = World()
    name = world.session()
    old, new = world.peer(), world.peer()
    old.post(call(1), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    new.request("GET", mcp_session_id=name, last_event_id=old.last.events[0]["id"])
    world.latest.answer(value=1)
    assert old.last.whole
    assert len(old.last.messages) == 1
    assert [message.get("result") for message in new.last.messages] == [None, {"value": 1}]
    assert not old.transport.closed


@pytest.mark.requirement("HTTP-2")
async def test_the_listeners_stream_is_resumed_from_where_it_was_lost() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    primed = peer.request("GET", mcp_session_id=name).events[0]["id"]
    peer.hang_up()
    world.owner.sessions[0].put(LIST_CHANGED)
    again = world.peer().request("GET", mcp_session_id=name, last_event_id=primed)
    assert len(again.messages) == 1
    assert not again.whole


@pytest.mark.requirement("HTTP-2", "HTTP-3")
@pytest.mark.parametrize("last", ["", "x", "1-", "7-1", "1-999"])
async def test_an_event_that_is_none_of_the_sessions_is_a_bad_request(last: str) -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.request("GET", mcp_session_id=name, last_event_id=last)
    assert code(peer) == (400, -32600)


@pytest.mark.requirement("HTTP-2")
async def test_events_are_the_sessions_own() -> None:
    world = World()
    mine, yours = world.session(), world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=mine)
    world.latest.tell("notifications/progress", progress=1)
    answer = world.peer().request("GET", mcp_session_id=yours, last_event_id=peer.last.events[0]["id"])
    assert answer.status == 400


@pytest.mark.requirement("HTTP-2")
async def test_what_is_not_kept_any_more_is_said_to_be_gone() -> None:
    world = World(event_bytes=0)
    name = world.session()
    peer = world.peer()
    peer.post(call(1), mcp_session_id=name)
    world.latest.tell("notifications/progress", progress=1)
    world.latest.answer(value=1)
    answer = world.peer().request("GET", mcp_session_id=name, last_event_id=peer.last.events[0]["id"])
    assert answer.status == 400
    assert "not kept" in answer.json["error"]["message"]


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"x\xff"}', -32700),
        (b'{"a":"x\ny"}', -32700),
        (b"[" * 5000, -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b"5", -32600),
        (b'"x"', -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
    ],
)
async def test_a_body_that_is_no_message_is_a_bad_request(body: bytes, error: int) -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    peer.request("POST", body, mcp_session_id=name)
    assert code(peer) == (400, error) or (body.startswith(b"[[") and code(peer)[0] == 400)
    assert peer.last.json.get("id", 1) == 1
    assert peer.post(NOTICE, mcp_session_id=name).status == 202


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize("message", [call(), NOTICE, {"jsonrpc": "2.0", "id": 1, "result": {}}])
async def test_without_a_session_only_initialize_is_taken(message: Any) -> None:
    world = World()
    peer = world.peer()
    peer.post(message)
    assert code(peer) == (400, -32600)
    assert "Mcp-Session-Id" in peer.last.json["error"]["message"]
    assert not world.owner.sessions
    assert not world.owner.replies
    assert peer.request("GET").status == 400
    assert peer.request("DELETE").status == 400


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize("version", ["1999-01-01", "2025-03-26x", "", "latest"])
async def test_a_version_nobody_knows_is_a_bad_request(version: str) -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    for method in ("POST", "GET", "DELETE"):
        body = json.dumps(call()).encode() if method == "POST" else b""
        peer.request(method, body, mcp_session_id=name, mcp_protocol_version=version)
        assert peer.last.status == 400
    assert len(world.owner.taken) == 1


@pytest.mark.requirement("HTTP-3")
async def test_an_id_that_is_not_answered_yet_is_refused_and_the_first_one_answered() -> None:
    world = World()
    name = world.session()
    first, second = world.peer(), world.peer()
    first.post(call(1), mcp_session_id=name)
    second.post(call(1), mcp_session_id=name)
    assert code(second) == (400, -32600)
    assert "id" not in second.last.json
    world.latest.answer(value=1)
    assert first.last.json["result"] == {"value": 1}
    second.post(call(1), mcp_session_id=name)
    world.latest.answer(value=2)
    assert second.last.json["result"] == {"value": 2}


@pytest.mark.requirement("HTTP-3")
async def test_a_message_of_the_other_era_without_its_header_is_a_mismatch() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    for headers in ({}, {"mcp_session_id": name}):
        peer.post(call(1, _meta=meta), **headers)
        assert code(peer) == (400, -32020)
        assert peer.last.json["id"] == 1


@pytest.mark.requirement("HTTP-3")
async def test_more_listeners_than_a_client_needs_are_refused() -> None:
    world = World()
    name = world.session()
    statuses = [world.peer().request("GET", mcp_session_id=name).status for _ in range(9)]
    assert statuses == [200] * 8 + [409]


@pytest.mark.requirement("HTTP-3")
async def test_a_message_in_several_lines_is_sent_on_in_one() -> None:
    world = World()
    name = world.session()
    peer = world.peer()
    body = json.dumps(call(1, arguments={"text": "a\nb", "n": 1.50}), indent=2).replace("\n", "\r\n").encode()
    peer.request("POST", b"\n" + body + b"\n", mcp_session_id=name)
    tail = world.latest.tail
    assert b"\n" not in tail
    assert b"\r" not in tail
    assert json.loads(b'{"id":1' + tail)["params"]["arguments"] == {"text": "a\nb", "n": 1.5}
