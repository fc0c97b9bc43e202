"""A running daemon stores a sample of every call, of its workers' processes, and of what others post."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected
from waiting import eventually

WORKER = Path(__file__).parents[1] / "workers" / "echo_worker.py"
CONFIG = """
[limits]
call_timeout = {}
[restart]
initial = 0.05
jitter = 0
[samples]
process_every = 0.1
"""


def rows(daemon: RunningDaemon, query: str) -> list[tuple[Any, ...]]:
    """Ask the file as a person would."""
    with closing(sqlite3.connect(f"file:{daemon.state_dir}/samples.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def stored(daemon: RunningDaemon, query: str, number: int) -> Callable[[], bool]:
    """Return whether so many rows are there by now."""
    return lambda: len(rows(daemon, query)) >= number


@pytest.mark.requirement("SAMPLE-1", "SAMPLE-5", "SAMPLE-8", "SAMPLE-9", "SAMPLE-10")
async def test_good_failing_lost_and_expired_calls_are_told_of_in_the_file(tmp_path: Path) -> None:
    with RunningDaemon.start([sys.executable, str(WORKER)], config=CONFIG.format(60)) as daemon:
        async with connected(daemon.tools_socket) as client:
            key = {"io.switchover/key": "mission-42"}
            await client.call("echo", {"text": "x"}, meta=key)
            await client.call("fail", meta=key)
            _give_calls(daemon, 0.4)
            assert "error" in await client.call("slow", {"seconds": 600})
            _give_calls(daemon, 60)
            assert "error" in await client.call("die")
            await client.call("echo", {"text": "again"})
        calls = "SELECT tool, outcome, key, generation, lane, duration, rollout FROM samples WHERE origin = 'call'"
        await eventually(stored(daemon, calls, 5))
        found = rows(daemon, calls)
        assert [(tool, outcome) for tool, outcome, *_ in found] == [
            ("echo", "ok"), ("fail", "error"), ("slow", "expired"), ("die", "lost"), ("echo", "ok"),
        ]  # fmt: skip
        keys = [key for _, _, key, *_ in found]
        assert keys[0] == keys[1] != keys[2]
        assert "mission" not in "".join(keys)
        assert {(generation, lane) for *_, generation, lane, _, _ in found} == {(1, "active")}
        assert all(duration >= 0 for *_, duration, _ in found)
        process = "SELECT metrics FROM samples WHERE origin = 'process' AND metrics LIKE '%cpu%'"
        await eventually(stored(daemon, process, 1))
        assert json.loads(rows(daemon, process)[0][0])["memory"] > 1 << 20
        _posts(daemon)
        _exports(daemon, tmp_path / "samples.jsonl")


def _give_calls(daemon: RunningDaemon, seconds: float) -> None:
    """Give the calls that begin from now on so long."""
    daemon.write_config(CONFIG.format(seconds))
    daemon.verb("reload")


def _posts(daemon: RunningDaemon) -> None:
    posted = [
        {"metric": "quality", "value": 91.5, "generation": 1, "key": "mission-42"},
        {"metric": "quality", "value": 90, "generation": 7},
    ]
    status, answer = daemon.control("POST", "/v1/samples", posted)  # type: ignore[arg-type]
    assert (status, answer["taken"]) == (200, 1)
    assert answer["left_out"] == ["1: generation 7 holds no lane"]


def _exports(daemon: RunningDaemon, file: Path) -> None:
    done = daemon.cli("samples", "export", "-o", str(file))
    assert done.returncode == 0, done.stderr
    header, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (header["type"], header["format"], header["version"]) == ("header", "switchover-samples", 1)
    assert {line["type"] for line in lines} == {"sample"}
    told = {(line.get("origin", "call"), line.get("outcome")) for line in lines}
    assert told >= {("call", "ok"), ("call", "error"), ("call", "lost"), ("call", "expired"), ("posted", None)}
    assert any(line.get("metrics") == {"quality": 91.5} for line in lines)
    shown = daemon.cli("samples")
    assert shown.returncode == 0, shown.stderr
    assert "GENERATION" in shown.stdout
    assert "60.0 %" in shown.stdout  # three of five calls failed
    assert daemon.cli("samples", "export", "--since", "yesterday", "-o", str(file)).returncode == 2
