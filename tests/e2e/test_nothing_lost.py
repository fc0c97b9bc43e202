"""Nothing in flight is ever lost: under switches, under kill -9 of the worker, under kill -9 of the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, Message, connected, many, told
from waiting import async_worker, eventually

WORKER_LOST = -31010
CALLERS, CONNECTIONS = 64, 8
CALL_MS = 50
SWITCHES = 100
KILLS = 20
LIVES = 6
SEEDS = [20, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(100, 120))]
"""One seed in every run, the others in `make soak`."""


@dataclass
class Done:
    """One answered call, with the loop's time when it was sent and answered."""

    value: str
    tool: str
    sent: float
    answered: float
    answer: Message


class Load:
    """Callers that call without a pause; each call has an argument of its own."""

    def __init__(self, clients: list[JsonRpcClient], make: Callable[[str], tuple[str, Message]]) -> None:
        """Prepare a load; `make` gives the tool and the arguments of the call with this value."""
        self.done: list[Done] = []
        self._clients = clients
        self._make = make
        self._over = False
        self._progress = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the load up while inside; on leaving, every call that was begun has been answered."""
        callers = [asyncio.ensure_future(self._caller(number)) for number in range(CALLERS)]
        try:
            yield
        finally:
            self._over = True
            _, hung = await asyncio.wait(callers, timeout=60)
            assert not hung, f"{len(hung)} callers wait for an answer that does not come"
            for caller in callers:
                caller.result()

    async def more(self, count: int) -> None:
        """Wait until `count` more calls have been answered."""
        target = len(self.done) + count
        async with asyncio.timeout(60), self._progress:
            await self._progress.wait_for(lambda: len(self.done) >= target)

    async def _caller(self, number: int) -> None:
        client, turn, loop = self._clients[number % len(self._clients)], 0, asyncio.get_running_loop()
        while not self._over:
            value = f"{number}/{turn}"
            turn += 1
            tool, arguments = self._make(value)
            sent = loop.time()
            answer = await client.call(tool, arguments, call_id=value)
            self.done.append(Done(value, tool, sent, loop.time(), answer))
            async with self._progress:
                self._progress.notify_all()


@dataclass
class Moved:
    """One switch: when it was asked for, when it was answered, and which generation was active afterwards."""

    asked: float
    answered: float
    active: int


def allowed(call: Done, moves: list[Moved]) -> set[int]:
    """Return the generations that were active at a moment at which the call may have been accepted.

    It was accepted after it was sent and at least its own duration before it was answered.
    """
    latest = call.answered - CALL_MS / 1000
    found = set()
    for move, following in zip(moves, [*moves[1:], None], strict=True):
        if move.asked <= latest and (following is None or following.answered >= call.sent):
            found.add(move.active)
    return found


@pytest.mark.requirement("PROXY-2")
async def test_a_hundred_switches_under_64_callers_lose_double_and_misplace_nothing() -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        async with many(daemon.tools_socket, CONNECTIONS) as clients:
            load = Load(clients, lambda value: ("sleep", {"ms": CALL_MS, "value": value}))
            loop = asyncio.get_running_loop()
            moves = [Moved(0.0, 0.0, 1)]
            async with load.running():
                await load.more(CALLERS)
                for number in range(SWITCHES):
                    asked = loop.time()
                    await asyncio.to_thread(daemon.verb, "switch-back" if number % 2 else "switch")
                    moves.append(Moved(asked, loop.time(), 1 if number % 2 else 2))
                    await load.more(CALLERS // 4)
            strays = [stray for client in clients for stray in client.stray]
            executed = [await _executed(daemon, clients[0], generation) for generation in (1, 2)]
        failed = [call for call in load.done if "result" not in call.answer]
        misplaced = [call for call in load.done if told(call.answer)["generation"] not in allowed(call, moves)]
        swapped = [call for call in load.done if told(call.answer)["value"] != call.value]
        assert (failed, strays, misplaced, swapped) == ([], [], [], [])
        assert sum(executed) == len(load.done)
        assert min(executed) > len(load.done) / 4
        assert daemon.status()["generations"][0]["restarts"] == 0


async def _executed(daemon: RunningDaemon, client: JsonRpcClient, generation: int) -> int:
    """Return how many calls of `sleep` a generation's worker has begun."""
    daemon.verb("weight", weight=100 if daemon.status()["lanes"]["canary"] == generation else 0)
    content = told(await client.call("started", {"name": "sleep", "count": 0}))
    assert content["generation"] == generation
    count: int = content["count"]
    return count


@pytest.mark.requirement("PROXY-3", "SUP-5")
@pytest.mark.parametrize("seed", SEEDS)
async def test_twenty_kills_of_the_active_worker_leave_every_call_answered_exactly_once(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    files = {tool: tmp_path / tool for tool in ("append", "append_read_only")}

    def make(value: str) -> tuple[str, Message]:
        tool = chance.choice(list(files))
        return tool, {"file": str(files[tool]), "value": value, "ms": chance.choice([0, 1, 5, 30])}

    config = "[restart]\ninitial = 0.01\ncap = 0.05\nintensity = 1000\n"
    with RunningDaemon.start(async_worker(), config=config) as daemon:
        async with many(daemon.tools_socket, CONNECTIONS) as clients:
            load = Load(clients, make)
            killed: set[int] = set()
            async with load.running():
                while len(killed) < KILLS:
                    await load.more(chance.randrange(1, 4 * CALLERS))
                    killed.add(await _kill_active(daemon, killed))
            strays = [stray for client in clients for stray in client.stray]
        assert strays == []
        assert Counter(call.value for call in load.done).most_common(1)[0][1] == 1
        _check_effects(load.done, {tool: Counter(file.read_text().split()) for tool, file in files.items()})
        lost = [call for call in load.done if "error" in call.answer]
        assert lost, "the kills hit no call: this test showed nothing"
        assert daemon.status()["generations"][0]["replayed"] > 0


async def _kill_active(daemon: RunningDaemon, killed: set[int]) -> int:
    """Kill the active worker, whatever it is about, and return its pid."""

    def running() -> int | None:
        pid: int | None = daemon.status()["generations"][0]["pid"]
        return pid if pid not in killed else None

    pid = await eventually(running)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def _check_effects(done: list[Done], effects: dict[str, Counter[str]]) -> None:
    """Check each call's answer against what it did."""
    for call in done:
        times = effects[call.tool][call.value]
        if "result" in call.answer:
            assert told(call.answer)["value"] == call.value
            assert times in ({1} if call.tool == "append" else {1, 2}), call
            continue
        error = call.answer["error"]
        assert error["code"] == WORKER_LOST, call
        if call.tool == "append":
            assert times <= 1, call
        else:
            assert "two workers died" in error["data"]["reason"], call
            assert times <= 2, call


@dataclass(frozen=True)
class Routing:
    """What the verbs change."""

    lanes: frozenset[tuple[str, int]]
    weight: int = 0
    kill_switch: bool = False

    def lane(self, name: str) -> int | None:
        """Return who holds a lane."""
        return dict(self.lanes).get(name)


NEW = 0
"""Stands for a generation with a number nobody has seen before."""


def routing(status: dict[str, Any], highest: int | None = None) -> Routing:
    """Return what status says of routing; generations above `highest` count as `NEW`."""
    lanes = {lane: NEW if highest is not None and number > highest else number
             for lane, number in status["lanes"].items()}  # fmt: skip
    return Routing(frozenset(lanes.items()), status["weight"], status["kill_switch"])


def possible(now: Routing, chance: random.Random) -> tuple[str, dict[str, Any], Routing]:
    """Choose a verb that will be accepted; return its name, its body and the routing after it."""
    active, canary, previous = now.lane("active"), now.lane("canary"), now.lane("previous")
    weight = chance.randrange(1, 100)
    kept = [("previous", previous)] if previous else []
    choices: list[tuple[str, dict[str, Any], Routing]] = [
        ("kill-switch", {"on": not now.kill_switch}, Routing(now.lanes, now.weight, not now.kill_switch)),
        (
            "canary",
            {"command": async_worker("new"), "replace": True},
            Routing(frozenset([("active", active), ("canary", NEW), *kept]), 0, now.kill_switch),
        ),
    ]
    if canary and not now.kill_switch:
        choices.append(("switch", {}, Routing(frozenset([("active", canary), ("previous", active)]))))
        choices.append(("weight", {"weight": weight}, Routing(now.lanes, weight)))
    if previous:
        lanes = frozenset([("active", previous), ("canary", active)])
        choices.append(("switch-back", {}, Routing(lanes, 0, now.kill_switch)))
    return chance.choice(choices)


@pytest.mark.requirement("GEN-1", "SUP-1")
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_daemon_killed_at_any_moment_comes_back_with_its_routing_and_leaves_no_orphan(seed: int) -> None:
    chance = random.Random(seed)
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        before, highest = daemon.status(), 2
        for _ in range(LIVES):
            for _ in range(chance.randrange(3)):
                verb, body, after = possible(routing(before), chance)
                daemon.verb(verb, **body)
                before = await _steady(daemon)
                assert routing(before, highest) == after
                highest = max(highest, *before["lanes"].values())
            verb, body, after = possible(routing(before), chance)
            asking = asyncio.ensure_future(_acknowledged(lambda verb=verb, body=body: daemon.verb(verb, **body)))
            await asyncio.sleep(chance.random() * (0.3 if verb == "canary" else 0.03))
            daemon.kill9()
            acknowledged = await asking
            daemon.wait_gone()
            daemon.restart()
            status = await _steady(daemon)
            assert routing(status, highest) in ({after} if acknowledged else {after, routing(before)}), verb
            assert status["revision"] >= before["revision"]
            assert status["trouble"] is None
            async with connected(daemon.tools_socket) as client:
                serving = status["lanes"]["previous" if _killed_to_previous(status) else "active"]
                assert told(await client.call("echo", meta={"io.switchover/key": ""}))["generation"] in {
                    serving,
                    status["lanes"].get("canary") if status["weight"] else serving,
                }
            before, highest = status, max(highest, *status["lanes"].values())


def _killed_to_previous(status: dict[str, Any]) -> bool:
    return status["kill_switch"] and "previous" in status["lanes"]


async def _acknowledged(ask: Callable[[], Any]) -> bool:
    """Have a verb done; tell whether the daemon lived long enough to say so."""
    try:
        await asyncio.to_thread(ask)
    except Exception:  # noqa: BLE001 - however a killed daemon breaks the conversation
        return False
    return True


async def _steady(daemon: RunningDaemon) -> dict[str, Any]:
    """Wait until every generation that holds a lane is ready and no other is left, and return the status."""

    def look() -> dict[str, Any] | None:
        status = daemon.status()
        settled = all(each["standing"] == "ready" and each["lane"] for each in status["generations"])
        return status if settled and status["phase"] == "steady" else None

    return await eventually(look)
