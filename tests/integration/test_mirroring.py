"""A daemon with two versions of the reference worker: live calls mirrored and compared, and writes done twice."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import JsonRpcClient, connected
from waiting import eventually

CANDIDATE = str(Path(__file__).parent.parent / "candidates" / "candidate.py")
REFERENCE = [sys.executable, "-m", "workers.reference"]
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


async def mirrored(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have calls mirrored to a canary whose ids are texts, and see that only that is found."""
    daemon.verb("canary", command=candidate("id-as-text"), allow_breaking=True)
    assert "are mirrored to the canary" in daemon.verb("mirror", on=True)["message"]
    for number in range(6):
        answer = await client.call("plan_next", {"limit": number % 3 + 1})
        assert "error" not in answer
    status = await seen(daemon, "mirror", lambda one: one["compared"] == 6)
    (tool,) = status["tools"]
    assert tool["results"] == {"unexpected": 6}
    assert (status["sampled"], status["dropped"], status["repeated"] >= 2) == (6, {}, True)
    path = daemon.state_dir / "analytics" / "mirror_differences.jsonl"
    await eventually(lambda: path.exists() or None)
    differences = json.loads(path.read_text().splitlines()[0])["differences"]
    assert {one["kind"] for one in differences} == {"type"}
    assert all(one["path"].endswith((".id", ".depends_on[]")) for one in differences)
    assert "plan_next" in (await asyncio.to_thread(daemon.cli, "mirror")).stdout
    assert daemon.verb("mirror", on=False)["message"] == "nothing is mirrored any more"


async def followed(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have the same code write the same state, go on after a restart, and have code that loses writes found out."""
    daemon.verb("parity/start", command=REFERENCE)
    await seen(daemon, "parity", lambda one: one["clean_since"] is not None)
    await client.call("plan", {"title": "first"})
    await seen(daemon, "parity", lambda one: one["compared_after"] == 1 and one["reason"] == "")


async def lost(daemon: RunningDaemon, client: JsonRpcClient) -> None:
    """Have code that loses a fifth of the plans do them again."""
    daemon.verb("parity/start", command=candidate("lost-write"))
    await seen(daemon, "parity", lambda one: one["clean_since"] is not None)
    parting = None
    for number in range(30):
        await client.call("plan", {"title": f"task {number}"})
        status = await seen(
            daemon, "parity", lambda one: one["compared_after"] == one["calls"] or one["parting"] is not None
        )
        if parting := status["parting"]:
            break
    assert parting is not None
    assert (parting["call"], parting["after"], parting["tool"]) == (number + 1, number, "plan")
    assert parting["where"] == f"they parted with call {number + 1} (plan)"
    assert {one["kind"] for one in parting["differences"]} == {"missing"}
    assert any(f"task {number}" in one["old"] for one in parting["differences"])
    assert daemon.verb("parity/stop")["message"].startswith("parity is off")
    assert not (daemon.state_dir / "parity").exists()


@pytest.mark.requirement("MIRROR-1", "MIRROR-7", "PARITY-2", "PARITY-4")
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
