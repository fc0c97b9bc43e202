"""Every command the README shows is run, in its order, as a newcomer would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds for any one command; `make run` may have to look at its set-up first."""

NOT_RUN_HERE = {"make test"}
"""This test is part of it."""


def commands() -> list[str]:
    """Return the README's commands in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def state() -> Iterator[Path]:
    """A short state directory, as `.run` is."""
    path = Path(f"/tmp/so-readme-{os.getpid()}")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def adapted(command: str, state: Path) -> str:
    """Point a command to this test's state directory."""
    return command.replace("$PWD/.run", str(state)).replace(".run/run/", f"{state}/run/")


def wait_until_ready(state: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    url = "http://switchover/readyz"
    probe = ["curl", "-sf", "--retry", "20", "--retry-connrefused", "--unix-socket", f"{state}/run/control.sock", url]
    while subprocess.run(probe, check=False, capture_output=True).returncode:
        assert daemon.poll() is None, "make run ended"
        assert time.monotonic() < deadline, "make run did not become ready"


@pytest.mark.requirement("README-1")
@pytest.mark.timeout(180)
def test_every_command_of_the_readme_runs(state: Path) -> None:
    shown = [command for command in commands() if command not in NOT_RUN_HERE]
    assert shown[0] == "make run"
    daemon = subprocess.Popen(["make", "run", f"STATE={state}"], cwd=ROOT, start_new_session=True)
    try:
        wait_until_ready(state, daemon)
        exports = ""
        for command in shown[1:]:
            line = adapted(command, state)
            if line.startswith("export "):
                exports += line + "\n"
                continue
            done = subprocess.run(
                ["bash", "-ec", exports + line], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert daemon.wait(PATIENCE) == 0
    finally:
        if daemon.poll() is None:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(PATIENCE)


@pytest.mark.requirement("README-1")
def test_the_readme_names_no_command_that_is_not_a_make_target_or_a_verb() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "README.md").read_text()))
    assert named <= targets
