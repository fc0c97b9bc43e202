"""One version at a time on one state, by the real daemon: one that changes the state's layout, and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, Message, connected

pytestmark = [pytest.mark.requirement("EXCLUSIVE-1"), pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
WORKER = [sys.executable, "-m", "workers.reference"]
MIGRATES = [sys.executable, str(ROOT / "tests" / "candidates" / "candidate.py"), "--change", "migrates"]
PATIENCE = 60.0
"""Seconds any part of the story may take."""
LOOK_EVERY = 0.1
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "exclusive", "version": "1"}}
PLAN = """
state = "exclusive"
[rehearsal]
run = false
[bake]
health = "1h"
unlock = "1h"
mirror = false
"""


@dataclass
class Load:
    """Calls that come all the while, one in three of them writing."""

    answered: int = 0
    bad: list[Message] = field(default_factory=list)
    over: bool = False

    async def call(self, client: JsonRpcClient) -> None:
        while not self.over:
            number = self.answered
            answer = await client.call("plan", {"title": f"call {number}"}) if number % 3 == 0 else None
            answer = answer or await client.call("plan_next")
            self.answered += 1
            if "error" in answer or answer["result"].get("isError"):
                self.bad.append(answer)

    async def more(self, count: int) -> None:
        """Wait until so many more calls were answered."""
        target = self.answered + count
        async with asyncio.timeout(PATIENCE):
            while self.answered < target:  # noqa: ASYNC110 - it is counted elsewhere
                await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def load(daemon: RunningDaemon) -> AsyncIterator[Load]:
    """Call over one connection while inside; no call may fail, and none may be answered twice."""
    calls = Load()
    async with session(daemon) as client:
        calling = asyncio.ensure_future(calls.call(client))
        try:
            yield calls
        finally:
            calls.over = True
            await calling
    assert (calls.bad, client.stray) == ([], [])


@asynccontextmanager
async def session(daemon: RunningDaemon) -> AsyncIterator[JsonRpcClient]:
    async with connected(daemon.tools_socket) as client:
        await client.answer(client.ask("initialize", HELLO))
        client.notify("notifications/initialized")
        yield client


async def until(daemon: RunningDaemon, *phases: str) -> dict[str, Any]:
    """Wait until the rollout is in one of these phases."""
    shown: dict[str, Any] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while shown.get("phase") not in phases:
                await asyncio.sleep(LOOK_EVERY)
                shown = (await asyncio.to_thread(daemon.control, "GET", "/v1/rollout"))[1]["rollout"]
    assert shown.get("phase") in phases, (shown.get("where"), daemon.stderr()[-2000:])
    return shown


def begin(daemon: RunningDaemon, command: list[str]) -> str:
    path = daemon.home / "plan.toml"
    path.write_text(PLAN)
    status, begun = daemon.control("POST", "/v1/rollout", {"plan": str(path), "command": command})
    assert status == 200, begun
    return str(begun["id"])


def titles(store: Path) -> tuple[int, set[str]]:
    """Return the layout of a task store and the titles in it."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as tasks:
        (layout,) = tasks.execute("PRAGMA user_version").fetchone()
        return layout, {title for (title,) in tasks.execute("SELECT title FROM task")}


async def plan(daemon: RunningDaemon, title: str) -> None:
    async with session(daemon) as client:
        answer = await client.call("plan", {"title": title})
        assert not answer["result"].get("isError"), answer


async def test_a_version_that_changes_the_state_takes_over_and_a_person_takes_the_state_back() -> None:
    with RunningDaemon.start(WORKER, cwd=ROOT) as daemon:
        live = daemon.state_dir / "worker" / "tasks.db"
        async with load(daemon) as calls:
            await calls.more(3)
            await plan(daemon, "before")
            run = begin(daemon, MIGRATES)
            await until(daemon, "baking")
            await plan(daemon, "after")
            await calls.more(3)
            assert titles(live)[0] == 2
            assert daemon.status()["lanes"] == {"active": 2, "previous": 1}
            refused = daemon.cli("rollback")
            assert refused.returncode == 1
            assert "calls that may have written since" in refused.stderr
            assert "switchover rollback --lose-writes" in refused.stderr
            done = daemon.cli("rollback", "--lose-writes", "--reason", "it is slow")
            assert done.returncode == 0, done.stderr
            shown = await until(daemon, "rolled_back")
            await calls.more(3)
        assert "calls that may have written since" in shown["cause"]["words"]
        assert shown["quarantined"]
        layout, kept = titles(live)
        assert (layout, "before" in kept, "after" in kept) == (1, True, False)
        aside = titles(daemon.state_dir / "snapshots" / run / "after" / "tasks.db")
        assert (aside[0], {"before", "after"} <= aside[1]) == (2, True)
        assert daemon.status()["lanes"] == {"active": 1}
