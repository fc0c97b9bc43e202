"""The shipped plan `engine` by the real daemon around the reference worker, to its end, its weeks made seconds.

Missions of our own, missions that were under way when the rollout began and new ones call all the while; each answer
says which generation gave it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from daemon import WORKERS, RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from rollout_daemon import asked, begin, course, ended, say, until

pytestmark = [pytest.mark.requirement("LIVE-4"), pytest.mark.timeout(150)]

ROOT = Path(__file__).parents[2]
WORKER = [sys.executable, str(WORKERS / "timed_reference.py"), "--version-label"]
CONFIG = "[samples]\nprocess_every = 0.2\n"
SHORTER = (
    (r'pause = "(2d|3d|1w)"', 'pause = "0.5s"'),
    (r'health = "1w"', 'health = "1s"'),
    (r'unlock = "1w"', 'unlock = "1s"'),
    (r'initial_delay = "1m"', 'initial_delay = "0.5s"'),
    # In a second, on a machine that others use, too, a tenth and 5 ms are no more than chance.
    (r"floor = 5\.0", "floor = 500.0"),
    (r"most = 500\.0", "most = 60000.0"),  # how busy the machine of the tests is, no version can help
)
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "engine", "version": "1"}}
LONG_AGO = "2020-01-01T00:00:00Z"
KINDS = ("internal", "under way", "new")
CLIENTS = 2
"""Connections of each kind of mission."""
PAUSE = 0.03
"""Seconds between a client's answer and its next call."""
PATIENCE = 60.0


class Served(NamedTuple):
    """One call: whose, when (Unix seconds), and by which generation."""

    kind: str
    sent: float
    answered: float
    generation: int


class Callers:
    """Keep missions of each kind calling."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.served: list[Served] = []
        self._daemon = daemon
        self._over = False
        self._numbers = count()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call while inside."""
        tasks = [asyncio.ensure_future(self._client(kind)) for kind in KINDS for _ in range(CLIENTS)]
        tasks.append(asyncio.ensure_future(self._dashboard()))
        try:
            yield
        finally:
            self._over = True
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*tasks)

    async def _client(self, kind: str) -> None:
        async with connected(self._daemon.tools_socket) as client:
            await client.answer(client.ask("initialize", HELLO))
            client.notify("notifications/initialized")
            while not self._over:
                self.served.append(await self._call(client, kind))
                await asyncio.sleep(PAUSE)

    async def _call(self, client: JsonRpcClient, kind: str) -> Served:
        meta: dict[str, Any] = {"io.switchover/key": f"{kind}-{next(self._numbers)}"}
        if kind != "internal":
            created = LONG_AGO if kind == "under way" else time.time()
            meta["io.switchover/attributes"] = {"created": created}
        sent = time.time()
        answer = await client.call("plan_next", {}, meta=meta)
        return Served(kind, sent, time.time(), answer["result"]["_meta"]["tests/generation"])

    async def _dashboard(self) -> None:
        """Say again and again that no stage event is missing, as whoever watches the engines would."""
        while not self._over:
            await asked(self._daemon, "POST", "/v1/samples", [{"metric": "missing_events", "value": 0}])  # type: ignore[arg-type]  # a list, here
            await asyncio.sleep(0.2)


def entered(daemon: RunningDaemon, run: str, step: int) -> float:
    """Return when the journal says that a rollout's step began, Unix seconds; nothing is routed by it before."""
    with closing(sqlite3.connect(f"file:{daemon.state_dir / 'journal.db'}?mode=ro", uri=True)) as journal:
        for at, record in journal.execute("SELECT at, record FROM records ORDER BY seq"):
            now = json.loads(record)["state"].get("rollout") or {"id": ""}
            if (now["id"], now.get("phase"), now.get("part"), now.get("index")) == (run, "stepping", "running", step):
                return float(at)
    raise AssertionError(f"step {step} never began")


async def test_the_engine_plan_takes_our_own_missions_then_new_ones_then_half_then_all() -> None:
    with RunningDaemon.start([*WORKER, "1"], config=CONFIG, cwd=ROOT) as daemon:
        plan = shortened(daemon.cli("plans", "engine", "--toml").stdout)
        callers = Callers(daemon)
        async with callers.running():
            run = await begin(daemon, plan, [*WORKER, "2"], cwd=str(ROOT))
            await until(daemon, lambda now: now["weight"] == 50, "at new missions")
            routed = time.time()
            await until(daemon, lambda now: now["part"] == "hold", "held for a person")
            await say(daemon, "resume", reason="both engines give equivalent results")
            over = await ended(daemon)
        candidate = over["candidate"]
        assert over["cause"]["what"] == "done", over["cause"]
        places = course(daemon, run)
        assert [place for place in places if place[1] != "starting"] == [
            ("stepping", "running", 0), ("stepping", "running", 1), ("stepping", "running", 2),
            ("promoting", "hold", 2), ("baking", "health", 0), ("done", "health", 0),
        ]  # fmt: skip
        half = entered(daemon, run, 2)
        meanwhile = [one for one in callers.served if one.sent > routed and one.answered < half]
        by = {kind: {one.generation for one in meanwhile if one.kind == kind} for kind in KINDS}
        assert by == {"internal": {candidate}, "under way": {candidate - 1}, "new": {candidate - 1, candidate}}
        before = [one for one in callers.served if one.answered < entered(daemon, run, 1) and one.kind != "internal"]
        assert {one.generation for one in before} == {candidate - 1}
        assert daemon.status()["lanes"] == {"active": candidate}


def shortened(plan: str) -> str:
    """Return the plan as it ships, with seconds for its weeks and without a rehearsal."""
    for long, short in SHORTER:
        plan, changes = re.subn(long, short, plan)
        assert changes, f"the plan has no {long}"
    return f"{plan}\n[rehearsal]\nrun = false\n"
