"""A session behind the bridge: what passes, and what a daemon's loss and return make of it."""

from __future__ import annotations

from typing import Any

import pytest
from bridge_story import NO_WORKER, OTHER, OVERLOADED, READ_ONLY, STATELESS, WELCOME, WORKER_LOST, Message, Story

from orchestrator.bridge.books import HOLD, WAITING
from orchestrator.bridge.calls import SENDS

LISTS = [{"method": f"notifications/{name}/list_changed"} for name in ("tools", "resources")]


def errors(messages: list[Message]) -> dict[Any, tuple[int, bool]]:
    """Return the daemon's own errors among messages: code and whether it may be tried again, by id."""
    return {
        message["id"]: (message["error"]["code"], message["error"]["data"]["retryable"])
        for message in messages
        if "error" in message
    }


def methods(messages: list[Message]) -> list[str]:
    return [message.get("method", "answer") for message in messages]


# --- while a daemon is there --------------------------------------------------------------------------


@pytest.mark.requirement("CONN-1")
@pytest.mark.parametrize(
    "line",
    [
        b'{ "id" : 7, "jsonrpc":"2.0", "method":"tools/call", "params":{"name":"x", "new":[1.0, 1e3]} }',
        b'{"jsonrpc":"2.0","method":"notifications/of/tomorrow","params":{"a":1}}',
        b'{"jsonrpc":"2.0","id":"ask","method":"of/tomorrow"}',
        b"this is no JSON",
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":3}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_the_client_writes_reaches_the_daemon_byte_for_byte(line: bytes) -> None:
    story = Story()
    story.connect()
    story.client_line(line)
    assert story.conversation.to_daemon == [line]
    assert story.conversation.to_client == []


@pytest.mark.requirement("CONN-1")
@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (b"1", b'{"jsonrpc":"2.0","id":1,"result":{"content": [ ]}}'),
        (b"1", b'{ "id":1, "result":{}, "jsonrpc":"2.0"}'),
        (b"1", b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'),
        (b'"a,"', b'{"jsonrpc":"2.0","id":"a,","result":{}}'),
        (b"-1.5e3", b'{"jsonrpc":"2.0","id":-1.5e3,"result":{}}'),
        (b"1", b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}'),
        (b"1", b'{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{ }}'),
        (b"1", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no JSON"}}'),
    ],
)
def test_what_the_daemon_writes_reaches_the_client_byte_for_byte(asked: bytes, line: bytes) -> None:
    story = Story()
    story.connect()
    story.client_line(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % asked)
    story.daemon_line(line)
    assert story.conversation.to_client == [line]


def test_an_answer_nobody_waits_for_and_a_line_that_is_no_message_are_kept_from_the_client() -> None:
    story = Story().opened()
    story.calls(1, "look")
    story.answers(1, {})
    story.told()
    story.answers(1, {})
    story.answers(2, {})
    story.daemon_line(b"warning: something")
    assert story.told() == []
    assert "no JSON-RPC message" in story.conversation.notes[0]


def test_an_id_that_is_still_in_use_is_complained_about_without_naming_it() -> None:
    story = Story().opened()
    story.calls(1, "look")
    story.sent()
    story.calls(1, "look")
    assert [(each["id"], each["error"]["code"]) for each in story.told()] == [(None, -32600)]
    assert story.sent() == []


# --- when it is lost ----------------------------------------------------------------------------------


@pytest.mark.requirement("CONN-2")
def test_a_lost_session_is_told_to_the_new_daemon_as_the_client_told_it() -> None:
    story = Story().opened()
    for number, (method, params) in enumerate([
        ("logging/setLevel", {"level": "info"}),
        ("logging/setLevel", {"level": "error"}),
        ("resources/subscribe", {"uri": "a:1"}),
        ("resources/subscribe", {"uri": "a:2"}),
        ("resources/unsubscribe", {"uri": "a:1"}),
    ]):  # fmt: skip
        story.asks(number + 1, method, **params)
        story.answers(number + 1, {})
    story.sent(), story.told()
    story.lose()
    seen = story.reopened()
    assert [(each["method"], each.get("params", {})) for each in seen][1:] == [
        ("notifications/initialized", {}),
        ("logging/setLevel", {"level": "error"}),
        ("resources/subscribe", {"uri": "a:2"}),
    ]
    assert seen[0]["params"]["capabilities"] == {"roots": {}}
    assert story.told() == [*LISTS, {"method": "notifications/resources/updated", "params": {"uri": "a:2"}}]


@pytest.mark.requirement("CONN-2")
def test_calls_without_effect_are_sent_again_and_others_answered_worker_lost() -> None:
    story = Story().opened()
    for number, tool in enumerate(["look", "pay", "gone", "look"]):
        story.calls(f"call-{number}", tool)
    story.asks("list", "tools/list")
    story.asks("read", "resources/read", uri="a:1")
    story.asks("level", "logging/setLevel", level="debug")
    story.asks("new", "of/tomorrow")
    story.sent()
    story.lose()
    assert errors(story.told()) == {"new": (WORKER_LOST, False)}
    seen = story.reopened(READ_ONLY, OTHER)
    assert [each["id"] for each in seen if not str(each.get("id", "switchover")).startswith("switchover")] == [
        "list", "read", "level", "call-0", "call-3",
    ]  # fmt: skip
    assert errors(story.told()) == {"call-1": (WORKER_LOST, False), "call-2": (WORKER_LOST, False)}
    story.answers("call-0", {"content": []})
    assert story.told() == [{"id": "call-0", "result": {"content": []}}]


@pytest.mark.requirement("CONN-2")
def test_the_question_for_tools_goes_where_the_calls_would_go_and_reads_every_page() -> None:
    story = Story()
    story.connect()
    story.calls(1, "look", **STATELESS, **{"io.switchover/key": "k", "progressToken": 1})
    story.calls(2, "pay", **STATELESS, **{"io.switchover/key": "k", "progressToken": 2})
    story.calls(3, "look")
    story.lose()
    story.sent()
    story.connect()
    first, second = story.sent()
    assert first["params"] == {"_meta": {**STATELESS, "io.switchover/key": "k"}}
    assert "params" not in second
    story.answers(first["id"], {"tools": [OTHER], "nextCursor": "more"})
    assert errors(story.told()) == {2: (WORKER_LOST, False)}
    (third,) = story.sent()
    assert third["params"] == {"_meta": {**STATELESS, "io.switchover/key": "k"}, "cursor": "more"}
    story.answers(third["id"], {"tools": [READ_ONLY], "nextCursor": "more"})
    assert [each["id"] for each in story.sent()] == [1]
    story.daemon(id=second["id"], error={"code": -32603, "message": "no list today"})
    assert errors(story.told()) == {3: (WORKER_LOST, False)}


def test_a_call_that_is_lost_again_and_again_is_not_sent_for_ever() -> None:
    story = Story().opened()
    story.asks(1, "resources/read", uri="a:1")
    for _ in range(SENDS - 1):
        story.lose()
        assert "resources/read" in methods(story.reopened())
    story.told()
    story.lose()
    assert errors(story.told()) == {1: (WORKER_LOST, False)}


def test_a_daemon_cannot_answer_a_call_it_has_not_been_sent() -> None:
    story = Story().opened()
    story.calls(1, "pay")
    story.lose()
    story.reopened()
    story.calls(2, "pay")
    story.told()
    story.lose()
    story.connect()
    story.answers(2, {"content": ["forged"]})
    story.refuses(2, NO_WORKER, retryable=True)
    assert [each for each in story.told() if "id" in each] == []


@pytest.mark.requirement("CONN-2")
def test_what_is_said_meanwhile_waits_and_follows_in_its_order_after_what_was_lost() -> None:
    story = Story().opened()
    story.asks(1, "prompts/list")
    story.lose()
    story.calls(2, "pay")
    story.tells("notifications/roots/list_changed")
    story.tells("notifications/progress", progressToken=1)
    story.calls(3, "pay")
    story.calls(4, "pay")
    story.tells("notifications/cancelled", requestId=4)
    story.sent()
    seen = story.reopened()
    assert [each.get("id", each["method"]) for each in seen[2:]] == [1, 2, "notifications/roots/list_changed", 3]
    assert methods(story.told()) == methods(LISTS)


@pytest.mark.requirement("CONN-2")
def test_a_handshake_that_was_lost_is_made_with_the_next_daemon_before_anything_else() -> None:
    story = Story()
    story.asks(0, "initialize")
    story.tells("notifications/initialized")
    story.calls(1, "pay")
    story.connect()
    assert methods(story.sent()) == ["initialize"]
    story.lose()
    story.connect()
    assert [(each["id"], each["method"]) for each in story.sent()] == [(0, "initialize")]
    story.answers(0, WELCOME)
    assert methods(story.sent()) == ["notifications/initialized", "tools/call"]
    assert [each["id"] for each in story.told() if "id" in each] == [0]


def test_a_daemon_that_refuses_the_handshake_or_the_client_is_of_no_use() -> None:
    story = Story().opened()
    story.lose()
    story.connect()
    (said,) = story.sent()
    story.daemon(id=said["id"], error={"code": NO_WORKER, "message": "no_worker: it crashes"})
    assert "it crashes" in story.conversation.refusal
    story.lose()
    story.calls(1, "pay")
    story.connect()
    assert story.conversation.refusal == ""
    story.refuses(None, OVERLOADED, retryable=True)
    assert story.conversation.refusal == "because"
    assert story.told() == []


def test_a_new_daemon_that_speaks_another_version_or_takes_no_subscription_is_told_to_people() -> None:
    story = Story().opened()
    story.asks(1, "resources/subscribe", uri="a:1")
    story.answers(1, {})
    story.lose()
    story.sent()
    story.connect()
    story.answers(story.sent()[0]["id"], {**WELCOME, "protocolVersion": "2024-11-05"})
    story.daemon(id=story.sent()[-1]["id"], error={"code": -32601, "message": "not here"})
    assert ["2024-11-05" in story.conversation.notes[0], "not here" in story.conversation.notes[1]] == [True, True]


# --- bounds -------------------------------------------------------------------------------------------


@pytest.mark.requirement("CONN-2")
def test_a_request_waits_for_a_daemon_so_long_and_no_longer() -> None:
    story = Story().opened()
    story.calls("lost", "look")
    story.lose()
    story.now += 1.0
    story.calls("unsent", "pay")
    assert story.conversation.books.next_deadline() == 100.0 + HOLD
    story.now = 100.0 + HOLD
    story.expire()
    assert errors(story.told()) == {"lost": (WORKER_LOST, False)}
    story.now += 1.0
    story.expire()
    assert errors(story.told()) == {"unsent": (NO_WORKER, True)}
    assert story.conversation.books.next_deadline() is None
    assert "tools/call" not in methods(story.reopened(READ_ONLY, OTHER))


def test_only_so_much_waits_for_a_daemon() -> None:
    story = Story()
    for number in range(WAITING):
        story.calls(number, "pay")
    story.calls("one more", "pay")
    story.tells("notifications/roots/list_changed")
    assert errors(story.told()) == {"one more": (OVERLOADED, True)}
    assert len(story.reopened()) == WAITING


def test_giving_up_answers_everything() -> None:
    story = Story()
    story.asks(0, "initialize")
    story.calls(1, "pay")
    story.conversation.give_up("there is none")
    assert errors(story.told()) == {0: (NO_WORKER, True), 1: (NO_WORKER, True)}


# --- a daemon that leaves in good order ---------------------------------------------------------------


@pytest.mark.requirement("CONN-2")
def test_a_call_a_leaving_daemon_does_not_take_goes_to_the_next_one_and_so_does_what_follows() -> None:
    story = Story().opened()
    for number in range(3):
        story.calls(number, "pay")
    story.sent()
    story.refuses(1, NO_WORKER, retryable=True)
    story.calls(3, "pay")
    story.tells("notifications/cancelled", requestId=2)
    assert methods(story.sent()) == ["notifications/cancelled"]
    story.answers(0, {})
    assert [each["id"] for each in story.told()] == [0]
    story.lose()
    assert [each["id"] for each in story.reopened() if each["method"] == "tools/call"] == [1, 3]
    story.answers(1, {})
    assert story.told()[-1] == {"id": 1, "result": {}}


def test_a_daemon_that_said_it_leaves_and_stays_is_taken_at_its_word() -> None:
    story = Story().opened()
    for number in (1, 2, 3):
        story.calls(number, "pay")
    story.refuses(1, NO_WORKER, retryable=True)
    story.refuses(2, NO_WORKER, retryable=True, generation=1)  # no worker of that generation: an answer like any other
    assert errors(story.told()) == {2: (NO_WORKER, True)}
    story.now += HOLD / 2
    story.refuses(3, NO_WORKER, retryable=True)
    story.calls(4, "pay")
    story.sent()
    story.now += HOLD / 2
    story.expire()
    assert errors(story.told()) == {1: (NO_WORKER, True)}
    assert [each["id"] for each in story.sent()] == [3, 4]


@pytest.mark.requirement("CONN-2")
def test_a_call_that_did_not_reach_the_daemon_whole_is_sent_again_whatever_it_does() -> None:
    story = Story().opened()
    story.calls(1, "pay")
    story.calls(2, "pay")
    story.sent()
    story.conversation.unsent([story.last_line], story.now)
    story.calls(3, "pay")
    assert story.sent() == []
    story.lose()
    seen = story.reopened(OTHER)
    assert [each["id"] for each in seen if each["method"] == "tools/call"] == [2, 3]
    assert errors(story.told()) == {1: (WORKER_LOST, False)}


def test_a_question_for_tools_that_a_leaving_daemon_does_not_take_is_put_to_the_next_one() -> None:
    story = Story().opened()
    story.calls(1, "look")
    story.lose()
    story.connect()
    story.answers(story.sent()[0]["id"], WELCOME)
    story.refuses(story.sent()[-1]["id"], NO_WORKER, retryable=True)
    story.lose()
    assert [each["id"] for each in story.reopened(READ_ONLY) if each["method"] == "tools/call"] == [1]
