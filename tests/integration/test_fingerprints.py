"""A generation is what it was made of: changed files are flagged or refused, a private copy is not touched by them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import WORKERS, eventually

NO_WORKER = -31011
QUICK = "[restart]\ninitial = 0.02\ncap = 0.2\njitter = 0\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A worker's own file, in a directory of its own."""
    folder = tmp_path / "code"
    folder.mkdir()
    return Path(shutil.copy(WORKERS / "async_worker.py", folder / "worker.py"))


ORIGINAL = (WORKERS / "async_worker.py").read_text()


def edit(script: Path, version: str) -> None:
    """Change a worker's file so that it says another version."""
    script.write_text(ORIGINAL.replace("VERSION = sys.argv[1]", f'VERSION = "{version}"; sys.argv[1]', 1))


def restore(script: Path) -> None:
    """Undo all changes."""
    script.write_text(ORIGINAL)


def active(daemon: RunningDaemon) -> dict[str, Any]:
    """Return what status says of the active generation."""
    found: dict[str, Any] = next(each for each in daemon.status()["generations"] if each["lane"] == "active")
    return found


async def kill_and_wait(daemon: RunningDaemon) -> None:
    """Kill the active worker and wait until the next one serves."""
    restarts = active(daemon)["restarts"]
    os.kill(active(daemon)["pid"], signal.SIGKILL)
    await eventually(lambda: active(daemon)["restarts"] > restarts and active(daemon)["standing"] == "ready")


@pytest.mark.requirement("GEN-2")
async def test_a_respawn_from_changed_files_is_flagged_in_status_and_log(script: Path) -> None:
    with RunningDaemon.start([sys.executable, str(script), "1"], config=QUICK) as daemon:
        assert active(daemon)["fingerprint_changed"] is False
        await kill_and_wait(daemon)
        assert active(daemon)["fingerprint_changed"] is False
        edit(script, "edited")
        await kill_and_wait(daemon)
        assert active(daemon)["fingerprint_changed"] is True
        assert daemon.log("the generation's files changed since it was made")
        daemon.restart()
        assert active(daemon)["fingerprint_changed"] is True
        restore(script)
        await kill_and_wait(daemon)
        assert active(daemon)["fingerprint_changed"] is False


@pytest.mark.requirement("GEN-2")
async def test_strictly_changed_files_are_refused_until_they_are_restored(script: Path) -> None:
    config = f"{QUICK}intensity = 2\n[worker]\nstrict_fingerprint = true\n"
    with RunningDaemon.start([sys.executable, str(script), "1"], config=config) as daemon:
        edit(script, "edited")
        os.kill(active(daemon)["pid"], signal.SIGKILL)
        await eventually(lambda: "strict_fingerprint" in active(daemon)["note"] and "loop" in active(daemon)["note"])
        async with connected(daemon.tools_socket) as client:
            refused = await client.call("echo")
            assert refused["error"]["code"] == NO_WORKER
            assert "strict_fingerprint" in refused["error"]["data"]["reason"]
            restore(script)
            await eventually(lambda: active(daemon)["standing"] == "ready")
            assert told(await client.call("echo"))["version"] == "1"


@pytest.mark.requirement("GEN-2", "GEN-1")
async def test_a_private_copy_is_run_whatever_happens_to_the_source(script: Path) -> None:
    config = f'{QUICK}[worker]\nsource = "{script.parent}"\n'
    with RunningDaemon.start([sys.executable, str(script), "1"], config=config) as daemon:
        edit(script, "2")
        await kill_and_wait(daemon)
        async with connected(daemon.tools_socket) as client:
            assert told(await client.call("echo"))["version"] == "1"
            assert active(daemon)["fingerprint_changed"] is False
            daemon.verb("canary", command=[sys.executable, str(script), "x"])
            daemon.verb("switch")
            assert told(await client.call("echo"))["version"] == "2"
            shutil.rmtree(script.parent)
            await kill_and_wait(daemon)
            assert told(await client.call("echo"))["version"] == "2"
            daemon.verb("switch-back")
            assert told(await client.call("echo"))["version"] == "1"
        copies = daemon.state_dir / "generations"
        assert sorted(path.name for path in copies.iterdir()) == ["1", "2"]
        daemon.verb("canary/stop")
        await eventually(lambda: [path.name for path in copies.iterdir()] == ["1"])
        daemon.restart()
        assert active(daemon)["standing"] == "ready"
