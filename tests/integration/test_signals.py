"""Signals: four verbs without a client, and two ways to stop."""

from __future__ import annotations

import asyncio
import signal

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import async_worker, bad_worker, eventually

DEADLINE_EXCEEDED, NO_WORKER, WORKER_LOST = -31012, -31011, -31010


@pytest.mark.requirement("SIG-1")
async def test_usr1_switches_and_usr2_switches_back_and_a_refusal_is_logged() -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.signal(signal.SIGUSR1)
        (refused,) = await eventually(lambda: daemon.log("signal refused"))
        assert (refused["signal"], "no canary" in refused["reason"]) == ("SIGUSR1", True)
        daemon.verb("canary", command=async_worker("2"))
        async with connected(daemon.tools_socket) as client:
            daemon.signal(signal.SIGUSR1)
            await eventually(lambda: daemon.status()["lanes"] == {"active": 2, "previous": 1})
            assert told(await client.call("echo"))["version"] == "2"
            daemon.signal(signal.SIGUSR2)
            await eventually(lambda: daemon.status()["lanes"] == {"active": 1, "canary": 2})
            assert told(await client.call("echo"))["version"] == "1"
        await eventually(lambda: len(daemon.log("signal done")) == 2)


@pytest.mark.requirement("SIG-1")
async def test_hup_takes_over_a_changed_configuration_and_keeps_the_old_one_when_the_new_is_bad() -> None:
    with RunningDaemon.start(async_worker(), config="[limits]\ncall_timeout = 100\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            daemon.write_config("[limits]\ncall_timeout = 0.2\n")
            daemon.signal(signal.SIGHUP)
            (line,) = await eventually(lambda: daemon.log("configuration reloaded"))
            assert line["changed"] == ["limits.call_timeout"]
            assert (await client.call("hang"))["error"]["code"] == DEADLINE_EXCEEDED

            daemon.write_config("[limits]\ncall_timeout = 50\ncall_timeuot = 60\n")
            daemon.signal(signal.SIGHUP)
            (bad,) = await eventually(lambda: daemon.log("configuration not reloaded, the old one stays"))
            assert "switchover.toml:3" in bad["reason"]
            assert "call_timeuot" in bad["reason"]
            status, answer = daemon.control("POST", "/v1/reload", {})
            assert (status, "switchover.toml:3" in answer["reason"]) == (409, True)
            assert (await client.call("hang"))["error"]["code"] == DEADLINE_EXCEEDED

            daemon.write_config("[limits]\ncall_timeout = 0.2\n[sockets]\nbacklog = 7\n")
            told_of = daemon.verb("reload")["message"]
            assert "only after a restart: sockets.backlog" in told_of


@pytest.mark.requirement("SIG-1")
async def test_term_lets_calls_in_flight_finish_and_then_stops() -> None:
    with RunningDaemon.start(async_worker()) as daemon:
        async with connected(daemon.tools_socket) as client:
            call = client.begin("sleep", {"ms": 700, "value": "kept"})
            await client.call("started", {"name": "sleep", "count": 1})
            daemon.signal(signal.SIGTERM)
            await eventually(lambda: daemon.log("stopping"))
            late = await client.call("echo")
            assert late["error"]["code"] == NO_WORKER
            assert "stopping" in late["error"]["data"]["reason"]
            assert told(await client.answer(call))["value"] == "kept"
            async with asyncio.timeout(60):
                await client.ended.wait()
        assert daemon.wait_exit() == 0
        assert not daemon.tools_socket.exists()
        assert not daemon.control_socket.exists()


@pytest.mark.requirement("SIG-1", "SUP-2")
async def test_int_stops_likewise_within_a_bound_and_answers_the_calls_that_outlast_it() -> None:
    grace = "[worker.stop_grace]\nclose_stdin = 0.1\nterminate = 0.1\n[stop]\ntimeout = 3\n"
    with RunningDaemon.start(async_worker(), config=grace) as daemon:
        async with connected(daemon.tools_socket) as client:
            call = client.begin("hang", call_id="left")
            await client.call("started", {"name": "hang", "count": 1})
            daemon.signal(signal.SIGINT)
            answer = await client.answer(call)
            assert (answer["error"]["code"], answer["id"]) == (WORKER_LOST, "left")
            assert "stops" in answer["error"]["data"]["reason"]
        assert daemon.wait_exit() == 0


@pytest.mark.requirement("SIG-1")
async def test_a_second_term_stops_at_once_and_still_answers_and_leaves_nothing() -> None:
    with RunningDaemon.start(bad_worker("stubborn"), config="[stop]\ntimeout = 60\n") as daemon:
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("switch")
        async with connected(daemon.tools_socket) as client:
            call = client.begin("hang")
            await client.call("started", {"name": "hang", "count": 1})
            daemon.signal(signal.SIGTERM)
            await eventually(lambda: daemon.log("stopping"))
            daemon.signal(signal.SIGTERM)
            assert (await client.answer(call))["error"]["code"] == WORKER_LOST
        assert daemon.wait_exit() == 1
        daemon.wait_gone()


@pytest.mark.requirement("SIG-1", "SUP-2")
async def test_a_second_term_cuts_the_stopping_of_workers_short_too() -> None:
    config = "[worker.stop_grace]\nclose_stdin = 30\nterminate = 30\n[stop]\ntimeout = 70\n"
    with RunningDaemon.start(bad_worker("stubborn"), config=config) as daemon:
        daemon.signal(signal.SIGTERM)
        await eventually(lambda: daemon.log("stopping"))
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == 1
        daemon.wait_gone()
