"""A daemon whose plan waits for equal states: they are compared by themselves, and nobody's command is needed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected
from waiting import eventually

REFERENCE = [sys.executable, "-m", "workers.reference"]
CONFIG = "[parity]\nevery = 0.2\n"
PLAN = """
[rehearsal]
run = false

[[steps]]
weight = 10
pause = "until resumed"
hold = {kind = "parity", clean = 0.5, every = 0.1}

[promotion]
hold = {kind = "command", command = ["sh", "-c", "echo step $SWITCHOVER_HOLD_STEP is not wanted; exit 3"], every = 0.1}
"""
Json = dict[str, Any]


async def waits(daemon: RunningDaemon, holds: Callable[[Json], bool]) -> Json:
    """Wait until the rollout is shown so, and return it."""

    def now() -> Json | None:
        _, answer = daemon.control("GET", "/v1/rollout")
        rollout: Json | None = answer["rollout"]
        return rollout if rollout is not None and holds(rollout) else None

    return await eventually(now)


@pytest.mark.requirement("CONDUCT-4")
async def test_a_plan_s_hold_has_the_states_compared_and_ends_that_with_the_rollout(tmp_path: Path) -> None:
    plan = tmp_path / "equal.toml"
    plan.write_text(PLAN)
    with RunningDaemon.start(REFERENCE, config=CONFIG) as daemon:
        status, told = daemon.control(
            "POST", "/v1/rollout", {"plan": str(plan), "command": REFERENCE, "force_plan": True}
        )
        assert status == 200, told
        async with connected(daemon.tools_socket) as client:
            await client.call("plan", {"title": "first"})
        await waits(daemon, lambda one: (one["part"], one["step_number"]) == ("running", 1))
        _, parity = daemon.control("GET", "/v1/parity")
        assert (parity["on"], parity["command"], parity["clean_since"] is not None) == (True, REFERENCE, True)
        daemon.verb("rollout/resume")
        rollout = await waits(daemon, lambda one: one["hold"] is not None and one["hold"]["asked"] > 1)
        assert rollout["hold"]["answer"] == "exit status 3: step 0 is not wanted"
        shown = (await asyncio.to_thread(daemon.cli, "why")).stdout
        assert "ago for the last time: exit status 3: step 0 is not wanted" in shown
        daemon.verb("rollout/abort")
        await eventually(lambda: None if daemon.control("GET", "/v1/parity")[1]["on"] else True)
        assert not (daemon.state_dir / "parity").exists()
