"""`switchover connect` between a client and a daemon that stays, restarts, is killed, or is not there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import EXECUTABLE, RunningDaemon
from jsonrpc_client import JsonRpcClient, Message, connected, told
from mcp import Client, MCPError, StdioServerParameters
from running_bridge import OFFER, bridge
from waiting import async_worker, eventually

TIME = [str(Path(sys.executable).with_name("mcp-server-time"))]
WORKER_LOST, NO_WORKER = -31010, -31011
ASKING = Path(__file__).parents[1] / "workers" / "asking_worker.py"
NOON = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
MIB = 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningDaemon]:
    """Give the tests after which it is as it was one daemon."""
    with RunningDaemon.start(async_worker()) as daemon:
        yield daemon


def over_stdio(daemon: RunningDaemon) -> StdioServerParameters:
    """Return what an official client is configured with."""
    args = ["connect", "--state-dir", str(daemon.state_dir)]
    return StdioServerParameters(command=EXECUTABLE, args=args, env=daemon.environment())


async def restarted(daemon: RunningDaemon, how: signal.Signals) -> None:
    """End the daemon's life with a signal and begin the next one."""
    daemon.signal(how)
    await asyncio.to_thread(daemon.wait_exit)
    await asyncio.to_thread(daemon.restart)


async def begun(client: JsonRpcClient, tool: str, count: int) -> None:
    """Wait until the worker has begun so many calls of a tool."""
    assert told(await client.call("started", {"name": tool, "count": count}))["count"] == count


# --- a client sees what it would see from the server --------------------------------------------------


async def transcript(client: JsonRpcClient) -> list[Any]:
    """Say a little of everything; return every answer and notification, without what names a process."""
    answers = [
        await client.answer(client.ask("initialize", OFFER, call_id="open")),
        await client.answer(client.ask("ping", call_id=-1)),
        await client.answer(client.ask("tools/list")),
        await client.answer(client.ask("of/tomorrow", {"_meta": {"x": [1.50]}}, call_id='"quoted", \u2028 ü')),
        await client.call("no such tool"),
        await client.call("progress", {"steps": 3}, meta={"progressToken": "token"}),
        await client.call("large", {"bytes": 3 * MIB}),
    ]
    client.write(b"no JSON\n\n[1]\n")
    complaints = await client.strays(2)
    for answer in answers:
        told_of = answer.get("result", {}).get("structuredContent", {})
        told_of.pop("pid", None), told_of.pop("token", None)
    return [answers, complaints, client.notifications]


@pytest.mark.requirement("CONN-1")
async def test_a_client_sees_over_stdio_what_it_sees_on_the_socket(shared: RunningDaemon) -> None:
    async with connected(shared.tools_socket) as client:
        direct = await transcript(client)
    async with bridge(env=shared.environment()) as running:
        assert await transcript(running.client) == direct
        running.end_input()
        assert await running.status() == 0
        assert running.said() == ""


@pytest.mark.requirement("CONN-1")
@pytest.mark.parametrize(("mode", "how"), [("legacy", signal.SIGKILL), ("auto", signal.SIGTERM)])
async def test_the_official_client_works_over_stdio_in_both_eras_and_through_a_restart(
    mode: Any, how: signal.Signals
) -> None:
    with RunningDaemon.start(TIME) as daemon:
        async with asyncio.timeout(100), Client(over_stdio(daemon), mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"get_current_time", "convert_time"}
            assert "+09:00" in str(await client.call_tool("convert_time", NOON))
            await restarted(daemon, how)
            assert "+09:00" in str(await client.call_tool("convert_time", NOON))
            assert (await client.call_tool("get_current_time", {"timezone": "Nowhere/Land"})).is_error


# --- a daemon that restarts ---------------------------------------------------------------------------


@pytest.mark.requirement("CONN-2")
async def test_kill_9_of_the_daemon_in_the_middle_of_calls_answers_each_once_and_doubles_no_effect(
    tmp_path: Path,
) -> None:
    file = tmp_path / "effects"
    with RunningDaemon.start(async_worker()) as daemon:
        async with bridge(env=daemon.environment()) as running:
            client = running.client
            await running.open()
            effect = client.begin("append", {"file": str(file), "value": "once", "ms": 60_000})
            sleeps = [client.begin("sleep", {"ms": 1_000, "value": number}) for number in range(8)]
            await begun(client, "append", 1)
            await begun(client, "sleep", 8)
            await restarted(daemon, signal.SIGKILL)
            lost = (await client.answer(effect))["error"]
            assert (lost["code"], lost["data"]["retryable"], lost["data"]["generation"]) == (WORKER_LOST, False, None)
            assert "may have had an effect" in lost["data"]["reason"]
            assert [told(await client.answer(each))["value"] for each in sleeps] == list(range(8))
            assert file.read_text().split() == ["once"]
            assert [each["method"] for each in client.notifications] == ["notifications/tools/list_changed"]
            assert told(await client.call("echo", {"x": 1}))["x"] == 1
            running.end_input()
            assert await running.status() == 0
            assert client.stray == []
            assert len(running.said().splitlines()) == 2


@pytest.mark.requirement("CONN-2")
async def test_the_official_client_is_told_which_call_was_lost_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(type(message).__name__)

    with RunningDaemon.start(async_worker()) as daemon:
        async with asyncio.timeout(100), Client(over_stdio(daemon), mode="legacy", message_handler=hear) as client:
            await client.list_tools()
            calls = [
                asyncio.ensure_future(client.call_tool("append", {"file": str(file), "value": "v", "ms": 60_000})),
                asyncio.ensure_future(client.call_tool("sleep", {"ms": 1_000, "value": 7})),
            ]
            await client.call_tool("started", {"name": "append", "count": 1})
            await client.call_tool("started", {"name": "sleep", "count": 1})
            await restarted(daemon, signal.SIGKILL)
            with pytest.raises(MCPError, match="worker_lost"):
                await calls[0]
            assert (await calls[1]).structured_content == {**whoami(daemon), "value": 7}
            assert "ToolListChangedNotification" in heard
            assert len((await client.list_tools()).tools) > 1


def whoami(daemon: RunningDaemon) -> Message:
    """Return what the active worker says of itself in every answer."""
    return {"generation": 1, "pid": daemon.status()["generations"][0]["pid"], "version": "1"}


@pytest.mark.requirement("CONN-2")
async def test_an_orderly_restart_under_load_costs_a_client_nothing(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    with RunningDaemon.start(async_worker()) as daemon:
        async with bridge(env=daemon.environment()) as running:
            await running.open()
            over = asyncio.Event()
            answers: list[Message] = []

            async def caller(number: int) -> None:
                turn = 0
                while not over.is_set():
                    turn += 1
                    value = {"file": str(file), "value": f"{number}/{turn}", "ms": 5}
                    answers.append(await running.client.call("append", value))

            callers = [asyncio.ensure_future(caller(number)) for number in range(8)]
            for _ in range(2):
                seen = len(answers)
                await eventually(lambda seen=seen: len(answers) > seen + 50)
                await restarted(daemon, signal.SIGTERM)
            seen = len(answers)
            await eventually(lambda: len(answers) > seen + 50)
            over.set()
            await asyncio.gather(*callers)
        values = [told(answer)["value"] for answer in answers]
        assert sorted(values) == sorted(file.read_text().split())
        assert len(set(values)) == len(values)


@pytest.mark.requirement("CONN-1", "CONN-2")
async def test_a_worker_asks_the_client_and_a_question_of_a_lost_daemon_is_taken_back() -> None:
    with RunningDaemon.start([sys.executable, "-S", str(ASKING)], config='[worker]\nisolation = "session"\n') as daemon:
        async with bridge(env=daemon.environment()) as running:
            client = running.client
            await running.open()
            for level in ("debug", "error"):
                await client.answer(client.ask("logging/setLevel", {"level": level}))
            await client.answer(client.ask("resources/subscribe", {"uri": "mem://one"}))
            lost = client.begin("ask")
            (old,) = await client.strays(1)
            await restarted(daemon, signal.SIGKILL)
            assert (await client.answer(lost))["error"]["code"] == WORKER_LOST
            again = client.begin("ask")
            _, new = await client.strays(2)
            client.reply(old["id"], {"text": "late"})
            client.reply(new["id"], {"text": "yes"})
            assert told(await client.answer(again))["said"] == {"text": "yes"}
            state = told(await client.call("hello"))["said"]
            assert (state["level"], state["subscribed"]) == ("error", ["mem://one"])
            assert state["client"]["clientInfo"] == OFFER["clientInfo"]
            assert [each["params"] for each in client.notifications if "cancelled" in each["method"]] == [
                {"requestId": old["id"], "reason": "the daemon that asked is gone"}
            ]


# --- a daemon that is not there -----------------------------------------------------------------------


@pytest.mark.requirement("CONN-4")
@pytest.mark.parametrize("wait", ["0", "0.3"])
async def test_an_absent_daemon_is_a_refusal_with_its_reason_and_exit_status_3(tmp_path: Path, wait: str) -> None:
    env = {**os.environ, "SWITCHOVER_STATE_DIR": str(tmp_path)}
    async with bridge("--wait", wait, env=env) as running:
        opening = running.client.ask("initialize", OFFER)
        assert await running.status() == 3
        error = (await running.client.answer(opening))["error"]
        assert (error["code"], error["data"]["retryable"]) == (NO_WORKER, True)
        assert "switchover serve" in error["message"]
        assert running.said().startswith("switchover: no daemon answers on")
        assert len(running.said().splitlines()) == 1


@pytest.mark.requirement("CONN-4")
async def test_a_daemon_that_is_just_being_started_is_waited_for(tmp_path: Path) -> None:
    with RunningDaemon.start(async_worker()) as daemon:
        await asyncio.to_thread(daemon.stop)
        async with bridge("--wait", "20", env=daemon.environment()) as running:
            opening = asyncio.ensure_future(running.open())
            await asyncio.to_thread(daemon.restart)
            assert (await opening)["serverInfo"]["name"] == "async-worker"
            assert running.said() == ""
    nothing = {**os.environ, "SWITCHOVER_STATE_DIR": str(tmp_path)}
    asked = await asyncio.to_thread(
        subprocess.run, [EXECUTABLE, "connect"], stdin=subprocess.DEVNULL, env=nothing, capture_output=True, check=False
    )
    assert (asked.returncode, asked.stdout) == (3, b"")


@pytest.mark.requirement("CONN-4")
async def test_a_daemon_that_takes_no_more_clients_says_so() -> None:
    with RunningDaemon.start(async_worker(), config="[limits]\nsessions = 1\n") as daemon:
        async with bridge(env=daemon.environment()) as first:
            await first.open()
            async with bridge("--wait", "0", env=daemon.environment()) as second:
                assert await second.status() == 3
                assert "limits.sessions" in second.said()
                assert second.client.stray == []


# --- the ends of a bridge -----------------------------------------------------------------------------


def script(*calls: Message) -> str:
    """Return a session as text, the last line without its newline."""
    opening = [{"id": 0, "method": "initialize", "params": OFFER}, {"method": "notifications/initialized"}]
    requests = [{"id": n + 1, "method": "tools/call", "params": call} for n, call in enumerate(calls)]
    return "\n".join(json.dumps({"jsonrpc": "2.0", **each}) for each in (*opening, *requests))


@pytest.mark.requirement("CONN-1")
async def test_what_is_in_flight_at_the_end_of_input_is_answered_whatever_stdin_and_stdout_are(
    shared: RunningDaemon, tmp_path: Path
) -> None:
    text = script({"name": "sleep", "arguments": {"ms": 300, "value": 1}}, {"name": "echo"})
    piped = await asyncio.to_thread(shared.cli, "connect", stdin=text)
    (tmp_path / "in").write_text(text)
    with (tmp_path / "in").open() as stdin, (tmp_path / "out").open("w") as stdout:
        asked = [EXECUTABLE, "connect"]
        filed = await asyncio.to_thread(
            subprocess.run, asked, stdin=stdin, stdout=stdout, env=shared.environment(), timeout=60, check=False
        )
    assert (piped.returncode, piped.stderr, filed.returncode) == (0, "", 0)
    for output in (piped.stdout, (tmp_path / "out").read_text()):
        assert sorted(json.loads(line)["id"] for line in output.splitlines()) == [0, 1, 2]


@pytest.mark.requirement("CONN-1")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_in_the_middle_of_a_call(shared: RunningDaemon, number: signal.Signals) -> None:
    async with bridge(env=shared.environment()) as running:
        await running.open()
        before = told(await running.client.call("started", {"name": "hang", "count": 0}))["count"]
        cancelled = len(told(await running.client.call("cancelled", {"count": 0}))["reasons"])
        running.client.begin("hang")
        await begun(running.client, "hang", before + 1)
        running.send_signal(number)
        assert await running.status() == 0
        assert running.said() == ""
    async with connected(shared.tools_socket) as client:
        reasons = told(await client.call("cancelled", {"count": cancelled + 1}))["reasons"]
        assert reasons[cancelled:] == ["the client disconnected"]


@pytest.mark.requirement("CONN-1")
async def test_a_client_that_reads_no_more_ends_it_cleanly(shared: RunningDaemon) -> None:
    words = f"printf '%s\\n' \"$SCRIPT\" '' | '{EXECUTABLE}' connect | head -c 20; echo ${{PIPESTATUS[1]}}"
    env = shared.environment({"SCRIPT": script({"name": "large", "arguments": {"bytes": MIB}})})
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", words], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ('{"jsonrpc":"2.0","id0\n', "")


@pytest.mark.requirement("CONN-1")
async def test_neither_side_outruns_the_other() -> None:
    with RunningDaemon.start(async_worker()) as daemon:
        async with bridge(env=daemon.environment()) as running, connected(daemon.tools_socket) as other:
            await running.open()
            with running.not_reading():
                unread = [running.client.begin("large", {"bytes": MIB}) for _ in range(56)]
                await begun(other, "large", 56)
            assert {len(told(await running.client.answer(each))["text"]) for each in unread} == {MIB}
            daemon.signal(signal.SIGSTOP)
            try:
                unheard = [running.client.begin("echo", {"text": "x" * MIB}) for _ in range(96)]
                assert await running.unwritten() > 80 * MIB  # the client is made to wait
            finally:
                daemon.signal(signal.SIGCONT)
            assert {len(told(await running.client.answer(each))["text"]) for each in unheard} == {MIB}
            assert peak_mib(running.pid) < 80


def peak_mib(pid: int) -> float:
    """Return the most memory a process has had, in MiB."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.requirement("CONN-1")
async def test_a_line_over_the_daemons_limit_is_refused_in_the_daemons_words() -> None:
    with RunningDaemon.start(async_worker(), config="[limits]\nline_bytes = 4194304\n") as daemon:
        async with bridge(env=daemon.environment()) as running:
            await running.open()
            refused = await running.client.call("echo", {"text": "x" * 5 * MIB})
            assert "limits.line_bytes" in refused["error"]["message"]
            assert told(await running.client.call("echo", {"x": 1}))["x"] == 1


# --- the configuration of clients ---------------------------------------------------------------------


@pytest.mark.requirement("CONN-3")
@pytest.mark.parametrize("kind", ["claude", "cursor", "vscode", "json"])
async def test_a_client_that_does_as_the_printed_configuration_says_finds_the_daemon(
    shared: RunningDaemon, kind: str
) -> None:
    printed = await asyncio.to_thread(shared.cli, "connect", "--print-config", kind, "--name", "tools")
    assert printed.returncode == 0, printed.stderr
    whole = json.loads(printed.stdout)
    if kind == "json":
        assert whole.pop("name") == "tools"
        entry = whole
    else:
        entry = whole["servers" if kind == "vscode" else "mcpServers"]["tools"]
    assert entry.pop("type", None) == (None if kind in {"claude", "json"} else "stdio")
    assert set(entry) == {"command", "args"}
    home = {"HOME": str(shared.home), "PATH": "/usr/bin:/bin"}
    async with bridge(*entry["args"], env=home, command=(entry["command"],)) as running:
        assert (await running.open())["serverInfo"]["name"] == "async-worker"


@pytest.mark.requirement("CONN-1")
def test_a_bridge_loads_none_of_the_daemons_heavy_libraries() -> None:
    heavy = {"fastapi", "uvicorn", "structlog", "psutil", "httpx", "anyio", "uvloop", "sqlite3"}
    code = "import sys, orchestrator.cli.connect; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert heavy & set(done.stdout.split()) == set()
