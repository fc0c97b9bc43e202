"""A rollout whose daemon is killed with -9 while it rehearses: the next one rehearses anew and goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon, echo_worker
from rollout_daemon import begin, ended, until_at
from waiting import eventually

pytestmark = [pytest.mark.requirement("LIVE-2"), pytest.mark.timeout(240)]

CONFIG = """
[upgrade]
repeats = 1
spare_bytes = 0
suite = "{suite}"
"""
SUITE = '[[call]]\ntool = "slow"\narguments = {{ seconds = {seconds} }}\n'
HELD, QUICK = 600.0, 0.01
"""Seconds that the suite's one call takes: so that a rehearsal is under way for sure, or soon over."""
PLAN = """
[rehearsal]
build = false
test = false

[[steps]]
weight = 50
pause = "0.1s"
analysis = false

[bake]
health = "0.1s"
unlock = "0.1s"
"""


def report(daemon: RunningDaemon, run: str) -> dict[str, Any]:
    """Return what a rehearsal came to."""
    return dict(json.loads((daemon.state_dir / "upgrades" / run / "report.json").read_text()))


def is_asking(daemon: RunningDaemon, run: str) -> bool:
    """Tell whether a rehearsal has come to its calls."""
    progress = daemon.state_dir / "upgrades" / run / "progress.jsonl"
    return progress.exists() and "is asked" in progress.read_text()


async def test_a_rollout_killed_in_its_rehearsal_rehearses_anew_and_ends_well(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.format(seconds=HELD))
    with RunningDaemon.start(echo_worker(), config=CONFIG.format(suite=suite)) as daemon:
        await begin(daemon, PLAN, echo_worker("--version", "1"), id="r")
        await until_at(daemon, "r", ("rehearsing", "running", 0))
        await eventually(lambda: is_asking(daemon, "r"))
        daemon.kill9()
        suite.write_text(SUITE.format(seconds=QUICK))
        daemon.restart()
        over = await ended(daemon)
        assert (over["phase"], over["cause"]["what"]) == ("done", "done"), over["cause"]
        assert daemon.status()["lanes"] == {"active": 2}
        assert report(daemon, "r-2")["status"] == "ok"
        assert not (daemon.state_dir / "rehearsals").exists()
        assert not (daemon.state_dir / "upgrade.lock").exists()
