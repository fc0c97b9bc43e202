"""What a caller relies on: its own ids and tokens back, cancellation, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import async_worker, bad_worker, eventually

DEADLINE_EXCEEDED = -31012

IDS = [
    0,
    1,
    "1",
    -7,
    "",
    "0",
    2**31,
    2**53 + 1,
    2**63,
    -(2**63),
    10**40,
    "a b",
    'quo"te',
    "back\\slash",
    "ü",
    "\u2028",
    "1.0",
]
TOKENS = [0, 1, "1", 2**53 + 1, 10**40, "", "a/b", "ü"]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningDaemon]:
    """One daemon for all tests that leave no trace in it."""
    with RunningDaemon.start(async_worker()) as daemon:
        yield daemon


@pytest.mark.requirement("PROXY-1")
async def test_every_id_comes_back_with_its_own_answer_and_its_exact_type(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client:
        calls = [client.begin("sleep", {"ms": 30, "value": number}, call_id=id_) for number, id_ in enumerate(IDS)]
        answers = [await client.answer(call) for call in calls]
    assert [told(answer)["value"] for answer in answers] == list(range(len(IDS)))
    assert [(type(answer["id"]), answer["id"]) for answer in answers] == [(type(id_), id_) for id_ in IDS]
    assert not client.stray


@pytest.mark.requirement("PROXY-1")
async def test_clients_that_use_the_same_ids_get_their_own_answers(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as one, connected(shared.tools_socket) as other:
        pairs = [
            (client.begin("sleep", {"ms": 5, "value": f"{name}{number}"}, call_id=number), f"{name}{number}")
            for number in range(50)
            for name, client in (("one", one), ("other", other))
        ]
        assert [told(await one.answer(call))["value"] for call, _ in pairs] == [value for _, value in pairs]
    assert not one.stray
    assert not other.stray


@pytest.mark.requirement("PROXY-1")
@pytest.mark.parametrize("token", TOKENS, ids=repr)
async def test_progress_tokens_come_back_with_their_exact_type(shared: RunningDaemon, token: Any) -> None:
    async with connected(shared.tools_socket) as client:
        answer = await client.call("progress", {"steps": 3}, meta={"progressToken": token, "other": {"kept": True}})
    tokens = [heard["params"]["progressToken"] for heard in client.notifications]
    assert [(type(each), each) for each in tokens] == [(type(token), token)] * 3
    assert [heard["params"]["progress"] for heard in client.notifications] == [0, 1, 2]
    assert "result" in answer


@pytest.mark.requirement("PROXY-1")
async def test_clients_that_use_the_same_progress_token_hear_only_of_their_own_call(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as one, connected(shared.tools_socket) as other:
        first = one.begin("progress", {"steps": 2}, meta={"progressToken": 1})
        second = other.begin("progress", {"steps": 5}, meta={"progressToken": 1})
        seen = {told(await one.answer(first))["token"], told(await other.answer(second))["token"]}
    assert len(seen) == 2
    assert [heard["params"]["total"] for heard in one.notifications] == [2] * 2
    assert [heard["params"]["total"] for heard in other.notifications] == [5] * 5


@pytest.mark.requirement("PROXY-1")
async def test_parameters_reach_the_worker_as_they_were_sent(shared: RunningDaemon) -> None:
    arguments = {
        "ü": "\u2028\0",
        "big": 10**30,
        "float": 1e-300,
        "null": None,
        "nested": [[{}], {"a": []}],
        "": "😀",
    }
    async with connected(shared.tools_socket) as client:
        content = told(await client.call("echo", arguments, meta={"progressToken": "t", "vendor/key": [1]}))
    assert {name: content[name] for name in arguments} == arguments
    assert content["_meta"]["vendor/key"] == [1]


@pytest.mark.requirement("PROXY-7")
async def test_a_cancellation_reaches_the_worker_and_the_call_is_never_answered(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client:
        before = len(told(await client.call("cancelled", {"count": 0}))["reasons"])
        begun = told(await client.call("started", {"name": "hang", "count": 0}))["count"]
        client.begin("hang", call_id="x")
        await client.call("started", {"name": "hang", "count": begun + 1})
        client.notify("notifications/cancelled", {"requestId": "x", "reason": "had enough"})
        reasons = told(await client.call("cancelled", {"count": before + 1}))["reasons"]
        assert reasons[before:] == ["had enough"]
        assert told(await client.call("echo", {"again": True}, call_id="x"))["again"]
    assert not client.stray


@pytest.mark.requirement("PROXY-7")
async def test_a_cancellation_touches_no_call_of_another_session_type_or_id(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as one, connected(shared.tools_socket) as other:
        calls = [one.begin("sleep", {"ms": 300}, call_id=1), other.begin("sleep", {"ms": 300}, call_id="1")]
        for bad in ({"requestId": "1"}, {"requestId": 2}, {}, {"requestId": None}, {"requestId": [1]}):
            one.notify("notifications/cancelled", bad)
        one.write(b'{"jsonrpc":"2.0","method":"notifications/cancelled"}\n')
        one.write(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":[1]}\n')
        answers = [await one.answer(call) for call in calls]
        assert all("result" in answer for answer in answers)
    assert not one.stray


@pytest.mark.requirement("PROXY-7")
async def test_what_a_client_leaves_behind_is_cancelled_at_the_worker(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as stays:
        before = len(told(await stays.call("cancelled", {"count": 0}))["reasons"])
        begun = told(await stays.call("started", {"name": "hang", "count": 0}))["count"]
        async with connected(shared.tools_socket) as leaves:
            leaves.begin("hang")
            leaves.begin("hang")
            await stays.call("started", {"name": "hang", "count": begun + 2})
            await leaves.hang_up()
        reasons = told(await stays.call("cancelled", {"count": before + 2}))["reasons"]
    assert reasons[before:] == ["the client disconnected"] * 2
    await eventually(lambda: shared.status()["in_flight"] == 0)


@pytest.mark.requirement("PROXY-4", "PROXY-7", "SUP-4")
async def test_each_call_past_its_own_deadline_is_answered_and_its_worker_told_and_kept() -> None:
    deadline = "[limits]\ncall_timeout = {}\n"
    with RunningDaemon.start(async_worker(), config=deadline.format(60)) as daemon:
        async with connected(daemon.tools_socket) as client:
            pid = told(await client.call("echo"))["pid"]
            daemon.reload(deadline.format(0.5))
            answered: list[int] = []
            calls = []
            for number in range(4):
                calls.append(client.begin("hang", call_id=f"late {number}"))
                calls[-1].add_done_callback(lambda _, number=number: answered.append(number))
                await asyncio.sleep(0.1)
            for number, call in enumerate(calls):
                answer = await client.answer(call)
                assert answer["id"] == f"late {number}"
                assert answer["error"]["code"] == DEADLINE_EXCEEDED
                data = answer["error"]["data"]
                assert (data["retryable"], data["generation"]) == (False, 1)
                assert "0.5 s" in data["reason"]
            assert answered == [0, 1, 2, 3]
            daemon.reload(deadline.format(60))
            assert told(await client.call("cancelled", {"count": 4}))["reasons"] == ["deadline exceeded"] * 4
            assert told(await client.call("echo"))["pid"] == pid
        assert not client.stray
        (generation,) = daemon.status()["generations"]
        assert (generation["expired"], generation["restarts"]) == (4, 0)


@pytest.mark.requirement("PROXY-4", "SUP-5")
async def test_a_call_that_waits_for_a_worker_in_vain_is_answered_at_its_deadline() -> None:
    config = "[limits]\ncall_timeout = 0.5\n[worker]\nstart_timeout = 60\n"
    with RunningDaemon.start(bad_worker("never-ready"), config=config, ready=False) as daemon:
        await eventually(daemon.tools_socket.exists)
        async with connected(daemon.tools_socket) as client:
            answer = await client.call("echo")
        assert answer["error"]["code"] == DEADLINE_EXCEEDED
        assert answer["error"]["data"]["retryable"] is True
