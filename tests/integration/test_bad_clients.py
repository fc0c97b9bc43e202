"""Clients that misbehave: each costs itself a clear error and nobody else anything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, Message, connected, many, told
from waiting import async_worker, bad_worker, eventually

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
OVERLOADED, DEADLINE_EXCEEDED = -31013, -31012
MIB = 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningDaemon]:
    """One daemon for all clients that must not be able to harm it."""
    with RunningDaemon.start(async_worker(), config="[limits]\ncalls_per_session = 20\n") as daemon:
        worker = daemon.status()["generations"][0]["pid"]
        yield daemon
        status = daemon.status()
        assert (status["generations"][0]["pid"], status["generations"][0]["restarts"]) == (worker, 0)
        assert (status["sessions"], status["in_flight"]) == (0, 0)
        assert not [line for line in daemon.log() if "exception" in line]


def echo(call_id: str, arguments: str = "{}") -> bytes:
    """Return the line of a call of `echo`; the id and the arguments are JSON text."""
    return b"%b\n" % (
        f'{{"jsonrpc":"2.0","id":{call_id},"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}'
    ).encode("utf-8", "surrogateescape")


BAD_LINES: list[tuple[str, bytes, Any, int, str]] = [
    # name, line, id of the answer, code, part of the message
    ("no JSON", b"hello\n", None, PARSE_ERROR, "not JSON"),
    ("half JSON", b'{"jsonrpc":"2.0","id":1,"method"\n', 1, PARSE_ERROR, "not JSON"),
    ("two messages on a line", b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}\n', 1, PARSE_ERROR, "not JSON"),
    ("a byte order mark", b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}\n', None, PARSE_ERROR, "not JSON"),
    ("a bare newline in text", b'{"jsonrpc":"2.0","id":1,"method":"a\n', 1, PARSE_ERROR, "not JSON"),
    ("NaN", echo("1", '{"x":NaN}'), 1, PARSE_ERROR, "not JSON"),
    ("a control character", echo("1", '{"x":"\x01"}'), 1, PARSE_ERROR, "not JSON"),
    ("text that is not UTF-8", echo("1", '{"x":"\udcff"}'), 1, PARSE_ERROR, "UTF-8"),
    ("an id that is not UTF-8", echo('"\udcff"'), None, PARSE_ERROR, "UTF-8"),
    ("an overlong encoding", echo("1", '{"x":"\udcc0\udcaf"}'), 1, PARSE_ERROR, "UTF-8"),
    ("100,000 brackets in brackets", echo("1", "[" * 100_000 + "]" * 100_000), 1, PARSE_ERROR, "nested"),
    ("100,000 open brackets", b"[" * 100_000 + b"\n", None, INVALID_REQUEST, "batches are not supported"),
    ("100,000 objects in objects", b'{"a":' * 100_000 + b"\n", None, PARSE_ERROR, "nested"),
    ("a number", b"42\n", None, INVALID_REQUEST, "not a JSON-RPC message"),
    ("text", b'"ping"\n', None, INVALID_REQUEST, "not a JSON-RPC message"),
    ("null", b"null\n", None, INVALID_REQUEST, "not a JSON-RPC message"),
    ("a batch", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', None, INVALID_REQUEST, "batches are not supported"),
    ("an empty batch", b"[]\n", None, INVALID_REQUEST, "batches are not supported"),
    ("nothing but braces", b"{}\n", None, INVALID_REQUEST, "no method"),
    ("an id but no method", b'{"jsonrpc":"2.0","id":"lonely"}\n', "lonely", INVALID_REQUEST, "no method"),
    ("a method that is no text", b'{"jsonrpc":"2.0","id":1,"method":7}\n', 1, INVALID_REQUEST, "method"),
    ("an id that is null", echo("null"), None, INVALID_REQUEST, "string or a number"),
    ("an id that is an object", echo('{"a":1}'), None, INVALID_REQUEST, "string or a number"),
    ("an id that is a list", echo("[1]"), None, INVALID_REQUEST, "string or a number"),
    ("an id that is true", echo("true"), None, INVALID_REQUEST, "string or a number"),
]


@pytest.mark.requirement("PROXY-6")
@pytest.mark.parametrize(("line", "call_id", "code", "part"), [case[1:] for case in BAD_LINES],
                         ids=[case[0] for case in BAD_LINES])  # fmt: skip
async def test_a_bad_line_is_answered_with_what_is_wrong_and_the_session_goes_on(
    shared: RunningDaemon, line: bytes, call_id: Any, code: int, part: str
) -> None:
    async with connected(shared.tools_socket) as client:
        client.write(line)
        (answer, *more) = await client.strays(1)
        assert "result" in await client.call("echo")
        assert (answer["id"], answer["error"]["code"]) == (call_id, code)
        assert part in answer["error"]["message"]
        assert not more


@pytest.mark.requirement("PROXY-6")
@pytest.mark.parametrize("text", ["\\ud83d", "cut \\ud83d short", "\\ude00"])
async def test_text_cut_in_the_middle_of_a_character_is_answered_under_its_own_id(
    shared: RunningDaemon, text: str
) -> None:
    async with connected(shared.tools_socket) as client:
        call = client.expect(7)
        client.write(echo("7", f'{{"x":"{text}"}}'))
        answer = await client.answer(call)
        assert "result" in answer or answer["error"]["code"] == PARSE_ERROR
    assert not client.stray


@pytest.mark.requirement("PROXY-6")
async def test_blank_lines_and_answers_to_nothing_are_passed_over(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client:
        client.write(b'\n\r\n\n{"jsonrpc":"2.0","id":9,"result":{}}\n{"jsonrpc":"2.0","id":9,"error":{}}\n')
        assert "result" in await client.call("echo")
        strays = [stray["error"]["code"] for stray in client.stray]
    assert strays in ([], [PARSE_ERROR])  # a lone carriage return may be blank or nonsense


@pytest.mark.requirement("PROXY-1", "PROXY-6")
@pytest.mark.parametrize(
    "line",
    [
        '{"id":%s,"params":{"arguments":{"v":1},"name":"echo"},"method":"tools/call","jsonrpc":"2.0"}',
        ' \t{ "jsonrpc" : "2.0" ,"id" : %s , "method" : "tools/call","params" : {"name":"echo","arguments":{"v":1}}}\r',
        '{"jsonrpc":"2.0","id":%s,"m\\u0065thod":"tools\\/call","params":{"n\\u0061me":"ec\\u0068o","arguments":{"v":1}}}',
        '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"v":1}},"id":%s}',
        '{"jsonrpc":"2.0","id":%s,"method":"tools/call","x":{"id":7},"params":{"name":"echo","arguments":{"v":1,"id":7}}}',
        '{"id":8,"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"v":1}},"id":%s}',
    ],
)
@pytest.mark.parametrize("call_id", ["5", '"5"', "1.5", "-0", "1e2", '"\\u0061,\\"id\\":3"', "9" * 3000])
async def test_any_way_of_writing_a_request_is_understood(shared: RunningDaemon, line: str, call_id: str) -> None:
    async with connected(shared.tools_socket) as client:
        call = client.expect(json.loads(call_id))
        client.write((line % call_id).encode() + b"\n")
        answer = await client.answer(call)
    assert told(answer)["v"] == 1
    assert not client.stray


@pytest.mark.requirement("PROXY-1", "PROXY-6")
@pytest.mark.parametrize("second", ['"id"', '"\\u0069d"', '"i\\u0064"', '"\\u0069\\u0064"'])
async def test_a_request_with_two_ids_cannot_answer_the_call_of_another_client(
    shared: RunningDaemon, second: str
) -> None:
    async with connected(shared.tools_socket) as victim, connected(shared.tools_socket) as forger:
        number = told(await forger.call("progress", {"steps": 0}, meta={"progressToken": "t"}))["token"]
        call = victim.begin("sleep", {"ms": 200, "value": "mine"})
        assert "result" in await victim.call("echo")
        own = forger.expect(number + 1)
        forger.write(echo(str(number + 1), '{"forged":true}').replace(b"}\n", f",{second}:{number + 1}}}\n".encode()))
        assert told(await victim.answer(call)).get("value") == "mine"
        assert told(await forger.answer(own))["forged"] is True
    assert not victim.stray


@pytest.mark.requirement("PROXY-1", "PROXY-6")
@pytest.mark.parametrize("odd", [{"io.switchover/key": 7}, {"io.switchover/key": None}])
async def test_an_odd_key_does_not_cost_a_progress_token_its_session(shared: RunningDaemon, odd: Message) -> None:
    async with connected(shared.tools_socket) as client:
        answer = await client.call("progress", {"steps": 2}, meta={"progressToken": "mine", **odd})
    if "result" in answer:
        assert [heard["params"]["progressToken"] for heard in client.notifications] == ["mine"] * 2
    else:
        assert answer["error"]["code"] == -32602


@pytest.mark.requirement("PROXY-6")
async def test_an_id_used_twice_is_refused_and_the_first_call_is_answered(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client:
        call = client.begin("sleep", {"ms": 100, "value": "first"}, call_id="same")
        client.write(echo('"same"'))
        (refused,) = await client.strays(1)
        assert (refused["id"], refused["error"]["code"]) == (None, INVALID_REQUEST)
        assert '"same"' in refused["error"]["message"]
        assert told(await client.answer(call))["value"] == "first"
        assert "result" in await client.call("echo", call_id="same")
    assert len(client.stray) == 1


@pytest.mark.requirement("PROXY-5", "PROXY-6")
async def test_a_line_of_20_mb_is_refused_and_the_next_one_is_served(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client, connected(shared.tools_socket) as other:
        call, last = client.expect(1), client.expect("last")
        client.write(echo("1", json.dumps({"x": "y" * (20 * MIB)})))
        params = json.dumps({"name": "echo", "arguments": {"x": "y" * (20 * MIB)}})
        client.write(f'{{"method":"tools/call","params":{params},"jsonrpc":"2.0","id":"last"}}\n'.encode())
        await client.drain()
        assert "result" in await other.call("echo")
        refused = await client.answer(call)
        assert (await client.answer(last))["error"] == refused["error"]
        assert refused["error"]["code"] == INVALID_REQUEST
        assert str(16 * MIB) in refused["error"]["message"]
        assert "limits.line_bytes" in refused["error"]["message"]
        assert "result" in await client.call("echo")


@pytest.mark.requirement("PROXY-5")
async def test_a_line_of_exactly_the_limit_is_served_and_one_byte_more_is_not(shared: RunningDaemon) -> None:
    frame = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                        "params": {"name": "sleep", "arguments": {"ms": 0, "text": "%s"}}})  # fmt: skip
    room = 16 * MIB - len(frame) + 2
    async with connected(shared.tools_socket) as client:
        call = client.expect(1)
        client.write(b"%b\n" % (frame % ("y" * room)).encode())
        assert "result" in await client.answer(call)
        client.write(b"%b\n" % (frame % ("y" * (room + 1))).encode())
        assert (await client.strays(1))[0]["error"]["code"] == INVALID_REQUEST


@pytest.mark.requirement("PROXY-6", "PROXY-7")
@pytest.mark.parametrize("half", [False, True])
async def test_a_client_that_ends_its_side_is_hung_up_on_and_its_calls_are_cancelled(
    shared: RunningDaemon, *, half: bool
) -> None:
    async with connected(shared.tools_socket) as other:
        before = len(told(await other.call("cancelled", {"count": 0}))["reasons"])
        async with connected(shared.tools_socket) as client:
            client.begin("hang")
            begun = told(await other.call("started", {"name": "hang", "count": 1}))["count"]
            if half:
                client.write(echo("7")[:30])
            client.write_eof()
            async with asyncio.timeout(60):
                await client.ended.wait()
        assert len(told(await other.call("cancelled", {"count": before + 1}))["reasons"]) == before + 1
        assert begun >= 1
    assert not client.stray


@pytest.mark.requirement("PROXY-5")
async def test_calls_over_a_sessions_limit_are_refused_each_by_its_id(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as greedy, connected(shared.tools_socket) as other:
        calls = [greedy.begin("sleep", {"ms": 300}, call_id=f"call {number}") for number in range(25)]
        assert "result" in await other.call("echo")
        answers = [await greedy.answer(call) for call in calls]
        assert all("result" in answer for answer in answers[:20])
        for number, answer in enumerate(answers[20:], 20):
            assert (answer["id"], answer["error"]["code"]) == (f"call {number}", OVERLOADED)
            assert answer["error"]["data"]["retryable"] is True
            assert "limits.calls_per_session" in answer["error"]["data"]["reason"]
        assert "result" in await greedy.call("echo")


@pytest.mark.requirement("PROXY-5")
async def test_clients_over_the_limit_are_told_so_and_hung_up_on() -> None:
    with RunningDaemon.start(async_worker(), config="[limits]\nsessions = 2\n") as daemon:
        async with connected(daemon.tools_socket) as one, connected(daemon.tools_socket) as other:
            assert "result" in await one.call("echo")
            assert "result" in await other.call("echo")
            async with connected(daemon.tools_socket) as third:
                (refused,) = await third.strays(1)
                assert refused["error"]["code"] == OVERLOADED
                assert refused["error"]["data"]["retryable"] is True
                assert "limits.sessions" in refused["error"]["data"]["reason"]
                async with asyncio.timeout(60):
                    await third.ended.wait()
            await other.hang_up()
            await eventually(lambda: daemon.status()["sessions"] == 1)
            async with connected(daemon.tools_socket) as again:
                assert "result" in await again.call("echo")
                assert "result" in await one.call("echo")


@pytest.mark.requirement("PROXY-5")
async def test_a_client_that_never_reads_is_disconnected_at_its_limit_and_the_others_notice_nothing() -> None:
    config = f"[limits]\nline_bytes = {MIB}\nclient_backlog_bytes = {3 * MIB}\n"
    with RunningDaemon.start(async_worker(), config=config) as daemon:
        async with connected(daemon.tools_socket) as other:
            assert "result" in await other.call("echo")
            memory = daemon.status()["memory_bytes"]
            reader, writer = await asyncio.open_unix_connection(str(daemon.tools_socket), limit=1)
            for number in range(200):
                writer.write(_large(number, 100_000))
            gone = await _while(other, eventually(lambda: daemon.log("client disconnected: it does not read")))
            assert gone[0]["unread"] > 3 * MIB
            await eventually(lambda: (daemon.status()["sessions"], daemon.status()["in_flight"]) == (1, 0))
            assert len(daemon.log("client disconnected: it does not read")) == 1
            assert daemon.status()["memory_bytes"] < memory + 40 * MIB
            writer.close()
            assert reader is not None


@pytest.mark.requirement("PROXY-5")
async def test_a_client_that_reads_late_gets_everything_and_is_not_read_from_meanwhile() -> None:
    with RunningDaemon.start(async_worker()) as daemon:
        reader, writer = await asyncio.open_unix_connection(str(daemon.tools_socket), limit=1 << 20)
        reader._transport.pause_reading()
        for number in range(2000):
            writer.write(_large(number, 20_000))
        async with connected(daemon.tools_socket) as other:
            await eventually(
                lambda: daemon.status()["in_flight"] == 0 and daemon.status()["generations"][0]["calls"] > 40
            )
            assert "result" in await other.call("echo")
            assert daemon.status()["generations"][0]["calls"] < 2000
        reader._transport.resume_reading()
        async with asyncio.timeout(60):
            seen = [json.loads(await reader.readline())["id"] for _ in range(2000)]
        writer.close()
        assert sorted(seen) == list(range(2000))


def _large(number: int, size: int) -> bytes:
    params = {"name": "large", "arguments": {"bytes": size}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


async def _while(other: JsonRpcClient, waiting: Any) -> Any:
    """Wait for something while another client calls and calls."""
    task = asyncio.ensure_future(waiting)
    while not task.done():
        assert "result" in await other.call("echo")
    return await task


@pytest.mark.requirement("PROXY-5", "SUP-4")
async def test_a_worker_that_does_not_read_pauses_its_callers_and_nobody_else() -> None:
    config = f"[limits]\nworker_backlog_bytes = {MIB}\ncall_timeout = 60\n"
    with RunningDaemon.start(bad_worker("deaf"), config=config) as daemon:
        daemon.verb("canary", command=async_worker())
        daemon.verb("weight", weight=50)
        async with many(daemon.tools_socket, 2) as (stuck, other):
            lanes = {}
            for number in range(40):
                key = f"k{number}"
                lanes[told(await other.call("echo", meta={"io.switchover/key": key}))["generation"]] = key
            deaf, good = {"io.switchover/key": lanes[1]}, {"io.switchover/key": lanes[2]}
            await stuck.call("echo", {"deaf": True}, meta=deaf)
            memory = daemon.status()["memory_bytes"]
            calls = [stuck.begin("echo", {"text": "x" * (MIB // 2)}, meta=deaf) for _ in range(100)]
            await eventually(lambda: daemon.status()["generations"][0]["in_flight"] >= 2)
            for _ in range(50):
                assert told(await other.call("echo", meta=good))["generation"] == 2
            status = daemon.status()
            assert status["generations"][0]["in_flight"] < 20
            assert status["memory_bytes"] < memory + 40 * MIB
            os.kill(status["generations"][0]["pid"], signal.SIGUSR1)  # it reads on
            answers = [await stuck.answer(call) for call in calls]
        assert {told(answer)["generation"] for answer in answers} == {1}


@pytest.mark.requirement("PROXY-5")
async def test_notifications_cannot_pile_up_before_a_worker_that_does_not_read() -> None:
    config = f"[worker.stop_grace]\nclose_stdin = 0.1\n[limits]\nworker_backlog_bytes = {MIB}\n"
    with RunningDaemon.start(bad_worker("deaf"), config=config) as daemon:
        async with connected(daemon.tools_socket) as client:
            await client.call("echo", {"deaf": True})
            memory = daemon.status()["memory_bytes"]
            line = json.dumps({"jsonrpc": "2.0", "method": "notifications/any", "params": {"x": "y" * 60_000}})
            client.write(b"%b\n" % line.encode() * 2000)
            with pytest.raises(TimeoutError):  # the daemon does not take it all
                async with asyncio.timeout(0.8):
                    await client.drain()
            assert daemon.status()["memory_bytes"] < memory + 40 * MIB


@pytest.mark.requirement("PROXY-4")
async def test_a_shorter_deadline_taken_over_meanwhile_holds_for_new_calls_at_once() -> None:
    with RunningDaemon.start(async_worker(), config="[limits]\ncall_timeout = 40\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            client.begin("hang")
            await client.call("started", {"name": "hang", "count": 1})
            daemon.write_config("[limits]\ncall_timeout = 0.2\n")
            daemon.verb("reload")
            assert (await client.call("hang"))["error"]["code"] == DEADLINE_EXCEEDED
