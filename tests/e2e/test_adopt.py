"""Every command of docs/adopt.md is run, in its order, as an author would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adopt.md"
PATIENCE = 60.0
"""Seconds for any one block of commands."""
READY = (
    "curl -sf --retry 200 --retry-delay 0 --retry-all-errors --retry-max-time 20 "
    "--unix-socket $SWITCHOVER_STATE_DIR/run/control.sock http://switchover/readyz"
)


def blocks() -> list[str]:
    """Return the page's blocks of commands in order."""
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def state() -> Iterator[Path]:
    """A short state directory."""
    path = Path(f"/tmp/so-adopt-{os.getpid()}")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.requirement("KIT-4")
@pytest.mark.timeout(180)
def test_every_command_of_the_page_runs(state: Path) -> None:
    first, *others = blocks()
    export, serve = first.strip().replace("$PWD/.run/adopt", str(state)).splitlines()
    assert serve.startswith("switchover serve -- ")
    daemon = subprocess.Popen(["bash", "-ec", f"{export}\nexec {serve}"], cwd=ROOT, start_new_session=True)
    said = []
    try:
        for block in [READY, *others]:
            script = f"{export}\n{block}"
            done = subprocess.run(
                ["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
            said.append(done.stdout)
        assert daemon.wait(PATIENCE) == 0
    finally:
        if daemon.poll() is None:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(PATIENCE)
    told = "\n".join(said)
    assert "Water the plants, feed the cat, take the" in told
    assert "notes_export is refused: this process is a dry run" in told
    assert "io.switchover/metrics" in told
