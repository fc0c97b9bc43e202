"""A worker that dies or hangs under its calls: what is sent once more, what is not, and who takes over."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import alive, async_worker, bad_worker, eventually

WORKER_LOST, NO_WORKER, DEADLINE_EXCEEDED = -31010, -31011, -31012
QUICK = "[restart]\ninitial = 0.05\njitter = 0\n"
HUNG = QUICK + "[limits]\ncall_timeout = {}\n[health]\nping_timeout = 0.3\n"


def active(daemon: RunningDaemon) -> dict[str, Any]:
    """Return what status says of the active generation."""
    status = daemon.status()
    found: dict[str, Any] = next(each for each in status["generations"] if each["lane"] == "active")
    return found


@pytest.fixture(scope="module")
def mortal() -> Iterator[RunningDaemon]:
    """One daemon for all tests whose workers die under a call and are there again for the next."""
    with RunningDaemon.start(async_worker(), config=f"{QUICK}intensity = 1000\ncap = 0.05\n") as daemon:
        yield daemon


@pytest.mark.requirement("PROXY-3")
async def test_a_read_only_call_is_sent_once_more_when_its_worker_dies(mortal: RunningDaemon, tmp_path: Path) -> None:
    file, before = tmp_path / "effects", active(mortal)
    async with connected(mortal.tools_socket) as client:
        answer = await client.call("die_read_only", {"file": str(file), "value": "once", "times": 1})
        assert told(answer)["value"] == "once"
    assert file.read_text() == "once\n" * 2
    assert not client.stray
    after = active(mortal)
    assert (after["replayed"] - before["replayed"], after["lost"] - before["lost"]) == (1, 0)


@pytest.mark.requirement("PROXY-3")
async def test_a_read_only_call_that_killed_two_workers_is_blocked(mortal: RunningDaemon, tmp_path: Path) -> None:
    file = tmp_path / "effects"
    async with connected(mortal.tools_socket) as client:
        answer = await client.call("die_read_only", {"file": str(file), "value": "deadly"}, call_id="bomb")
        assert (answer["id"], answer["error"]["code"]) == ("bomb", WORKER_LOST)
        assert answer["error"]["data"]["retryable"] is False
        assert "two workers died" in answer["error"]["data"]["reason"]
        assert "SIGKILL" in answer["error"]["data"]["reason"]
        assert "result" in await client.call("echo")
    assert file.read_text() == "deadly\n" * 2
    assert not client.stray


@pytest.mark.requirement("PROXY-3")
async def test_a_call_with_effects_is_not_sent_again(mortal: RunningDaemon, tmp_path: Path) -> None:
    file = tmp_path / "effects"
    async with connected(mortal.tools_socket) as client:
        for tool in ("die", "die_idempotent"):
            answer = await client.call(tool, {"file": str(file), "value": tool, "times": 2})
            assert answer["error"]["code"] == WORKER_LOST
            assert answer["error"]["data"]["generation"] == 1
            assert "result" in await client.call("echo")
    assert file.read_text() == "die\ndie_idempotent\n"
    assert not client.stray


@pytest.mark.requirement("PROXY-3")
async def test_an_idempotent_call_is_sent_once_more_where_the_configuration_says_so(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    with RunningDaemon.start(async_worker(), config=f"{QUICK}[replay]\nidempotent = true\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            answer = await client.call("die_idempotent", {"file": str(file), "value": "effect", "times": 1})
            assert told(answer)["value"] == "effect"
            lost = await client.call("die", {"file": str(file), "value": "other", "times": 3})
            assert lost["error"]["code"] == WORKER_LOST
        assert file.read_text() == "effect\neffect\nother\n"


def held_worker(folder: Path) -> list[str]:
    """Return the command of a worker that starts by itself once, and again only when `let_go` says so."""
    os.mkfifo(folder / "gate")
    script = 'if [ -e "$0/begun" ]; then read -r word < "$0/gate"; fi; : > "$0/begun"; exec "$@"'
    return ["sh", "-c", script, str(folder), *async_worker()]


async def let_go(folder: Path) -> None:
    """Have the worker of that folder start again."""

    def opened() -> int | None:
        with contextlib.suppress(OSError):  # nobody reads yet
            return os.open(folder / "gate", os.O_WRONLY | os.O_NONBLOCK)
        return None

    gate = await eventually(opened)
    os.write(gate, b"go\n")
    os.close(gate)


@pytest.mark.requirement("SUP-5")
async def test_calls_that_arrive_while_the_worker_is_started_again_wait_for_it(tmp_path: Path) -> None:
    with RunningDaemon.start(held_worker(tmp_path), config=QUICK) as daemon:
        async with connected(daemon.tools_socket) as client:
            first = told(await client.call("echo"))["pid"]
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: active(daemon)["standing"] != "ready")
            calls = [client.begin(tool, {"file": str(daemon.home / "f"), "value": n, "ms": 1})
                     for n, tool in enumerate(["echo", "append", "sleep", "append"])]  # fmt: skip
            await eventually(lambda: daemon.status()["waiting"] == len(calls))
            await let_go(tmp_path)
            answers = [told(await client.answer(call)) for call in calls]
        assert [answer["value"] for answer in answers] == [0, 1, 2, 3]
        assert {answer["pid"] for answer in answers} == {active(daemon)["pid"]}
        assert first not in {answer["pid"] for answer in answers}
        assert active(daemon)["restarts"] == 1
        assert not client.stray


@pytest.mark.requirement("SUP-5", "PROXY-7")
async def test_a_waiting_call_can_be_cancelled_and_never_reaches_the_worker(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    with RunningDaemon.start(held_worker(tmp_path), config=QUICK) as daemon:
        async with connected(daemon.tools_socket) as client:
            os.kill(active(daemon)["pid"], signal.SIGKILL)
            await eventually(lambda: active(daemon)["standing"] != "ready")
            client.begin("append", {"file": str(file), "value": "unwanted"}, call_id="gone")
            await eventually(lambda: daemon.status()["waiting"] == 1)
            client.notify("notifications/cancelled", {"requestId": "gone"})
            await eventually(lambda: daemon.status()["waiting"] == 0)
            await let_go(tmp_path)
            assert "result" in await client.call("echo")
        assert not file.exists()
        assert not client.stray


@pytest.mark.requirement("SUP-4", "PROXY-4")
async def test_a_hung_worker_is_found_by_a_deadline_and_a_ping_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "effects"
    with RunningDaemon.start(async_worker(), config=HUNG.format(60)) as daemon:
        async with connected(daemon.tools_socket) as client:
            hung = told(await client.call("echo"))["pid"]
            daemon.reload(HUNG.format(2))  # seconds; long enough to send the other two before they are over
            freezing = client.begin("freeze")
            await eventually(lambda: active(daemon)["in_flight"])
            daemon.reload(HUNG.format(60))
            read_only = client.begin("echo", {"value": "safe"})
            effect = client.begin("append", {"file": str(file), "value": "unsafe"})
            assert (await client.answer(freezing))["error"]["code"] == DEADLINE_EXCEEDED
            assert told(await client.answer(read_only))["pid"] != hung
            assert (await client.answer(effect))["error"]["code"] == WORKER_LOST
            assert "hung" in (await effect)["error"]["data"]["reason"]
        assert not client.stray
        assert not file.exists()
        assert not alive(hung)
        assert (active(daemon)["restarts"], active(daemon)["expired"]) == (1, 1)


@pytest.mark.requirement("SUP-3")
async def test_a_crash_loop_is_called_one_and_is_over_once_the_worker_stands_again(tmp_path: Path) -> None:
    switch = tmp_path / "broken"
    shell = f'test -e {switch} && {{ echo "the disk is gone" >&2; exit 4; }}; exec "$@"'
    config = "[restart]\ninitial = 0.02\ncap = 0.3\nintensity = 2\njitter = 0\n"
    with RunningDaemon.start(["sh", "-c", shell, "sh", *async_worker()], config=config) as daemon:
        async with connected(daemon.tools_socket) as client:
            switch.touch()
            os.kill(active(daemon)["pid"], signal.SIGKILL)
            await eventually(lambda: "crash loop" in active(daemon)["note"])
            assert "the disk is gone" in active(daemon)["note"]
            answer = await client.call("echo")
            assert answer["error"]["code"] == NO_WORKER
            assert answer["error"]["data"]["retryable"] is True
            assert "crash loop" in answer["error"]["data"]["reason"]
            switch.unlink()
            await eventually(lambda: active(daemon)["standing"] == "ready")
            assert "result" in await client.call("echo")
            assert active(daemon)["note"] == ""


@pytest.mark.requirement("SUP-3")
async def test_a_canary_in_a_crash_loop_leaves_its_lane_and_the_active_generation_alone() -> None:
    with RunningDaemon.start(async_worker("1"), config=f"{QUICK}intensity = 1\n") as daemon:
        pid = active(daemon)["pid"]
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("weight", weight=100)
        async with connected(daemon.tools_socket) as client:
            assert told(await client.call("echo"))["version"] == "2"
            for _ in range(2):
                canary = await eventually(lambda: _ready_pid(daemon, 2))
                os.kill(canary, signal.SIGKILL)
                await eventually(lambda canary=canary: not alive(canary))
            await eventually(lambda: daemon.status()["lanes"] == {"active": 1})
            content = told(await client.call("echo"))
        assert (content["version"], content["pid"]) == ("1", pid)
        assert daemon.status()["weight"] == 0


def _ready_pid(daemon: RunningDaemon, number: int) -> int | None:
    for each in daemon.status()["generations"]:
        if each["number"] == number and each["standing"] == "ready" and each["uptime"] is not None:
            pid: int = each["pid"]
            return pid if alive(pid) else None
    return None


@pytest.mark.requirement("SUP-6", "SUP-3")
async def test_an_active_generation_in_a_crash_loop_gives_way_to_a_warm_previous_one() -> None:
    with RunningDaemon.start(async_worker("1"), config=f"{QUICK}intensity = 1\n") as daemon:
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("switch")
        async with connected(daemon.tools_socket) as client:
            for _ in range(2):
                pid = await eventually(lambda: _ready_pid(daemon, 2))
                os.kill(pid, signal.SIGKILL)
                await eventually(lambda pid=pid: not alive(pid))
            await eventually(lambda: daemon.status()["lanes"] == {"active": 1})
            assert told(await client.call("echo"))["version"] == "1"


@pytest.mark.requirement("SUP-7")
async def test_a_worker_that_closes_its_stdout_is_replaced_at_once_and_ends_beside_its_successor() -> None:
    config = f"{QUICK}[worker.stop_grace]\nclose_stdin = 30\nterminate = 30\n"
    with RunningDaemon.start(bad_worker("closes-stdout"), config=config) as daemon:
        pid = active(daemon)["pid"]
        async with connected(daemon.tools_socket) as client:
            answer = await client.call("echo")
            assert answer["error"]["code"] == WORKER_LOST
            assert "two workers died" in answer["error"]["data"]["reason"]
            assert "closed its stdout" in answer["error"]["data"]["reason"]
        await eventually(lambda: (active(daemon)["standing"], active(daemon)["restarts"]) == ("ready", 2))
        assert alive(pid)  # it has half a minute to end by itself, and nobody waits for that
        daemon.signal(signal.SIGTERM)
        await eventually(lambda: daemon.log("stop asked"))  # two that are pending at once would be one
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == 1
        assert not alive(pid)
