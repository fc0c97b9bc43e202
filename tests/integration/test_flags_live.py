"""Live flags through a real daemon: set, seen, acknowledged, edited by hand, declared anew, and outlived.

One daemon for the module.  Its worker reads flags through the kit; the tests ask over the control API what people ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from daemon import WORKERS, RunningDaemon, echo_worker
from jsonrpc_client import connected, told
from waiting import PATIENCE, eventually

REGISTRY = """
[flags.MODE]
type = "enum"
values = ["compact", "verbose"]
default = "compact"
safe = "compact"

[flags.POOL]
type = "bool"
default = false
safe = false
prerequisites = [{ flag = "MODE", values = ["verbose"] }]

[flags.RATE]
type = "float"
default = 0.5
safe = 0.0
"""
MORE = """
[flags.LIMIT]
type = "int"
default = 7
safe = 1
"""
CONFIG = '[flags]\nfile = "flags.toml"\n[worker.stop_grace]\nclose_stdin = 0.2\nterminate = 0.5\n'


def flag_worker(*options: str) -> list[str]:
    """Return the command of the worker that reads flags."""
    return [sys.executable, str(WORKERS / "live_flags_worker.py"), *options]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the registry file."""
    path = tmp_path_factory.mktemp("registry") / "flags.toml"
    path.write_text(REGISTRY)
    return path


@pytest.fixture(scope="module")
def daemon(registry: Path) -> Iterator[RunningDaemon]:
    with RunningDaemon.start(flag_worker(), config=CONFIG.replace("flags.toml", str(registry))) as running:
        yield running


async def ask(daemon: RunningDaemon, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Ask the control API without holding up the loop."""
    return await asyncio.to_thread(daemon.control, method, f"/v1/flags{path}", body)


async def put(daemon: RunningDaemon, texts: dict[str, str], **more: Any) -> dict[str, Any]:
    """Set flags and return the answer."""
    status, answer = await ask(daemon, "POST", "", {"texts": texts, **more})
    assert status == 200, answer
    return dict(answer)


async def value_of(daemon: RunningDaemon, key: str) -> Any:
    """Return a flag's value as the daemon tells it."""
    status, answer = await ask(daemon, "GET", f"/{key}")
    assert status == 200, answer
    return answer["value"]


async def seen_by_worker(daemon: RunningDaemon, *keys: str) -> dict[str, Any]:
    """Return what the active worker reads now."""
    async with connected(daemon.tools_socket) as client:
        return dict(told(await client.call("flags", {"keys": list(keys)})))


def edit(daemon: RunningDaemon, key: str, text: str) -> None:
    """Change a row of `settings` as a person with a shell does."""
    with closing(sqlite3.connect(daemon.state_dir / "orchestrator.db")) as connection, connection:
        assert connection.execute("UPDATE settings SET val = ? WHERE key = ?", (text, key)).rowcount == 1


def declare(registry: Path, text: str) -> None:
    """Write the registry file."""
    registry.write_text(text)


def spoil(path: Path) -> None:
    """Damage a database beyond repair."""
    data = bytearray(path.read_bytes())
    data[: len(data) // 2] = b"?" * (len(data) // 2)
    path.write_bytes(data)


def row(daemon: RunningDaemon, key: str) -> str:
    """Return a row of `settings` as the troubleshooting page reads it."""
    with closing(sqlite3.connect(daemon.state_dir / "orchestrator.db")) as connection:
        ((val,),) = connection.execute("SELECT val FROM settings WHERE key = ?", (key,)).fetchall()
    return str(val)


@contextlib.contextmanager
def outsider(daemon: RunningDaemon) -> Iterator[subprocess.Popen[str]]:
    """Run a reader that is no worker of the daemon's and outlives it."""
    page = daemon.state_dir / "run" / "flags" / "live"
    process = subprocess.Popen(
        flag_worker("--version", "outside"),
        env=daemon.environment({"SWITCHOVER_FLAGS": str(page)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=PATIENCE)


def read_outside(process: subprocess.Popen[str], tool: str = "flags", **arguments: Any) -> dict[str, Any]:
    """Ask the outsider."""
    assert process.stdin is not None
    assert process.stdout is not None
    params = {"name": tool, "arguments": arguments}
    print(json.dumps({"id": 1, "method": "tools/call", "params": params}), file=process.stdin, flush=True)
    answer = json.loads(process.stdout.readline())["result"]
    assert not answer["isError"], answer
    return dict(answer["structuredContent"])


@pytest.mark.requirement("FLAG-37", "FLAG-34")
async def test_a_set_that_waits_returns_when_the_worker_has_applied_it(daemon: RunningDaemon) -> None:
    await eventually(lambda: daemon.status()["flags"]["readers"])
    answer = await put(daemon, {"MODE": "verbose", "RATE": "0.25"}, wait=True, timeout=PATIENCE, reason="try it")
    seen = await seen_by_worker(daemon, "MODE", "RATE", "POOL")
    assert seen["values"] == {"MODE": "verbose", "RATE": 0.25, "POOL": False}
    assert (seen["version"], seen["trouble"]) == (answer["version"], None)
    applied = answer["applied"]
    assert (applied["late"], applied["silent"]) == ([], [])
    assert [(one["pid"], one["generation"], one["applied"]) for one in applied["readers"]] == [
        (seen["pid"], 1, answer["version"])
    ]
    assert row(daemon, "MODE") == "verbose"
    assert daemon.status()["flags"] == {"version": answer["version"], "readers": 1, "late": [], "trouble": None}
    await put(daemon, {"MODE": "compact"})


@pytest.mark.requirement("FLAG-37")
async def test_who_is_late_and_who_never_spoke_is_named(daemon: RunningDaemon) -> None:
    daemon.verb("canary", command=echo_worker())
    with socket.socket(socket.AF_UNIX) as lazy:
        lazy.connect(str(daemon.state_dir / "run" / "flags" / "live.sock"))
        hello = {"pid": 1, "generation": 77, "role": "serving", "version": 0, "forced": {}}
        lazy.sendall(json.dumps({"hello": hello}).encode() + b"\n")
        await eventually(lambda: daemon.status()["flags"]["readers"] == 2)
        answer = await put(daemon, {"MODE": "verbose"}, wait=True, timeout=0.2)
    assert [one["generation"] for one in answer["applied"]["late"]] == [77]
    canary = daemon.status()["lanes"]["canary"]
    assert [one["generation"] for one in answer["applied"]["silent"]] == [canary]
    await eventually(lambda: daemon.status()["flags"]["readers"] == 1)
    daemon.verb("canary/stop")
    await put(daemon, {"MODE": "compact"})


@pytest.mark.requirement("FLAG-36")
async def test_an_edit_by_hand_reaches_the_worker_with_the_databases_name_on_it(daemon: RunningDaemon) -> None:
    async with connected(daemon.tools_socket) as client:
        waiting = client.begin("until", {"key": "MODE", "value": "verbose"})
        edit(daemon, "MODE", "verbose")
        assert told(await client.answer(waiting))["values"] == {"MODE": "verbose"}
    _, history = await ask(daemon, "GET", "/MODE/history?limit=1")
    ((change),) = history["changes"]
    assert (change["actor"], change["cause"], change["after"]) == ("database", "database", "verbose")


@pytest.mark.requirement("FLAG-36")
async def test_an_edit_by_hand_that_may_not_be_is_put_right_and_said(daemon: RunningDaemon) -> None:
    before = await value_of(daemon, "MODE")
    edit(daemon, "MODE", "loud")
    await eventually(lambda: row(daemon, "MODE") == before)
    (said,) = await eventually(lambda: daemon.log("edit of the table settings refused"))
    assert said["reason"] == 'MODE cannot be "loud"; allowed: "compact", "verbose"'
    assert await value_of(daemon, "MODE") == before


@pytest.mark.requirement("FLAG-41")
async def test_a_reload_takes_a_changed_registry_over_and_refuses_a_broken_one(
    daemon: RunningDaemon, registry: Path
) -> None:
    await put(daemon, {"RATE": "0.75"})
    declare(registry, REGISTRY + MORE)
    daemon.signal(signal.SIGHUP)
    async with connected(daemon.tools_socket) as client:
        answer = await client.call("until", {"key": "LIMIT", "value": 7})
        assert told(answer)["values"] == {"LIMIT": 7}
    declare(registry, REGISTRY + "[flags.LIMIT\n")
    status, refused = await asyncio.to_thread(daemon.control, "POST", "/v1/reload", {})
    assert status == 409
    assert "flags.toml:18: is not valid TOML" in refused["reason"]
    assert (await seen_by_worker(daemon, "LIMIT", "RATE"))["values"] == {"LIMIT": 7, "RATE": 0.75}
    declare(registry, REGISTRY + MORE.replace('type = "int"', 'type = "bool"'))
    assert daemon.verb("reload")["message"].startswith("changed: flag LIMIT answers nothing: default: is ")
    declare(registry, REGISTRY + MORE)
    assert daemon.verb("reload")["message"] == "changed: flag LIMIT can be used again"
    declare(registry, REGISTRY)
    assert daemon.verb("reload")["message"] == "changed: flag LIMIT is gone"
    await eventually(lambda: daemon.control("GET", "/v1/flags/LIMIT")[0] == 404)


@pytest.mark.requirement("FLAG-40", "FLAG-44")
async def test_a_process_that_outlives_its_daemon_answers_safe_values_until_there_is_one_again(
    daemon: RunningDaemon,
) -> None:
    await put(daemon, {"MODE": "verbose", "RATE": "0.25"})
    version = daemon.status()["flags"]["version"]
    with outsider(daemon) as process:
        live = {"MODE": "verbose", "RATE": 0.25}
        assert read_outside(process, keys=[*live])["values"] == live
        daemon.kill9()
        gone = await asyncio.to_thread(read_outside, process, "until", key="MODE", value="compact")
        assert gone["trouble"]
        assert read_outside(process, keys=["RATE"])["values"] == {"RATE": 0.0}
        daemon.restart()
        back = await asyncio.to_thread(read_outside, process, "until", key="MODE", value="verbose")
        assert (back["trouble"], back["version"]) == (None, version)
        assert read_outside(process, keys=[*live])["values"] == live
    assert (await seen_by_worker(daemon, "MODE"))["values"] == {"MODE": "verbose"}


@pytest.mark.requirement("FLAG-24", "FLAG-40", "FLAG-73")
async def test_a_damaged_database_is_said_and_kept_aside_and_flags_begin_safe_and_above_what_was_seen(
    daemon: RunningDaemon,
) -> None:
    await put(daemon, {"MODE": "verbose", "RATE": "0.125"})
    version = daemon.status()["flags"]["version"]
    daemon.stop()
    spoil(daemon.state_dir / "orchestrator.db")
    daemon.restart()
    status = daemon.status()
    assert "orchestrator.db was damaged and set aside as orchestrator.db." in status["trouble"]
    assert status["flags"]["version"] > version
    seen = await seen_by_worker(daemon, "MODE", "RATE")
    assert (seen["values"], seen["version"]) == ({"MODE": "compact", "RATE": 0.0}, status["flags"]["version"])
