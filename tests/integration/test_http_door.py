"""MCP over HTTP through a running daemon: official clients in both eras, switches under load, and hostile clients."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from http_client import HttpClient, client
from http_peer import INITIALIZE
from mcp.client.client import Client
from mcp.types import CreateMessageResult, TextContent
from waiting import WORKERS, async_worker, bad_worker, eventually

LOCAL = ("--http", "127.0.0.1:0")
TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's
HASTY = (
    "[http]\nheader_timeout = 0.4\nbody_timeout = 0.4\nbody_bytes = 100000\n[limits]\nclient_backlog_bytes = 16777216\n"
)
FLOOD = 4 << 20
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def url_of(daemon: RunningDaemon) -> str:
    """Return where the newest life of a daemon serves MCP."""
    lines = daemon.log("http door open")
    return str(lines[-1]["url"])


async def reached(daemon: RunningDaemon) -> str:
    """Wait for the line that says where it serves; the log is written a little later."""
    await eventually(lambda: daemon.log("http door open"))
    return url_of(daemon)


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningDaemon]:
    """One daemon for all clients that must not be able to harm it."""
    with RunningDaemon.start(async_worker(), config=HASTY, options=LOCAL) as daemon:
        worker = daemon.status()["generations"][0]["pid"]
        yield daemon
        status = daemon.status()
        assert (status["generations"][0]["pid"], status["generations"][0]["restarts"]) == (worker, 0)
        assert (status["sessions"], status["in_flight"]) == (0, 0)
        assert not [line for line in daemon.log() if "exception" in line]


@asynccontextmanager
async def session(daemon: RunningDaemon) -> AsyncIterator[HttpClient]:
    """Open a session with a daemon."""
    async with client(await reached(daemon)) as speaker:
        yield speaker


@pytest.fixture(scope="module")
def twice() -> Iterator[RunningDaemon]:
    """One daemon with two generations of the reference worker."""
    worker = [sys.executable, "-m", "workers.reference"]
    with RunningDaemon.start(worker, options=LOCAL) as daemon:
        daemon.verb("canary", command=worker, cwd=str(Path.cwd()))
        yield daemon


# --- real clients ---------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-1", "HTTP-5")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_the_official_client_is_served_in_both_eras_across_a_switch(twice: RunningDaemon, mode: str) -> None:
    async with asyncio.timeout(60), Client(await reached(twice), mode=mode) as speaker:
        names = {tool.name for tool in (await speaker.list_tools()).tools}
        assert "plan_next" in names
        for there in ("switch", "switch-back") * 3:
            assert not (await speaker.call_tool("health", {})).is_error
            await asyncio.to_thread(twice.verb, there)


@pytest.mark.requirement("HTTP-1")
async def test_the_official_client_hears_of_progress(shared: RunningDaemon) -> None:
    heard: list[float] = []

    async def note(progress: float, _total: float | None, _message: str | None) -> None:
        heard.append(progress)

    async with asyncio.timeout(60), Client(await reached(shared), mode="legacy") as speaker:
        await speaker.call_tool("progress", {"steps": 3}, progress_callback=note)
    assert heard == [0, 1, 2]


@pytest.mark.requirement("HTTP-1")
async def test_a_worker_of_ones_own_asks_the_official_client_in_mid_call() -> None:
    async def sample(_context: Any, _params: Any) -> CreateMessageResult:
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="yes"), model="m")

    worker = [sys.executable, "-S", str(WORKERS / "asking_worker.py")]
    with RunningDaemon.start(worker, config='[worker]\nisolation = "session"\n', options=LOCAL) as daemon:
        url = await reached(daemon)
        async with asyncio.timeout(60), Client(url, mode="legacy", sampling_callback=sample) as speaker:
            result = await speaker.call_tool("ask", {})
    assert "yes" in result.model_dump_json()


# --- traffic that moves ---------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-1")
async def test_nothing_is_lost_while_64_callers_call_and_traffic_moves() -> None:
    with RunningDaemon.start(async_worker("1"), options=LOCAL) as daemon:
        async with session(daemon) as speaker:
            await asyncio.to_thread(daemon.verb, "canary", command=async_worker("2"), cwd=str(Path.cwd()))
            moving = True
            answers: list[tuple[int, int, str]] = []

            async def calls(caller: int) -> None:
                number = 0
                while moving:
                    told = await speaker.call("sleep", {"ms": 20, "value": [caller, number]})
                    assert told["value"] == [caller, number]
                    answers.append((caller, number, told["version"]))
                    number += 1

            callers = [asyncio.ensure_future(calls(caller)) for caller in range(64)]
            for _ in range(10):
                await asyncio.to_thread(daemon.verb, "switch")
                await asyncio.to_thread(daemon.verb, "switch-back")
            moving = False
            await asyncio.gather(*callers)
        assert len(answers) == len(set(answers))
        assert {version for _, _, version in answers} == {"1", "2"}


@pytest.mark.requirement("HTTP-1")
async def test_listeners_hear_that_a_switch_changed_the_tools(tmp_path: Path) -> None:
    successor = tmp_path / "successor.py"
    text = (WORKERS / "async_worker.py").read_text()
    successor.write_text(text.replace('"echo": echo,', '"echo": echo, "echo_again": echo,'))
    with RunningDaemon.start(async_worker(), options=LOCAL) as daemon:
        async with session(daemon) as speaker:
            listening = await speaker.begin("GET")
            await listening.until(lambda response: response.status == 200)
            await asyncio.to_thread(daemon.verb, "canary", command=[sys.executable, str(successor)], cwd=str(tmp_path))
            await asyncio.to_thread(daemon.verb, "switch")
            heard = await listening.messages(1)
            assert heard.messages[0]["method"] == "notifications/tools/list_changed"


@pytest.mark.requirement("HTTP-2")
async def test_a_stream_lost_in_mid_call_is_resumed_after_a_switch_with_its_answer() -> None:
    with RunningDaemon.start(async_worker(), options=LOCAL) as daemon:
        async with session(daemon) as speaker:
            await asyncio.to_thread(daemon.verb, "canary", command=async_worker("2"), cwd=str(Path.cwd()))
            lost = await speaker.begin("POST", speaker.message("sleep", {"ms": 1500, "value": "kept"}))
            primed = await lost.until(lambda response: bool(response.events))
            lost.close()
            await asyncio.to_thread(daemon.verb, "switch")
            again = await speaker.request("GET", last_event_id=primed.events[0]["id"])
            assert again.messages[-1]["result"]["structuredContent"]["value"] == "kept"
            assert again.messages[-1]["result"]["structuredContent"]["version"] == "1"


@pytest.mark.requirement("HTTP-5")
async def test_closing_a_stateless_request_cancels_it_and_a_handshake_request_goes_on() -> None:
    worker = [sys.executable, "-S", str(WORKERS / "stateless_worker.py"), "who"]
    with RunningDaemon.start(worker, options=LOCAL) as daemon:
        async with client(await reached(daemon), None) as speaker:
            listening = await speaker.begin_stateless("subscriptions/listen", notifications={"toolsListChanged": True})
            heard = await listening.messages(1)
            assert heard.messages[0]["method"] == "notifications/subscriptions/acknowledged"
            assert await listeners(speaker) == 1
            listening.close()
            async with asyncio.timeout(60):
                while await listeners(speaker):  # noqa: ASYNC110 - the worker sets no event
                    await asyncio.sleep(0.02)
    with RunningDaemon.start(async_worker(), options=LOCAL) as daemon:
        async with session(daemon) as speaker:
            left = await speaker.begin("POST", speaker.message("append", {"file": str(daemon.home / "f"), "value": 1}))
            left.close()
            await eventually((daemon.home / "f").exists)
            assert (await speaker.call("cancelled", {"count": 0}))["reasons"] == []


async def listeners(speaker: HttpClient) -> int:
    """Ask the stateless worker how many listeners it has."""
    asking = await speaker.begin_stateless("tools/call", name="who", arguments={})
    answer = await asking.whole()
    asking.close()
    return int(answer.json["result"]["structuredContent"]["listeners"])


# --- hostile clients ------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize(
    ("status", "method", "message", "headers"),
    [
        (400, "POST", b"{", {}),
        (400, "POST", [PING], {}),
        (400, "POST", PING, {"mcp_session_id": None}),
        (400, "POST", PING, {"mcp_protocol_version": "1999-01-01"}),
        (400, "GET", None, {"last_event_id": "999-999"}),
        (403, "POST", PING, {"origin": "http://evil.example"}),
        (404, "POST", PING, {"mcp_session_id": "unknown"}),
        (404, "DELETE", None, {"mcp_session_id": "unknown"}),
        (405, "PUT", PING, {}),
        (405, "GET", None, {"mcp_protocol_version": "2026-07-28"}),
        (406, "POST", PING, {"accept": "application/json"}),
        (406, "GET", None, {"accept": "application/json"}),
        (413, "POST", b"x" * 100_001, {}),
        (415, "POST", PING, {"content_type": "text/plain"}),
        (421, "POST", PING, {"host": "evil.example"}),
    ],
)
async def test_every_mistake_has_its_status_and_the_session_lives_on(
    shared: RunningDaemon, status: int, method: str, message: Any, headers: dict[str, str | None]
) -> None:
    async with session(shared) as speaker:
        answer = await speaker.request(method, message, **headers)
        assert answer.status == status
        assert answer.json["error"]["message"]
        assert "id" not in answer.json or answer.json["id"] == 1
        assert (await speaker.call("echo", {"again": True}))["again"]


@pytest.mark.requirement("HTTP-3")
async def test_slow_senders_are_cut_off_with_the_reason_and_others_served_meanwhile(shared: RunningDaemon) -> None:
    async with session(shared) as speaker:
        silent, head, body = [await speaker.connect() for _ in range(3)]
        await head.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        await body.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        assert (await speaker.call("echo", {"meanwhile": 1}))["meanwhile"] == 1
        for slow in (silent, head, body):
            await slow.end()
            assert slow.responses[-1].status == 408


@pytest.mark.requirement("HTTP-3")
async def test_a_client_that_does_not_read_its_stream_is_cut_off_and_the_daemon_does_not_grow() -> None:
    with RunningDaemon.start(async_worker(), config=HASTY, options=LOCAL) as daemon:
        async with session(daemon) as speaker:
            meta = {"progressToken": "t"}
            deaf = [
                await speaker.begin("POST", speaker.message("large", {"bytes": FLOOD}, meta), mcp_protocol_version=None)
                for _ in range(6)
            ]
            stuck = await speaker.begin("POST", speaker.message("progress", {"steps": 300_000}, meta))
            stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's sockets have it
            await eventually(lambda: daemon.log("client disconnected: it does not read"))
            assert (await speaker.call("echo", {"fine": 1}))["fine"] == 1
            for exchange in (*deaf, stuck):
                exchange.close()


@pytest.mark.requirement("HTTP-3")
async def test_garbage_on_many_connections_disturbs_nobody(shared: RunningDaemon) -> None:
    async with session(shared) as speaker:
        garbage = [
            b"\0" * 5000,
            b"\x16\x03\x01\x02\x00\x01",
            b"GET\r\n\r\n",
            b"POST /mcp HTTP/9.9\r\n\r\n",
            b"\r\n" * 9,
        ]
        exchanges = [await speaker.connect() for _ in range(50)]
        for number, exchange in enumerate(exchanges):
            await exchange.send(garbage[number % len(garbage)])
        assert (await speaker.call("echo", {"fine": 1}))["fine"] == 1
        for exchange in exchanges:
            await exchange.end()
            assert exchange.responses[-1].status in {400, 408}


@pytest.mark.requirement("HTTP-1")
async def test_clients_that_vanish_before_their_session_begins_leave_none() -> None:
    with RunningDaemon.start(bad_worker("never-ready"), options=LOCAL, ready=False) as daemon:
        daemon.wait_listening()
        async with client(await reached(daemon), None) as speaker:
            asking = [await speaker.begin("POST", INITIALIZE) for _ in range(20)]
            await eventually(lambda: daemon.status()["sessions"] == 20)
            for exchange in asking:
                exchange.close()
            await eventually(lambda: daemon.status()["sessions"] == 0)


# --- doors ----------------------------------------------------------------------------------------


@pytest.mark.requirement("HTTP-4")
def test_the_door_is_not_opened_to_strangers_without_a_token() -> None:
    with RunningDaemon(async_worker(), None, {}, None, ("--http", "0.0.0.0:0")) as daemon:
        daemon.restart(ready=False)
        assert daemon.wait_exit() != 0
        assert "http.token_file" in daemon.stderr()
        assert "Traceback" not in daemon.stderr()


@pytest.mark.requirement("HTTP-4")
async def test_beyond_this_machine_a_token_is_asked_for_and_a_reload_changes_it() -> None:
    config = "[http]\ntoken_file = 'tokens'\n"
    daemon = RunningDaemon(async_worker(), config, {}, None, ("--http", "0.0.0.0:0"))
    (daemon.home / "tokens").write_text(f"# whose\nann:{TOKEN}\n")
    (daemon.home / "tokens").chmod(0o600)
    with daemon:
        daemon.restart()
        async with client((await reached(daemon)).replace("0.0.0.0", "127.0.0.1"), None) as speaker:  # noqa: S104
            assert (await speaker.request("POST", PING)).status == 401
            assert (await speaker.request("POST", PING, authorization=f"Bearer {TOKEN}")).status == 400
            (daemon.home / "tokens").write_text("a-new-token-of-many-letters\n")
            daemon.verb("reload")
            assert (await speaker.request("POST", PING, authorization=f"Bearer {TOKEN}")).status == 401
            (daemon.home / "tokens").write_text("\n")
            status, answer = daemon.control("POST", "/v1/reload", {})
            assert status != 200
            assert "token" in json.dumps(answer)
            answered = await speaker.request("POST", PING, authorization="Bearer a-new-token-of-many-letters")
            assert answered.status == 400
        assert TOKEN not in daemon.log_file.read_text() + daemon.stderr()


@pytest.mark.requirement("HTTP-1")
async def test_a_stopping_daemon_ends_its_streams() -> None:
    with RunningDaemon.start(async_worker(), options=LOCAL) as daemon:
        speaker = HttpClient(await reached(daemon))
        await speaker.open()
        listening = await speaker.begin("GET")
        await listening.until(lambda response: response.status == 200)
        assert await asyncio.to_thread(daemon.stop) == 0
        await listening.end()
        assert listening.responses[-1].whole
        speaker.close()


def test_an_address_that_is_taken_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with RunningDaemon(async_worker(), None, {}, None, ("--http", place)) as daemon:
            daemon.restart(ready=False)
            assert daemon.wait_exit() == 1
            assert f"cannot listen on {place}" in daemon.stderr()
