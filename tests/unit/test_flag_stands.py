"""A flag that got its value by hand before its stage began: whoever moves flags tells the engine so."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_conducting import HALF, KEYS, WHOLE, at_work

from orchestrator.domain.rollouts import events as ev


@pytest.mark.requirement("ROLL-7")
async def test_a_flag_that_everybody_has_already_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        await flags.service.set({"ONE": "on"}, actor="ann")
        version = flags.service.version
        await flags.move(HALF)
        assert await flags.engine.next() == ev.FlagStands(rollout="r-1", flag="ONE")
        assert flags.service.version == version


@pytest.mark.requirement("ROLL-7")
async def test_a_flag_that_the_rollout_moved_itself_is_not_told_when_it_is_asked_for_again(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        for move in (HALF, HALF, WHOLE, WHOLE):  # again, as after a crash
            await flags.move(move)
        assert flags.having("on") == len(KEYS)
        assert flags.engine.heard.empty()
