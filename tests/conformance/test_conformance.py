"""The official MCP conformance suite, against whatever stands in front of the fixture server.

The same scenarios have to pass through each front: what the fixture passes directly passes through the daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import pytest
from front import through_the_daemon, through_the_daemon_switching
from suite import HANDSHAKE, STABLE, STATELESS, Run, failing, fixture_over_http, run_suite, warned

Front = Callable[[], AbstractAsyncContextManager[str]]
"""Gives a URL that leads to the fixture, for as long as the context lasts."""

FRONTS: Final[dict[str, Front]] = {
    "directly": fixture_over_http,
    "through the daemon": through_the_daemon,
    "through the daemon, switching": through_the_daemon_switching,
}

RUNS: Final = [
    pytest.param(STABLE, id="stable", marks=pytest.mark.requirement("CONF-1")),
    pytest.param(HANDSHAKE, id="2025-11-25", marks=pytest.mark.requirement("CONF-2")),
    pytest.param(STATELESS, id="2026-07-28", marks=pytest.mark.requirement("CONF-3")),
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("run", RUNS)
async def test_every_scenario_of_the_official_suite_passes(front: str, run: Run) -> None:
    async with FRONTS[front]() as url:
        outcomes = await run_suite(url, run)
    assert failing(outcomes) == {}
    assert warned(outcomes) == {}
    assert len(outcomes) == run.scenarios
