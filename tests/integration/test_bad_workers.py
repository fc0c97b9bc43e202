"""Workers that misbehave: their callers get an answer, the daemon and the other lane notice nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import alive, async_worker, bad_worker, eventually

REFUSED, DEADLINE_EXCEEDED = -31014, -31012
MIB = 1 << 20
HASTY = "[worker]\nstart_timeout = 3\n[worker.stop_grace]\nclose_stdin = 0.1\nterminate = 0.2\n"


@pytest.mark.requirement("PROXY-6")
@pytest.mark.parametrize("habit", ["prints-rubbish", "answers-unknown", "answers-twice"])
async def test_what_a_worker_says_to_nobody_reaches_nobody(habit: str) -> None:
    with RunningDaemon.start(bad_worker(habit)) as daemon:
        pid = daemon.status()["generations"][0]["pid"]
        async with connected(daemon.tools_socket) as client, connected(daemon.tools_socket) as other:
            calls = [(each, each.begin("echo", {"n": n}, call_id=n)) for n in range(30) for each in (client, other)]
            answers = [told(await each.answer(call)) for each, call in calls]
        assert [(answer["n"], answer["pid"]) for answer in answers] == [(n, pid) for n in range(30) for _ in range(2)]
        assert (client.stray, other.stray, client.notifications, other.notifications) == ([], [], [], [])
        if habit != "answers-twice":  # a late answer may be innocent: the call was cancelled
            assert await eventually(lambda: [line for line in daemon.log() if line["level"] == "warning"])
        assert not [line for line in daemon.log() if "exception" in line]


ODD_ENDINGS = [
    ',"result":{"deep":' + "[" * 5000 + "]" * 5000 + "}",
    ',"result":42',
    ',"result":"text"',
    ',"result":null',
    ',"result":[1]',
    "",
    ',"error":{"code":7,"message":"mine"}',
    ',"error":"text"',
    ',"error":null,"result":{}',
    ',"result":{"isError":"yes"}',
    ',"result":{},"error":{"code":7,"message":"both"}',
    ',"result":{"text":"\xff is not UTF-8 here"}',
]


@pytest.mark.requirement("PROXY-6")
async def test_an_answer_of_an_unusual_shape_is_an_answer_or_an_error_but_never_silence() -> None:
    with RunningDaemon.start(bad_worker("answers-bare"), config="[limits]\ncall_timeout = 3\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            calls = [client.begin("echo", {"json": ending}, call_id=ending[:30]) for ending in ODD_ENDINGS]
            answers = {call: await client.answer(call) for call in calls}
            assert "result" in await client.call("echo", {"json": ',"result":{}'})
        assert not [answer for answer in answers.values() if str(DEADLINE_EXCEEDED) in str(answer)]
        assert client.stray == []
        assert daemon.status()["generations"][0]["restarts"] == 0


@pytest.mark.requirement("PROXY-5")
async def test_an_answer_over_the_limit_is_refused_to_its_caller_and_the_worker_lives() -> None:
    with RunningDaemon.start(bad_worker("overlong"), config="[limits]\nline_bytes = 65536\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            pid = told(await client.call("echo"))["pid"]
            for size in (70_000, 3 * MIB):
                answer = await client.call("echo", {"bytes": size}, call_id="long")
                assert (answer["id"], answer["error"]["code"]) == ("long", REFUSED)
                assert "limits.line_bytes" in answer["error"]["data"]["reason"]
            assert told(await client.call("echo", {"bytes": 60_000}))["pid"] == pid
        assert client.stray == []


FOUNDING = [
    (bad_worker("good"), 'cwd = "/no/such/place"\n', "working directory /no/such/place does not exist"),
    (bad_worker("dies-at-once"), "", "no such table: missions"),
    (bad_worker("never-ready"), "", "did not answer its handshake within 3 s"),
    (["/bin/cat"], "", "it answers as no MCP server does: it sends back the initialize that it is sent"),
]


@pytest.mark.requirement("SUP-6")
@pytest.mark.parametrize(("command", "more", "reason"), FOUNDING, ids=[case[2][:30] for case in FOUNDING])
def test_a_first_generation_that_cannot_start_ends_the_daemon_with_the_reason(
    command: list[str], more: str, reason: str
) -> None:
    config = HASTY.replace("[worker.stop", f"{more}[worker.stop", 1)
    with RunningDaemon.start(command, config=config, ready=False) as daemon:
        assert daemon.wait_exit() == 1
        told_to_person = [line for line in daemon.stderr().splitlines() if line.startswith("switchover: ")]
        assert len(told_to_person) == 1
        assert reason in told_to_person[0]


@pytest.mark.requirement("SUP-6", "GEN-1")
def test_a_mistyped_first_command_does_not_stick() -> None:
    with RunningDaemon.start(["/no/such/program"], config=HASTY, ready=False) as daemon:
        assert daemon.wait_exit() == 1
        assert "switchover: the worker did not start: '/no/such/program' is not an executable file" in daemon.stderr()
        daemon.restart(bad_worker("good"))
        status = daemon.status()
        assert status["lanes"] == {"active": 2}
        assert [each["number"] for each in status["generations"]] == [2]


@pytest.mark.requirement("SIG-1", "SUP-6")
async def test_a_daemon_whose_worker_is_not_ready_yet_stops_when_told() -> None:
    config = "[worker]\nstart_timeout = 600\n[worker.stop_grace]\nclose_stdin = 0.1\nterminate = 0.1\n"
    with RunningDaemon.start(bad_worker("slow-to-start", "/no/such/file"), config=config, ready=False) as daemon:
        await eventually(lambda: daemon.log("worker started"))
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == 0  # within a minute; the worker has ten for its start


@pytest.mark.requirement("SUP-2")
async def test_a_worker_that_ignores_everything_polite_is_killed_after_two_bounded_waits() -> None:
    config = "[worker.stop_grace]\nclose_stdin = 0.2\nterminate = 0.2\n"
    with RunningDaemon.start(async_worker(), config=config) as daemon:
        daemon.verb("canary", command=bad_worker("stubborn"))
        pid = next(each["pid"] for each in daemon.status()["generations"] if each["lane"] == "canary")
        daemon.verb("canary/stop")
        await eventually(lambda: not alive(pid))
        await eventually(lambda: len(daemon.status()["generations"]) == 1)
        daemon.verb("canary", command=bad_worker("stubborn"))
        assert daemon.stop(20) == 0


@pytest.mark.requirement("SUP-1")
@pytest.mark.parametrize("end", ["kill -9 of the daemon", "stop of the daemon", "end of the generation", "crash"])
async def test_a_grandchild_in_a_session_of_its_own_does_not_outlive_its_worker(end: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with RunningDaemon.start(async_worker()) as daemon:
        daemon.verb("canary", command=bad_worker("breeds", str(file)))
        await eventually(file.exists)
        grandchild = int(file.read_text())
        assert alive(grandchild)
        if end == "kill -9 of the daemon":
            daemon.kill9()
        elif end == "stop of the daemon":
            assert daemon.stop() == 0
        elif end == "end of the generation":
            daemon.verb("canary/stop")
        else:
            canary = next(each for each in daemon.status()["generations"] if each["lane"] == "canary")
            os.kill(canary["pid"], signal.SIGKILL)
        await eventually(lambda: not alive(grandchild))


@pytest.mark.requirement("SUP-4", "PROXY-5")
async def test_a_worker_that_stops_reading_is_hung_and_its_paused_callers_go_on_with_the_next() -> None:
    config = f"[limits]\nworker_backlog_bytes = {MIB}\ncall_timeout = {{}}\n[health]\nping_timeout = 0.3\n"
    with RunningDaemon.start(bad_worker("deaf"), config=config.format(60)) as daemon:
        async with connected(daemon.tools_socket) as client:
            hung = told(await client.call("echo", {"deaf": True}))["pid"]
            daemon.reload(config.format(0.5))
            calls = [client.begin("echo", {"text": "x" * (MIB // 2)}) for _ in range(20)]
            answers = [await client.answer(call) for call in calls]
            codes = {answer.get("error", {}).get("code") for answer in answers}
            assert codes <= {None, DEADLINE_EXCEEDED}
            daemon.reload(config.format(60))
            assert told(await client.call("echo"))["pid"] != hung
        assert not alive(hung)
        assert client.stray == []


@pytest.mark.requirement("SUP-5")
async def test_a_flood_on_stderr_costs_neither_memory_nor_time() -> None:
    with RunningDaemon.start(bad_worker("floods-stderr"), config='[log]\nlevel = "error"\n') as daemon:
        daemon.verb("canary", command=async_worker())
        memory = daemon.status()["memory_bytes"]
        async with connected(daemon.tools_socket) as client:
            flood = client.begin("echo")
            assert "result" in await client.answer(flood)
        assert daemon.status()["memory_bytes"] < memory + 60 * MIB


@pytest.mark.requirement("PROXY-5")
async def test_a_worker_that_asks_without_reading_the_answers_does_not_fill_the_memory() -> None:
    config = f"{HASTY}[limits]\nworker_backlog_bytes = {MIB}\n"
    with RunningDaemon.start(bad_worker("asks-without-end"), config=config) as daemon:
        memory = daemon.status()["memory_bytes"]
        async with connected(daemon.tools_socket) as client:
            assert "result" in await client.call("echo")
            await asyncio.sleep(1.0)
            assert daemon.status()["memory_bytes"] < memory + 20 * MIB


@pytest.mark.requirement("PROXY-6")
async def test_a_list_that_changes_whenever_it_is_read_is_not_read_for_ever() -> None:
    with RunningDaemon.start(bad_worker("changes-its-list")) as daemon:
        async with connected(daemon.tools_socket) as client:
            asked = [told(await client.call("echo"))["asked"] for _ in range(200)]
        assert asked[-1] < 50


@pytest.mark.requirement("SUP-8")
async def test_a_server_from_before_the_rules_is_served_and_not_to_know_ping_counts_as_being_alive() -> None:
    config = "[limits]\ncall_timeout = {}\n[health]\nping_timeout = 0.4\n"
    with RunningDaemon.start(bad_worker("legacy"), config=config.format(60)) as daemon:
        skipped = await eventually(lambda: daemon.log("worker printed a line that is no JSON-RPC message"))
        assert (skipped[0]["level"], skipped[0]["line"]) == ("warning", "Server v0.3 - listening on stdio")
        async with connected(daemon.tools_socket) as client:
            listed = await client.answer(client.ask("tools/list"))  # as from the server itself, before `initialize`
            assert listed["result"]["tools"][0]["name"] == "echo"
            pid = told(await client.call("echo"))["pid"]
            daemon.reload(config.format(0.4))
            assert (await client.call("echo", {"silent": True}))["error"]["code"] == DEADLINE_EXCEEDED
            daemon.reload(config.format(60))

            async def pinged() -> bool:
                content = told(await client.call("echo"))
                assert content["pid"] == pid
                return bool(content["pings"])

            async with asyncio.timeout(60):
                while not await pinged():
                    await asyncio.to_thread(daemon.status)
            await asyncio.sleep(0.6)
            assert told(await client.call("echo"))["pid"] == pid
        assert (client.stray, client.notifications) == ([], [])
        assert daemon.status()["generations"][0]["restarts"] == 0
