"""A daemon with two versions of the reference worker: live calls mirrored and compared, and writes done twice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from waiting import eventually

from orchestrator.supervision.priority import NICE

CANDIDATE = str(Path(__file__).parent.parent / "candidates" / "candidate.py")
REFERENCE = [sys.executable, "-m", "workers.reference"]
LOSES_THE_SECOND = [sys.executable, CANDIDATE, "--change", "lost-write", "--seed", "4"]
"""Of the plans that one process of it makes."""
CONFIG = "[mirror]\nlearn = 2\n[parity]\nevery = 0.2\n"
Json = dict[str, Any]


def candidate(change: str) -> list[str]:
    return [sys.executable, CANDIDATE, "--change", change]


def shown(daemon: RunningDaemon, what: str) -> Json:
    status, answer = daemon.control("GET", f"/v1/{what}")
    assert status == 200, answer
    found: Json = answer
    return found


async def seen(daemon: RunningDaemon, what: str, holds: Callable[[Json], bool]) -> Json:
    """Wait until what the control plane shows holds, and return it."""
    return await eventually(lambda: found if holds(found := shown(daemon, what)) else None)


def gives_way(daemon: RunningDaemon) -> None:
    """See that the process that compares is one the kernel weighs against the daemon, and lighter."""
    children = psutil.Process(daemon.pid).children()
    (compares,) = [one for one in children if "orchestrator.mirroring.examine" in one.cmdline()]
    assert compares.nice() == min(os.nice(0) + NICE, 19)
    assert os.getsid(compares.pid) == os.getsid(daemon.pid)
    assert os.getpgid(compares.pid) == compares.pid


async def mirrored(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have calls mirrored to a canary whose ids are texts, and see that only that is found."""
    daemon.verb("canary", command=candidate("id-as-text"))
    assert "are mirrored to the canary" in daemon.verb("mirror", on=True)["message"]
    for number in range(6):
        answer = await client.call("plan_next", {"limit": number % 3 + 1})
        assert "error" not in answer
    status = await seen(daemon, "mirror", lambda one: one["compared"] == 6)
    (tool,) = status["tools"]
    assert tool["results"] == {"unexpected": 6}
    assert (status["sampled"], status["dropped"], status["repeated"] >= 2) == (6, {}, True)
    gives_way(daemon)
    path = daemon.state_dir / "analytics" / "mirror_differences.jsonl"
    await eventually(lambda: path.exists() or None)
    differences = json.loads(path.read_text().splitlines()[0])["differences"]
    assert {one["kind"] for one in differences} == {"type"}
    assert all(one["path"].endswith((".id", ".depends_on[]")) for one in differences)
    assert "plan_next" in (await asyncio.to_thread(daemon.cli, "mirror")).stdout
    assert daemon.verb("mirror", on=False)["message"] == "nothing is mirrored any more"


async def followed(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have the canary's successor do writes again, and see that the first one is the same."""
    daemon.verb("parity/start", command=LOSES_THE_SECOND)
    await client.call("plan", {"title": "first"})
    await seen(daemon, "parity", lambda one: one["compared_after"] == 1 and one["clean_since"] is not None)


async def lost(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have a write that is lost found out, and named."""
    await client.call("plan", {"title": "second"})
    await seen(daemon, "parity", lambda one: one["compared_after"] == 2)
    await client.call("plan", {"title": "third"})
    parting = (await seen(daemon, "parity", lambda one: one["parting"] is not None))["parting"]
    assert parting["where"] == "they parted with call 3 (plan)"
    assert {one["kind"] for one in parting["differences"]} == {"missing"}
    assert any("'third'" in one["old"] for one in parting["differences"])
    assert shown(daemon, "parity")["clean_seconds"] == 0
    assert daemon.verb("parity/stop")["message"].startswith("parity is off")
    assert not (daemon.state_dir / "parity").exists()


@pytest.mark.requirement("MIRROR-1", "MIRROR-7", "MIRROR-9", "PARITY-2", "PARITY-4")
async def test_two_real_versions_are_mirrored_and_their_states_followed_across_a_restart() -> None:
    with RunningDaemon.start(REFERENCE, config=CONFIG) as daemon:
        async with connected(daemon.tools_socket) as client:
            await mirrored(daemon, client)
            await followed(daemon, client)
        since = shown(daemon, "parity")["clean_since"]
        await asyncio.to_thread(daemon.stop)
        await asyncio.to_thread(daemon.restart)
        status = await seen(daemon, "parity", lambda one: one["clean_since"] is not None)
        assert (status["clean_since"], status["calls"], status["breaks"]) == (since, 1, 0)
        async with connected(daemon.tools_socket) as client:
            await lost(daemon, client)
