"""All answers of a run stay in memory until they are compared, so there is a bound to them, and it is told."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from orchestrator.rehearsal import shadow_run
from orchestrator.rehearsal.client import Answered, Client
from orchestrator.rehearsal.samples import Answer, Part
from orchestrator.rehearsal.shadow_run import Plan, Ran, ShadowRun
from orchestrator.rehearsal.suite import Case, Suite


class Talker:
    """Answers with as much as it has."""

    async def call(self, *_asked: Any) -> Answered:
        return Answered(Answer.RESULT, b'"' + b"x" * 1000 + b'"')


class Terse:
    """What a run needs of a plan to make calls."""

    call_timeout = 1.0


async def ignore(_said: str) -> None:
    """Nobody watches."""


@pytest.mark.requirement("REH-11")
async def test_beyond_the_room_for_answers_no_call_is_made_and_that_is_noted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadow_run, "MOST_BYTES", 2500)
    suite = Suite(call=[Case(tool="talk", name="talk", repeats=6)])
    run = ShadowRun(cast("Plan", Terse()), ignore)
    ran = run._ran = Ran(suite)
    await run._ask_all(cast("Client", Talker()), Part.CONTROL, 0, ran)
    assert [one.answer for one in ran.samples] == [Answer.RESULT] * 3 + [Answer.UNASKED] * 3
    assert ran.notes == [json.loads(ran.samples[-1].body)["message"]]
    assert "ask for less" in ran.notes[0]
