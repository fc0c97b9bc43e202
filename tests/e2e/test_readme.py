"""Every command the README shows is run, in its order, as a newcomer would."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 100.0
"""Seconds for any one command; `make run` may have to look at its set-up first, and a rollout takes a while."""
PAUSE = 0.1
"""Seconds between two questions, so that it is not the asking that keeps the machine busy."""

NOT_RUN_HERE = {"make test", "make demo"}
"""This test is part of the first; the second has a test of its own."""
FOLLOWS = {"switchover status --watch"}
"""They end with Ctrl-C."""
QUICKLY = {"SWITCHOVER_UPGRADE__REPEATS": "1"}
"""Two versions asked once, not five times, are rehearsed within seconds."""


def commands() -> list[str]:
    """Return the README's commands in order, each with its here-document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    found = []
    for block in blocks:
        lines = iter(block.splitlines())
        for line in lines:
            command = line
            if here := re.search(r"<<'(\w+)'", line):
                while not command.endswith(f"\n{here[1]}"):
                    command += f"\n{next(lines)}"
            found.append(command)
    return [command for command in found if command.strip()]


@pytest.fixture
def state() -> Iterator[Path]:
    """A short state directory, as `.run` is."""
    path = Path(f"/tmp/so-readme-{os.getpid()}")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def adapted(command: str, state: Path) -> str:
    """Point a command to this test's state directory."""
    return re.sub(r"(?<![^\s=])(\$PWD/)?\.run(?=[/ ])", str(state), command)


def asked(state: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Ask the daemon; curl waits for its socket by itself."""
    socket = f"{state}/run/control.sock"
    probe = ["curl", "-sf", "--retry", "20", "--retry-connrefused", "--unix-socket", socket, f"http://switchover{path}"]
    return subprocess.run(probe, check=False, capture_output=True, text=True)


def wait_until_ready(state: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while asked(state, "/readyz").returncode:
        assert daemon.poll() is None, "make run ended"
        assert time.monotonic() < deadline, "make run did not become ready"
        select.select([], [], [], PAUSE)


def wait_until_on_trial(state: Path) -> None:
    """Wait as whoever types does: until the version of a rollout has its first calls."""
    deadline = time.monotonic() + PATIENCE
    while not json.loads(asked(state, "/v1/status").stdout)["weight"]:
        assert time.monotonic() < deadline, "the new version got no calls"
        select.select([], [], [], PAUSE)


def run(line: str, *, follows: bool) -> tuple[int, str]:
    """Run a line as a shell does; one that follows gets its Ctrl-C once it has shown something."""
    with subprocess.Popen(
        ["bash", "-ec", line],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            shown = ""
            if follows:
                assert process.stdout is not None
                shown = process.stdout.readline()
                os.killpg(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=PATIENCE)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, shown + rest


@pytest.mark.requirement("README-1")
@pytest.mark.timeout(400)
def test_every_command_of_the_readme_runs(state: Path) -> None:
    shown = [command for command in commands() if command not in NOT_RUN_HERE]
    assert shown[0] == "make run"
    daemon = subprocess.Popen(
        ["make", "run", f"STATE={state}"], cwd=ROOT, start_new_session=True, env={**os.environ, **QUICKLY}
    )
    try:
        wait_until_ready(state, daemon)
        exports = ""
        for command in shown[1:]:
            line = adapted(command, state)
            if line.startswith("export "):
                exports += line + "\n"
                continue
            status, said = run(exports + line, follows=command in FOLLOWS)
            assert status == 0, f"{command}\n{said}"
            if "upgrade" in command and "--detach" in command:
                wait_until_on_trial(state)
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
