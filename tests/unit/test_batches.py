"""Batches of the oldest versions: taken one by one, answered together, at every door and through the bridge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bridge_story import WELCOME, Story
from http_peer import World, call

from orchestrator.domain.errors import INVALID_REQUEST, PARSE_ERROR
from orchestrator.proxy import batch as batches
from orchestrator.proxy.batch import MESSAGES, Batch, BatchError, messages_in

pytestmark = pytest.mark.requirement("ERA-7")

OLD = "2025-03-26"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NOTICE = {"jsonrpc": "2.0", "method": "notifications/any"}
INITIALIZE = {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {}}


def refused(line: bytes, version: str = OLD) -> tuple[int, str]:
    with pytest.raises(BatchError) as caught:
        messages_in(line, version)
    return caught.value.code, str(caught.value)


# --- what is a batch -------------------------------------------------------------------------------


def test_messages_come_as_they_were_written() -> None:
    assert messages_in(b' [ {"id" : 1.50} ,[], 7]', "2024-11-05") == [b'{"id" : 1.50}', b"[]", b"7"]


@pytest.mark.parametrize("version", ["", "2025-06-18", "2025-11-25", "2026-07-28"])
def test_other_versions_have_none(version: str) -> None:
    code, reason = refused(b"[{}]", version)
    assert code == INVALID_REQUEST
    assert reason.startswith("batches are not supported")
    assert (version or "handshake") in reason


def test_what_is_no_bearable_array_is_refused() -> None:
    assert refused(b"[]")[0] == INVALID_REQUEST
    assert refused(b"[{}")[0] == PARSE_ERROR
    assert refused(b"[" * 100_000)[0] == PARSE_ERROR
    assert refused(b"[1" + b",1" * 200_000 + b"]") == (
        INVALID_REQUEST,
        f"a batch has at most {MESSAGES} messages; send them in several",
    )
    assert len(messages_in(b"[1" + b",1" * (MESSAGES - 1) + b"]", OLD)) == MESSAGES
    assert len(messages_in(json.dumps([list(range(MESSAGES * 2))]).encode(), OLD)) == 1


def test_answers_that_are_too_long_together_are_refused_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ANSWER_BYTES", 100)
    delivered: list[bytes] = []
    batch = Batch(delivered.append)
    for _ in range(2):
        batch.expect()
    batch.answered([b'{"id":1,"result":"%b"}' % (b"x" * 70)], b"1")
    batch.seal()
    assert not delivered
    batch.answered([b'{"id":2,"result":"%b"}' % (b"x" * 70)], b"2")
    first, second = json.loads(delivered[0])
    assert (first["id"], second["id"], second["error"]["code"]) == (1, 2, -31014)


# --- over HTTP ---------------------------------------------------------------------------------------


async def test_a_posted_batch_is_answered_by_one_array_once_all_answers_are_there() -> None:
    world = World(version=OLD)
    name, peer = world.session(), world.peer()
    peer.post([call("a"), NOTICE, call(2)], mcp_session_id=name)
    assert peer.last.status == 0
    second, first = world.owner.taken[-1], world.owner.taken[-2]
    second.answer(n=2)
    assert peer.last.status == 0
    first.fail(-32602)
    assert (peer.last.status, peer.last.headers["content-type"]) == (200, "application/json")
    told = {answer["id"]: answer for answer in peer.last.json}
    assert (told[2]["result"], told["a"]["error"]["code"]) == ({"n": 2}, -32602)
    assert world.owner.notices == ["notifications/any"]


async def test_what_comes_before_the_answers_makes_the_batchs_answer_a_stream() -> None:
    world = World(version=OLD)
    peer = world.peer()
    peer.post([call(1), call(2)], mcp_session_id=world.session())
    world.owner.taken[-1].tell("notifications/progress", progress=1)
    for taken in world.owner.taken[-2:]:
        taken.answer()
    notice, answers = peer.last.messages
    assert notice["method"] == "notifications/progress"
    assert sorted(answer["id"] for answer in answers) == [1, 2]


async def test_a_batch_that_wants_no_answer_gets_none_and_a_bad_message_only_its_own_error() -> None:
    world = World(version=OLD)
    name, peer = world.session(), world.peer()
    assert peer.post([NOTICE, {"jsonrpc": "2.0", "id": "q", "result": {}}], mcp_session_id=name).status == 202
    assert world.owner.replies == [b'"q"']
    answer = peer.post([INITIALIZE, [PING], 5, {"jsonrpc": "2.0", "id": 3}, NOTICE], mcp_session_id=name)
    assert answer.status == 200
    assert [(error["id"], error["error"]["code"]) for error in answer.json] == [
        (7, -32600), (None, -32600), (None, -32600), (3, -32600),
    ]  # fmt: skip
    assert "initialize" in answer.json[0]["error"]["message"]
    peer.post([call(1), call(1)], mcp_session_id=name)
    world.latest.answer()
    assert [("result" in each, each["id"]) for each in peer.last.json] == [(False, None), (True, 1)]


async def test_a_cancelled_message_of_a_batch_does_not_hold_up_the_others() -> None:
    world = World(version=OLD)
    name, peer = world.session(), world.peer()
    peer.post([call(1), call(2)], mcp_session_id=name)
    world.owner.taken[-1].answer()
    world.peer().post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}, mcp_session_id=name)
    assert sorted(answer["id"] for answer in peer.last.json) == [1, 2]


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_newer_versions_refuse_a_posted_batch(version: str) -> None:
    world = World(version=version)
    answer = world.peer().post([PING], mcp_session_id=world.session())
    assert (answer.status, answer.json["error"]["code"]) == (400, INVALID_REQUEST)
    assert "batches are not supported" in answer.json["error"]["message"]


async def test_an_empty_batch_and_one_that_would_begin_a_session_are_refused() -> None:
    world = World(version=OLD)
    assert world.peer().post([], mcp_session_id=world.session()).json["error"]["code"] == INVALID_REQUEST
    answer = world.peer().post([INITIALIZE])
    assert (answer.status, answer.json["error"]["code"]) == (400, INVALID_REQUEST)
    assert len(world.owner.sessions) == 1


# --- through the bridge ------------------------------------------------------------------------------


def bridged(version: str = OLD) -> Story:
    story = Story()
    story.connect()
    story.asks(0, "initialize", protocolVersion=version)
    story.answers(0, {**WELCOME, "protocolVersion": version})
    story.told(), story.sent()
    return story


def says(story: Story, *messages: Any) -> None:
    story.client_line(json.dumps(list(messages)).encode())


def test_the_bridge_passes_a_batchs_messages_on_alone_and_answers_them_together_across_daemons() -> None:
    story = bridged()
    says(story, call("a"), NOTICE, {**PING, "method": "tools/list", "id": 2}, {"jsonrpc": "2.0", "id": 3}, INITIALIZE)
    assert [message.get("id") for message in story.sent()] == ["a", None, 2]
    story.answers("a", {"n": 1})
    story.lose()
    assert not story.conversation.to_client
    assert 2 in [message.get("id") for message in story.reopened()]
    story.answers(2, {"tools": []})
    *notices, answers = map(json.loads, story.conversation.to_client)
    assert all("id" not in notice for notice in notices)
    assert sorted(str(answer["id"]) for answer in answers) == ["2", "7", "None", "a"]


def test_the_bridge_expects_nothing_of_what_was_cancelled_and_leaves_other_versions_to_the_daemon() -> None:
    story = bridged()
    says(story, call(1), call(2))
    story.answers(2, {})
    assert story.told() == []
    story.tells("notifications/cancelled", requestId=1)
    (answers,) = map(json.loads, story.conversation.to_client)
    assert [answer["id"] for answer in answers] == [2]
    newer = bridged("2025-11-25")
    says(newer, call(1))
    assert newer.conversation.to_daemon == [json.dumps([call(1)]).encode()]
