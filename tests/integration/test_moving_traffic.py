"""Moving traffic under the eyes of its clients: weight, kill switch, canaries that fail, one change at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected, many, told
from waiting import async_worker, bad_worker, eventually

KEYS = [f"mission-{number}" for number in range(60)]


async def canary_keys(client: JsonRpcClient, keys: Sequence[str] = KEYS) -> set[str]:
    """Return the assignment keys whose calls generation 2 answers."""
    calls = {key: client.begin("echo", meta={"io.switchover/key": key}) for key in keys}
    return {key for key, call in calls.items() if told(await client.answer(call))["generation"] == 2}


async def refusal(daemon: RunningDaemon, verb: str, **body: Any) -> str:
    """Have a verb refused, for how things stand or for how it was asked, and return the reason."""
    status, answer = await asyncio.to_thread(daemon.control, "POST", f"/v1/{verb}", body)
    assert status in {409, 422}, answer
    reason: str = answer["reason"]
    return reason


@pytest.mark.requirement("PROXY-2", "API-1")
async def test_weight_sticks_by_key_and_raising_it_only_ever_moves_keys_to_the_canary() -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        async with many(daemon.tools_socket, 3) as (one, other, third):
            seen = [await canary_keys(one)]
            for weight in (10, 30, 60, 100):
                daemon.verb("weight", weight=weight)
                keys = await canary_keys(one)
                assert keys == await canary_keys(other)
                assert keys >= seen[-1]
                seen.append(keys)
            assert seen[0] == set()
            assert seen[-1] == set(KEYS)
            assert 0 < len(seen[2]) < len(seen[3]) < len(KEYS)
            for weight, before in ((60, seen[3]), (30, seen[2]), (10, seen[1]), (0, set())):
                daemon.verb("weight", weight=weight)
                assert await canary_keys(one) == before
            daemon.verb("weight", weight=50)
            by_session = [
                [told(await client.call("echo"))["generation"] for _ in range(4)] for client in (other, third)
            ]
        assert all(len(set(generations)) == 1 for generations in by_session)
        assert "not a percentage" in await refusal(daemon, "weight", weight=101)


@pytest.mark.requirement("PROXY-2", "API-1")
async def test_the_kill_switch_sends_everything_to_the_previous_generation_until_it_is_lifted() -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("weight", weight=100)
        async with connected(daemon.tools_socket) as client:
            assert await canary_keys(client) == set(KEYS)
            daemon.verb("kill-switch", on=True)
            assert await canary_keys(client) == set()
            assert "kill switch is on" in await refusal(daemon, "switch")
            assert "kill switch is on" in await refusal(daemon, "weight", weight=50)
            daemon.verb("kill-switch", on=False)
            assert await canary_keys(client) == set(KEYS)
            daemon.verb("switch")
            assert daemon.status()["lanes"] == {"active": 2, "previous": 1}
            assert await canary_keys(client) == set(KEYS)
            daemon.verb("kill-switch", on=True)
            assert await canary_keys(client) == set()
            revision = daemon.verb("kill-switch", on=True)["revision"]
            assert daemon.verb("kill-switch", on=False)["revision"] == revision + 1
            assert await canary_keys(client) == set(KEYS)


@pytest.mark.requirement("SUP-6")
async def test_a_canary_that_cannot_start_is_refused_with_the_reason_and_touches_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    file = tmp_path / "not-executable"
    file.write_text("")
    pipe = tmp_path / "source" / "pipe"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"command": [str(missing)]}, ["not an executable file", str(missing)]),
        ({"command": [str(file)]}, ["cannot execute", "Permission denied"]),
        ({"command": async_worker(), "cwd": str(missing)}, ["working directory", str(missing)]),
        ({"command": async_worker(), "cwd": "relative"}, ["not an absolute path"]),
        ({"command": async_worker(), "cwd": str(file)}, ["not a directory", str(file)]),
        ({"command": async_worker(), "source": str(missing)}, ["not a directory", str(missing)]),
        ({"command": async_worker(), "source": str(pipe.parent)}, ["cannot be copied", str(pipe)]),
        ({"command": ["x" * 5000]}, ["File name too long"]),
        ({"command": ["/bin/cat", "x" * 200_000]}, ["Argument list too long"]),
        ({"command": bad_worker("dies-at-once")}, ["exited with status 3", "no such table: missions"]),
        ({"command": bad_worker("refuses-handshake")}, ["the licence has run out"]),
        ({"command": bad_worker("closes-stdout-at-once")}, ["stdout"]),
        ({"command": bad_worker("never-ready")}, ["did not answer its handshake within 3 s"]),
    ]
    config = "[worker]\nstart_timeout = 3\n[worker.stop_grace]\nclose_stdin = 0.1\nterminate = 0.2\n"
    with RunningDaemon.start(async_worker("1"), config=config) as daemon:
        before = daemon.status()
        async with connected(daemon.tools_socket) as client:
            for body, parts in cases:
                reason = await refusal(daemon, "canary", **body)
                assert all(part in reason for part in parts), reason
                after = daemon.status()
                assert [after[name] for name in ("lanes", "revision", "phase")] == [
                    before[name] for name in ("lanes", "revision", "phase")
                ]
                assert told(await client.call("echo"))["pid"] == before["generations"][0]["pid"]
            await eventually(lambda: len(daemon.workers()) == 1)
            daemon.verb("canary", command=async_worker("2"))
            assert daemon.status()["lanes"]["canary"] > 2


@pytest.mark.requirement("SUP-6", "API-1")
async def test_a_canary_that_no_kernel_would_start_is_refused_too() -> None:
    bodies: list[dict[str, Any]] = [
        {"command": [""]},
        {"command": ["/bin/cat", "a\0b"]},
        {"command": ["/bin/cat"], "cwd": "/tmp\0"},
        {"command": ["/bin/cat"], "env": {"A=B": "x"}},
        {"command": ["/bin/cat"], "env": {"A": "x\0"}},
    ]
    with RunningDaemon.start(async_worker()) as daemon:
        for body in bodies:
            status, answer = await asyncio.to_thread(daemon.control, "POST", "/v1/canary", body)
            assert status in {409, 422}, answer
            assert answer["reason"]
        async with connected(daemon.tools_socket) as client:
            assert "result" in await client.call("echo")
        assert daemon.status()["lanes"] == {"active": 1}


@pytest.mark.requirement("API-1")
async def test_one_change_is_made_at_a_time_and_another_meanwhile_is_refused_with_the_reason(tmp_path: Path) -> None:
    begin = tmp_path / "begin"
    with RunningDaemon.start(async_worker("1"), config="[worker.stop_grace]\nclose_stdin = 0.1\n") as daemon:
        command, anything = bad_worker("slow-to-start", str(begin)), {"allow_breaking": True}
        first = asyncio.ensure_future(
            asyncio.to_thread(daemon.control, "POST", "/v1/canary", {**anything, "command": command})
        )
        await eventually(lambda: daemon.status()["phase"] == "starting")
        for verb, body in {
            "canary": {"command": async_worker("2")},
            "switch": {},
            "switch-back": {},
            "weight": {"weight": 5},
        }.items():
            assert "generation 2 is being started" in await refusal(daemon, verb, **body)
        daemon.verb("kill-switch", on=True)
        daemon.verb("kill-switch", on=False)
        begin.touch()
        assert (await first)[0] == 200
        assert daemon.status()["lanes"] == {"active": 1, "canary": 2}
        assert "generation 2 is the canary already" in await refusal(daemon, "canary", command=async_worker("3"))
        begin.unlink()
        body = {**anything, "command": command, "replace": True}
        second = asyncio.ensure_future(asyncio.to_thread(daemon.control, "POST", "/v1/canary", body))
        await eventually(lambda: daemon.status()["phase"] == "starting")
        daemon.verb("canary/stop")
        status, answer = await second
        assert status == 409, answer
        assert "given up" in answer["reason"]
        assert daemon.status()["lanes"] == {"active": 1, "canary": 2}
        daemon.verb("canary", command=async_worker("4"), replace=True)
        assert daemon.status()["lanes"] == {"active": 1, "canary": 4}
        await eventually(lambda: len(daemon.workers()) == 2)


@pytest.mark.requirement("PROXY-2", "API-1")
async def test_a_call_in_flight_finishes_where_it_is_and_its_worker_is_stopped_only_then() -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        async with connected(daemon.tools_socket) as client:
            slow = client.begin("sleep", {"ms": 1200, "value": "slow"})
            await client.call("started", {"name": "sleep", "count": 1})
            daemon.verb("switch")
            assert told(await client.call("echo"))["generation"] == 2
            daemon.verb("canary", command=async_worker("3"))
            daemon.verb("switch")
            assert daemon.status()["lanes"] == {"active": 3, "previous": 2}
            assert told(await client.call("echo"))["generation"] == 3
            content = told(await client.answer(slow))
            assert (content["generation"], content["value"]) == (1, "slow")
        await eventually(lambda: [each["number"] for each in daemon.status()["generations"]] == [2, 3])
        await eventually(lambda: len(daemon.workers()) == 2)
