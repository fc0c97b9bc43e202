"""The daemon killed at every call of a port, before and after each write and effect: what it comes back with.

A script of events is told once without a crash, which gives the lanes after each event.  Then it is told again for each
port call n, killed there, recovered from the same stores with new processes, and told to the end.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from crash_story import Told, killed, killed_then_told_to_the_end, without_a_crash
from engine_world import (
    BACK,
    DROP,
    FOUNDED,
    KILL_OFF,
    KILL_ON,
    READY,
    SWITCH,
    SWITCHED,
    WITH_CANARY,
    CrashError,
    Life,
    canary,
    weight,
)

from orchestrator.domain.rollouts import events as ev

pytestmark = pytest.mark.requirement("ENG-3")

SCRIPTS: dict[str, tuple[ev.Event, ...]] = {
    "there and back": (*WITH_CANARY, weight(25), SWITCH, KILL_ON, KILL_OFF, BACK, weight(60), SWITCH),
    "a third one": (*SWITCHED, canary("three"), READY[2], weight(10), SWITCH, BACK, DROP),
    "replaced": (*WITH_CANARY, weight(40), canary("three", replace=True), KILL_ON, READY[2], KILL_OFF, SWITCH),
    "given up": (*SWITCHED, canary("three"), KILL_ON, DROP, KILL_OFF, BACK, weight(0)),
    "a canary that fails": (*WITH_CANARY[:3], ev.GenerationFailed(2, "no such file"), canary("three"), READY[2]),
    "a canary lost": (*WITH_CANARY, weight(50), ev.GenerationFailed(2, "it loops"), canary("three"), READY[2]),
    "a third one beside a retreat": (*SWITCHED, canary("three"), READY[2], weight(30), BACK),
    "active lost": (*SWITCHED, ev.GenerationDown(2, "it crashed"), ev.GenerationFailed(2, "it loops"), canary("three")),
    "previous lost": (*SWITCHED, ev.GenerationDown(1, "it crashed"), KILL_ON, ev.GenerationFailed(1, "it loops")),
    "refounded": (FOUNDED, ev.GenerationFailed(1, "no such file"), replace(FOUNDED), READY[1], canary("three")),
}


@pytest.mark.parametrize("blast", [CrashError, asyncio.CancelledError])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_killed_at_any_port_call_it_comes_back_with_the_same_routing_and_goes_on(
    script: str, blast: type[BaseException]
) -> None:
    events = SCRIPTS[script]
    views, calls = await without_a_crash(events)
    for call in range(1, calls + 1):
        try:
            await killed_then_told_to_the_end(events, views, [call], blast)
        except AssertionError as error:
            raise AssertionError(f"{script}, killed at port call {call} of {calls}") from error


async def test_killed_again_at_any_port_call_of_its_recovery_it_still_comes_back_the_same() -> None:
    events = SCRIPTS["given up"]
    views, calls = await without_a_crash(events)
    for call in range(30, calls + 1, 3):
        told = Told(events)
        assert await killed(told, call, CrashError)
        recovering = Life(told.stores)
        (await recovering.begin()).cancel()
        for again in range(1, len(recovering.fuse.trace) + 1):
            await killed_then_told_to_the_end(events, views, [call, again], CrashError)
