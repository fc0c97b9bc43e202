"""`isolation = session`: each session has a worker of its own; and what shared sessions share all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from waiting import eventually

OWN = '[worker]\nisolation = "session"\n'


def worker(*options: str) -> list[str]:
    return [sys.executable, "-S", str(Path(__file__).parents[1] / "workers" / "asking_worker.py"), *options]


async def greet(client: JsonRpcClient, name: str = "someone") -> Any:
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {"sampling": {}},
        "clientInfo": {"name": name, "version": "7"},
    }
    result = (await client.answer(client.ask("initialize", params)))["result"]
    client.notify("notifications/initialized")
    return result


async def said(client: JsonRpcClient, tool: str) -> Any:
    return (await client.call(tool))["result"]["structuredContent"]["said"]


async def verb(daemon: RunningDaemon, name: str, **body: Any) -> None:
    await asyncio.to_thread(daemon.verb, name, **body)


@pytest.mark.requirement("ISO-1")
async def test_each_session_has_a_worker_that_was_greeted_with_its_own_clients_words() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as one, connected(daemon.tools_socket) as two:
            assert (await greet(one, "one"))["protocolVersion"] == "2025-06-18"
            await greet(two, "two")
            first, second = await said(one, "hello"), await said(two, "hello")
            assert (first["client"]["clientInfo"]["name"], second["client"]["clientInfo"]["name"]) == ("one", "two")
            assert first["client"]["capabilities"] == {"sampling": {}}
            assert first["pid"] != second["pid"]


@pytest.mark.requirement("ISO-1")
async def test_the_worker_of_a_session_that_is_gone_ends() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            pid = (await said(client, "hello"))["pid"]
        await eventually(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.requirement("ISO-1")
async def test_a_session_waits_for_its_worker_when_the_first_start_of_it_fails(tmp_path: Path) -> None:
    flag = tmp_path / "die"
    command = ["sh", "-c", 'rm "$0" 2>/dev/null && kill -9 $$; exec "$@"', str(flag), *worker()]
    with RunningDaemon.start(command, config=f"{OWN}[restart]\ninitial = 0.05\n") as daemon:
        flag.touch()
        async with connected(daemon.tools_socket) as client:
            await greet(client, "patient")
            assert (await said(client, "hello"))["client"]["clientInfo"]["name"] == "patient"
        (line,) = daemon.log("worker lost")
        assert line["reason"].startswith("it was killed by SIGKILL")


@pytest.mark.requirement("ISO-2")
async def test_a_worker_asks_its_client_and_hears_the_answer_under_its_own_id() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            answer = client.begin("ask")
            (question,) = await client.strays(1)
            assert question["method"] == "sampling/createMessage"
            client.reply(question["id"], {"text": "yes"})
            assert (await client.answer(answer))["result"]["structuredContent"]["said"] == {"text": "yes"}


@pytest.mark.requirement("ISO-2")
async def test_a_call_whose_worker_had_asked_something_is_not_sent_again_and_the_question_is_taken_back() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            pid = (await said(client, "hello"))["pid"]
            answer = client.begin("ask")
            (question,) = await client.strays(1)
            os.kill(pid, signal.SIGKILL)
            assert (await client.answer(answer))["error"]["code"] == -31010
            await eventually(lambda: client.notifications)
            assert client.notifications[0]["method"] == "notifications/cancelled"
            assert client.notifications[0]["params"]["requestId"] == question["id"]
            assert (await said(client, "hello"))["pid"] != pid


@pytest.mark.requirement("ISO-3")
async def test_a_session_moves_to_its_new_worker_between_two_calls_with_all_it_had_set() -> None:
    with RunningDaemon.start(worker(), config=OWN) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            await client.answer(client.ask("logging/setLevel", {"level": "debug"}))
            await client.answer(client.ask("resources/subscribe", {"uri": "mem://one"}))
            held = client.begin("ask")
            (question,) = await client.strays(1)
            await verb(daemon, "canary", command=worker())
            await verb(daemon, "switch")
            client.reply(question["id"], {"text": "late"})
            assert (await client.answer(held))["result"]["structuredContent"]["said"] == {"text": "late"}

            async def moved() -> bool:
                return bool((await said(client, "hello"))["generation"] == 2)

            async with asyncio.timeout(60):
                while not await moved():
                    await asyncio.to_thread(daemon.status)
            told = await said(client, "hello")
            assert (told["level"], told["subscribed"]) == ("debug", ["mem://one"])
            assert told["client"]["clientInfo"]["version"] == "7"


@pytest.mark.requirement("ISO-4")
async def test_a_shared_worker_that_asks_is_refused_and_the_setting_is_named() -> None:
    with RunningDaemon.start(worker()) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            assert (await said(client, "ask"))["code"] == -32601
            (line,) = await eventually(lambda: daemon.log("shared worker asked its client something"))
            assert line["mend"] == 'set worker.isolation = "session"'
            assert daemon.status()["unmet"] == ["sampling/createMessage"]


@pytest.mark.requirement("ISO-5")
async def test_news_of_a_resource_reach_the_sessions_that_subscribed_and_survive_a_switch() -> None:
    with RunningDaemon.start(worker()) as daemon:
        async with connected(daemon.tools_socket) as one, connected(daemon.tools_socket) as two:
            for client in (one, two):
                await greet(client)
                await client.answer(client.ask("resources/subscribe", {"uri": "mem://one"}))
            assert (await two.answer(two.ask("resources/unsubscribe", {"uri": "mem://one"})))["result"] == {}
            await verb(daemon, "canary", command=worker())
            await verb(daemon, "switch")
            told = await said(two, "touch")
            assert (told["generation"], told["subscribed"]) == (2, ["mem://one"])
            await eventually(lambda: one.notifications)
            assert not two.notifications


@pytest.mark.requirement("ISO-5")
async def test_a_warm_canarys_news_reach_nobody_it_does_not_serve() -> None:
    with RunningDaemon.start(worker("--eager")) as daemon:
        async with connected(daemon.tools_socket) as client:
            await greet(client)
            await client.answer(client.ask("resources/subscribe", {"uri": "mem://one"}))
            await eventually(lambda: client.notifications)
            await verb(daemon, "canary", command=worker("--eager"))  # it is told of the subscription, and has news
            await said(client, "hello")
            assert len(client.notifications) == 1
            await verb(daemon, "switch")
            assert (await said(client, "touch"))["subscribed"] == ["mem://one"]
            await eventually(lambda: len(client.notifications) > 1)
            await said(client, "hello")
            assert [told["method"] for told in client.notifications] == ["notifications/resources/updated"] * 2


@pytest.mark.requirement("ISO-6")
async def test_an_idle_sessions_worker_is_parked_and_the_next_call_finds_all_as_it_was() -> None:
    with RunningDaemon.start(worker(), config=f"{OWN}session_idle = 0.3\n") as daemon:
        async with connected(daemon.tools_socket) as client, connected(daemon.tools_socket) as subscribed:
            for each in (client, subscribed):
                await greet(each, "someone")
            await client.answer(client.ask("logging/setLevel", {"level": "debug"}))
            await subscribed.answer(subscribed.ask("resources/subscribe", {"uri": "mem://one"}))
            first, kept = await said(client, "hello"), await said(subscribed, "hello")
            await eventually(lambda: daemon.status()["parked"] == 1)
            await eventually(lambda: not Path(f"/proc/{first['pid']}").exists())
            lines = await eventually(lambda: daemon.log("session parked"))
            assert {line["generation"] for line in lines} == {1}
            calls = [client.begin("hello") for _ in range(3)]
            found = [(await client.answer(call))["result"]["structuredContent"]["said"] for call in calls]
            assert found[0] == found[2] == {**first, "pid": found[0]["pid"]}
            assert found[0]["pid"] != first["pid"]
            assert (found[0]["level"], found[0]["client"]["clientInfo"]["name"]) == ("debug", "someone")
            answer = client.begin("ask")
            (question,) = await client.strays(1)
            await asyncio.sleep(0.5)
            assert daemon.status()["parked"] == 0  # neither who owes an answer nor who waits for news
            client.reply(question["id"], {"text": "yes"})
            assert (await client.answer(answer))["result"]["structuredContent"]["said"] == {"text": "yes"}
            assert (await said(subscribed, "hello"))["pid"] == kept["pid"]
            assert not client.notifications
            await eventually(lambda: daemon.status()["parked"] == 1)
            await verb(daemon, "canary", command=worker())
            await verb(daemon, "switch")
            daemon.write_config(f"{OWN}session_idle = 0\n")
            await asyncio.to_thread(daemon.verb, "reload")
            moved = await said(client, "hello")
            assert moved["generation"] == 2
            await asyncio.sleep(0.7)
            assert (await said(client, "hello"))["pid"] == moved["pid"]
