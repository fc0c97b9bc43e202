"""What a rehearsal, mirroring and the log leave below the state directory holds nobody's secrets: it is searched."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected
from rehearsal_parts import WORKERS, artifact, rehearsed, request, spec
from waiting import eventually

sys.path.insert(0, str(WORKERS))
from private_worker import BEARER, MARKS

WORKER = [sys.executable, "-S", str(WORKERS / "private_worker.py")]
SUITE = '[[call]]\ntool = "who"\n'


def holding(folder: Path) -> dict[str, list[str]]:
    """Return the files below a folder that hold something private, and what."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            body = path.read_bytes()
            if marks := [one for one in MARKS if one.encode() in body]:
                found[str(path.relative_to(folder))] = marks
    return found


@pytest.mark.requirement("REH-19")
def test_a_rehearsal_leaves_no_secret_and_nobodys_data_and_still_tells_what_changed(tmp_path: Path) -> None:
    state_dir = tmp_path / "s"
    (state_dir / "worker").mkdir(parents=True)
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    old, new = spec("private_worker.py", "--log"), spec("private_worker.py", "--log", "--more")
    for run in ("one", "two"):
        asked = request(state_dir, run, old, new, suite=str(suite), settings={"repeats": 2})
        assert rehearsed(asked) == 4, artifact(state_dir, run, "report")["message"]
        assert holding(state_dir) == {}
        paths = {one["path"].rpartition(".")[2] for one in artifact(state_dir, run, "shadow")["differences"]}
        assert {"email", "owner", "contact"} <= paths
    (kept,) = (state_dir / "analytics" / "shadow_profiles").iterdir()
    assert json.loads(kept.read_bytes())["cases"] == 2, "what the first run kept is known to the second"


@pytest.mark.requirement("REH-19")
async def test_mirroring_leaves_no_secret_and_nobodys_data() -> None:
    with RunningDaemon.start(WORKER, config="[mirror]\nlearn = 2\n") as daemon:
        async with connected(daemon.tools_socket) as client:
            daemon.verb("canary", command=[*WORKER, "--more"])
            daemon.verb("mirror", on=True)
            for _ in range(4):
                assert "error" not in await client.call("who", {})
        differences = daemon.state_dir / "analytics" / "mirror_differences.jsonl"
        await eventually(lambda: differences.exists() or None)
        assert json.loads(differences.read_text().splitlines()[0])["tool"] == "who"
        assert holding(daemon.state_dir) == {}


@pytest.mark.requirement("LOG-3")
async def test_what_a_worker_writes_to_stderr_is_logged_without_secrets_unless_that_is_turned_off() -> None:
    with RunningDaemon.start([*WORKER, "--log"], config="") as daemon:
        log = daemon.state_dir / "logs" / "switchover.jsonl"

        def answered(times: int) -> list[str]:
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            said = [one["line"] for one in lines if one["event"] == "stderr"]
            return said if len(said) >= times else []

        async with connected(daemon.tools_socket) as client:
            await client.call("who", {})
            (line,) = await eventually(lambda: answered(1))
            kinds = re.sub(r"<redacted:(\w+):[0-9a-f]{10}>", r"\1", line)
            assert kinds == "answered email asked with Bearer bearer and token"
            assert holding(daemon.state_dir) == {}
            daemon.write_config("[log]\nredact = false\n")
            assert daemon.verb("reload")["message"] == "changed: log.redact"
            await client.call("who", {})
            assert BEARER in (await eventually(lambda: answered(2)))[1]
