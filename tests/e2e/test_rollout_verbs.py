"""Rollouts from the shell against a real daemon and real workers: one goes all the way, one is taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from daemon import RunningDaemon, echo_worker
from waiting import eventually

PLAN = """
[rehearsal]
run = false

[[steps]]
weight = 50
pause = "until resumed"

[bake]
health = 0
unlock = 0
mirror = false
"""


async def begun(daemon: RunningDaemon, plan: Path, version: str) -> str:
    """Begin a rollout of a version and wait for its first step; return what was said."""
    words = ("upgrade", "--plan", str(plan), "--force-plan", "--id", f"to-{version}", "--detach", "--")
    completed = daemon.cli(*words, *echo_worker("--version", version))
    assert completed.returncode == 0, completed
    await eventually(lambda: daemon.status()["weight"] == 50)
    return completed.stdout


def followed(daemon: RunningDaemon, run: str) -> subprocess.CompletedProcess[str]:
    """Follow a rollout to its end."""
    return daemon.cli("upgrade", "--follow", run)


@pytest.mark.requirement("VERB-8", "VERB-10")
async def test_one_rollout_goes_all_the_way_and_one_is_taken_back_and_quarantined(tmp_path: Path) -> None:
    plan = tmp_path / "short.toml"
    plan.write_text(PLAN)
    with RunningDaemon.start(echo_worker("--version", "1")) as daemon:
        assert (await begun(daemon, plan, "2")).startswith("rollout to-2: start: generation 2 is being started")
        shown = daemon.cli("status").stdout
        assert "step 1 of 1 (50 %): generation 2 has its share of the calls" in shown
        assert "weight 50 % to generation 2" in shown
        drilled = daemon.cli("drill", "--yes", "--hold", "0.1")
        assert (drilled.returncode, "0 astray; all is as it was" in drilled.stdout) == (0, True), drilled
        assert daemon.status()["weight"] == 50
        assert daemon.control("POST", "/v1/rollout/resume", {})[0] == 200
        assert followed(daemon, "to-2").returncode == 0
        assert daemon.status()["lanes"] == {"active": 2}

        await begun(daemon, plan, "3")
        assert daemon.control("POST", "/v1/rollout/abort", {"reason": "a hunch"})[0] == 200
        over = followed(daemon, "to-3")
        assert (over.returncode, "went back" in over.stderr, "a hunch" in over.stderr) == (1, True, True), over
        assert daemon.status()["lanes"] == {"active": 2}
        again = daemon.cli("upgrade", "--plan", str(plan), "--force-plan", "--", *echo_worker("--version", "3"))
        assert (again.returncode, "this version is quarantined" in again.stderr) == (1, True), again
        steps = daemon.control("GET", "/v1/rollout/history")[1]["steps"]
        begins = [words for step in steps for words in step["words"] if "begins" in words]
        assert [words.partition(" begins")[0] for words in begins] == ["rollout to-3", "rollout to-2"]
