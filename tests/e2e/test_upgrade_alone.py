"""`switchover upgrade --rehearse --old COMMAND`: a nightly rehearsal where no daemon runs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from daemon import EXECUTABLE, FOREIGN, echo_worker

from orchestrator.domain.rehearsal import KILLED

pytestmark = pytest.mark.requirement("REH-17")

PATIENCE = 60.0
SUITE = 'repeats = 1\n[flags]\nPROMPT_MODE = "verbose"\n[[call]]\ntool = "echo"\narguments = { text = "a" }\n'
SLOW = '[[call]]\ntool = "slow"\narguments = { seconds = 600 }\n'
OLD = shlex.join(echo_worker("--version", "1"))


def begun(home: Path, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Begin a rehearsal of the echo worker's version 2."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return subprocess.Popen(
        [EXECUTABLE, "upgrade", "--rehearse", "--old", OLD, "--state-dir", str(home / "s"), *words],
        env={**own, "SWITCHOVER_UPGRADE__SPARE_BYTES": "0", **(variables or {})},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def asking(home: Path) -> subprocess.Popen[str]:
    """Begin a rehearsal whose first process does not answer, and return when that is asked."""
    (home / "suite.toml").write_text(SLOW)
    running = begun(home, "--id", "one", "--suite", "suite.toml", "--", *echo_worker())
    assert running.stdout is not None
    for line in running.stdout:
        if "control 1 is asked" in line:
            break
    return running


def test_a_harness_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    running = asking(tmp_path)
    os.kill(json.loads((tmp_path / "s" / "upgrade.lock").read_text())["pid"], signal.SIGKILL)
    said, _ = running.communicate(timeout=PATIENCE)
    assert (running.returncode, said.splitlines()[-1]) == (1, KILLED)


def test_a_nightly_run_warns_of_differences_and_fails_on_a_broken_build(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    new = ["--suite", "suite.toml", "--", *echo_worker("--version", "2")]
    nightly = begun(tmp_path, "--nightly", "--id", "night", *new)
    said, _ = nightly.communicate(timeout=PATIENCE)
    assert nightly.returncode == 0, said
    assert said.splitlines()[-1] == "[upgrade] Completed with warnings (review noted shadow differences)."
    folder = tmp_path / "s" / "upgrades" / "night"
    assert {path.stem for path in folder.glob("*.json")} == {"preflight", "steps", "shadow", "promotion_plan", "report"}
    shadow = json.loads((folder / "shadow.json").read_text())
    assert (shadow["count"], shadow["flags"], "active" in shadow["calls"][0]) == (1, {"PROMPT_MODE": "verbose"}, False)

    (tmp_path / "code").mkdir()
    broken = {"SWITCHOVER_UPGRADE__BUILD": "false"}
    failed = begun(tmp_path, "--nightly", "--allow-dirty", "--source", "code", *new, variables=broken)
    said, _ = failed.communicate(timeout=PATIENCE)
    assert (failed.returncode, "[upgrade] Failed in build" in said) == (1, True), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_clears_up_and_what_cannot_be_used_is_refused_in_words(
    tmp_path: Path, number: int
) -> None:
    running = asking(tmp_path)
    running.send_signal(number)
    said, _ = running.communicate(timeout=PATIENCE)
    assert (running.returncode, "it was cancelled" in said) == (1, True), said
    assert not (tmp_path / "s" / "rehearsals").exists()
    assert not (tmp_path / "s" / "upgrade.lock").exists()
    refused = begun(tmp_path, "--id", "one", "--", *echo_worker())
    said, _ = refused.communicate(timeout=PATIENCE)
    assert (refused.returncode, "there is a rehearsal one already" in said) == (1, True), said
