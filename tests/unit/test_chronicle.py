"""What is written down on every step is written when many come at once, and soon says how things stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from orchestrator import chronicle
from orchestrator.chronicle import SUMMARY, Chronicle
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State


class Standing:
    """Says how things stand, and counts how often it was asked; at the first time something happens just then."""

    def __init__(self) -> None:
        self.asked = self.revision = 0
        self.then: Callable[[], None] = lambda: None

    def __call__(self) -> Any:
        self.asked += 1
        text = f"revision {self.revision}"
        if self.asked == 1:
            self.then()
        return SimpleNamespace(model_dump_json=lambda **_: text)


@pytest.mark.requirement("LOG-4")
async def test_a_crowd_of_steps_costs_one_summary_and_what_came_while_it_was_written_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chronicle, "SETTLES", 0.0)
    standing = Standing()
    silent = cast("Any", SimpleNamespace(status=lambda _text: None))

    async with anyio.create_task_group() as tasks:
        told = Chronicle(tasks, cast("Any", None), silent, tmp_path, standing)

        def step() -> None:
            standing.revision += 1
            told.stepped(ev.Tick(), State(), State(), None)

        standing.then = step
        for _ in range(100):
            step()
    assert standing.asked == 2
    assert (tmp_path / SUMMARY).read_text() == "revision 101"
