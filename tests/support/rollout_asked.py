"""A control plane with a rollout under way, for the tests of what may be asked of it.

Above: tests.  Below: `control_story`, `rollout_engine`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from control_story import StoryPlane

from orchestrator.domain.rollouts import events as ev

ROLLOUT = "/v1/rollout"
PLAN = """
description = "two steps and a flag"

[[steps]]
weight = 10
pause = "1m"

[[steps]]
weight = 50
pause = "1m"

[bake]
health = "1m"
unlock = "1m"

[[flags]]
flag = "beta"
to = true
soak = "1m"

[[limits]]
metric = "error"
margin = 0.05
min_samples = 10
"""
FLAGS_ONLY = """
new_generation = false

[rehearsal]
run = false

[[flags]]
flag = "beta"
to = true
soak = "1m"
"""


def plan_file(folder: Path, text: str = PLAN, name: str = "small") -> str:
    """Write a plan and return its path."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


async def begin(plane: StoryPlane, folder: Path, **changes: Any) -> tuple[int, Any]:
    """Ask for a rollout of the small plan; return status and answer once it is at its first step."""
    asked = {"plan": plan_file(folder), "command": ["/bin/two"], "id": "r", **changes}
    answer = await plane.ask("POST", ROLLOUT, asked)
    await plane.control.engine.settled()
    return answer


async def now(plane: StoryPlane) -> Any:
    """Return the rollout as it is shown."""
    _, answer = await plane.ask("GET", ROLLOUT)
    return answer["rollout"]


async def later(plane: StoryPlane, seconds: float) -> None:
    """Let time pass and the engine see it."""
    plane.control.clock.now += seconds
    await plane.control.engine.settled()


async def judge(plane: StoryPlane, look: Any) -> None:
    """Have the engine hear of a look."""
    await plane.control.engine.driver.submit(ev.Looked(look))
    await plane.control.engine.settled()
