"""The daemon's doors: a state directory, sockets and a configuration that cannot be used, or not any more."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected, told
from waiting import async_worker, bad_worker, eventually

WORKER = bad_worker("good")


def prepared(command: Sequence[str] = WORKER, config: str | None = None) -> RunningDaemon:
    """Return a daemon that has not been started yet; `restart` starts it."""
    return RunningDaemon(command, config, {}, None, ())


def refusal(daemon: RunningDaemon, status: int = 1) -> str:
    """Start a daemon that refuses to; return the one line it tells the person who started it."""
    daemon.restart(ready=False)
    assert daemon.wait_exit() == status, daemon.stderr()
    (line,) = [line for line in daemon.stderr().splitlines() if line.startswith("switchover: ")]
    assert "Traceback" not in daemon.stderr()
    return line


@pytest.mark.requirement("GEN-1")
def test_a_second_daemon_on_the_same_state_directory_is_refused_and_names_the_first() -> None:
    with RunningDaemon.start(WORKER) as daemon:
        second = daemon.cli("serve", "--state-dir", str(daemon.state_dir), "--", *WORKER)
        assert second.returncode == 1
        assert str(daemon.pid) in second.stderr
        assert str(daemon.state_dir) in second.stderr
        assert daemon.status()["generations"][0]["restarts"] == 0


@pytest.mark.requirement("GEN-1")
def test_a_socket_path_that_is_too_long_is_refused_before_anything_is_made() -> None:
    with prepared() as daemon:
        deep = daemon.home / ("d" * 60) / ("e" * 60)
        answer = daemon.cli("serve", "--state-dir", str(deep), "--", *WORKER)
        assert answer.returncode in {1, 2}
        assert "tools.sock" in answer.stderr
        assert "107" in answer.stderr
        assert "shorter --state-dir" in answer.stderr
        assert not deep.exists()


@pytest.mark.requirement("GEN-1")
async def test_stale_sockets_are_replaced_and_have_the_mode_they_should() -> None:
    with prepared() as daemon:
        daemon.tools_socket.parent.mkdir(parents=True)
        for path in (daemon.tools_socket, daemon.control_socket):
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(path))
        daemon.restart()
        async with connected(daemon.tools_socket) as client:
            assert "result" in await client.call("echo")
        assert stat.S_IMODE(daemon.tools_socket.stat().st_mode) == 0o660
        assert stat.S_IMODE(daemon.control_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE((daemon.state_dir / "journal.db").stat().st_mode) & 0o077 == 0


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("place", [".", "run"])
def test_a_file_in_a_directorys_place_is_refused_by_name(place: str) -> None:
    with prepared() as daemon:
        path = daemon.state_dir / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        daemon.restart(ready=False)
        assert daemon.wait_exit() in {1, 2}
        assert str(path) in daemon.stderr()
        assert path.read_text() == "mine"


async def test_a_file_in_the_log_directorys_place_costs_the_log_file_only() -> None:
    with prepared() as daemon:
        daemon.state_dir.mkdir()
        (daemon.state_dir / "logs").write_text("mine")
        daemon.restart()
        async with connected(daemon.tools_socket) as client:
            assert "result" in await client.call("echo")
        assert "log lines cannot be written" in daemon.stderr()


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Mount a small file system on a directory for as long as the block lasts."""
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.requirement("GEN-1")
def test_a_state_directory_that_cannot_be_written_is_refused() -> None:
    with prepared() as daemon, mounted(daemon.state_dir, "-o", "ro"):
        line = refusal(daemon)
        assert str(daemon.state_dir) in line
        assert "Read-only file system" in line


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.requirement("GEN-1")
def test_a_state_directory_that_is_full_at_the_start_is_refused() -> None:
    with prepared() as daemon, mounted(daemon.state_dir, "-o", "size=1m"):
        _fill(daemon.state_dir / "filler")
        line = refusal(daemon)
        assert str(daemon.state_dir) in line
        assert "No space left on device" in line


def _fill(file: Path) -> None:
    """Write until nothing more fits."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 65536)
    with file.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 512)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.requirement("GEN-1", "PROXY-2")
async def test_a_disk_that_fills_up_stops_changes_but_neither_calls_nor_a_retreat() -> None:
    with prepared(async_worker("1")) as daemon, mounted(daemon.state_dir, "-o", "size=8m"):
        daemon.restart()
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("switch")
        filler = daemon.state_dir / "filler"
        _fill(filler)
        async with connected(daemon.tools_socket) as client:
            assert told(await client.call("echo"))["version"] == "2"
            status, answer = daemon.control("POST", "/v1/canary", {"command": async_worker("3")})
            assert (status, "nothing was changed" in answer["reason"]) == (409, True)
            assert "full" in answer["reason"]
            assert "full" in daemon.status()["trouble"]
            daemon.verb("switch-back")
            assert daemon.status()["lanes"] == {"active": 1, "canary": 2}
            assert told(await client.call("echo"))["version"] == "1"
            revision = daemon.status()["revision"]
            filler.unlink()
            daemon.verb("weight", weight=100)
            assert told(await client.call("echo"))["version"] == "2"
            assert await eventually(lambda: daemon.status()["trouble"] is None)
        daemon.kill9()
        daemon.restart()
        assert daemon.status()["lanes"] == {"active": 1, "canary": 2}
        assert daemon.status()["revision"] > revision
        daemon.stop()


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    ("name", "damage"),
    [("journal.db", "overwritten"), ("orchestrator.db", "overwritten"), ("journal.db", "truncated")],
)
def test_a_damaged_file_is_set_aside_and_routing_is_rebuilt_from_the_other(name: str, damage: str) -> None:
    with RunningDaemon.start(async_worker("1")) as daemon:
        daemon.verb("canary", command=async_worker("2"))
        daemon.verb("weight", weight=30)
        before = daemon.status()
        daemon.kill9()
        _damage(daemon.state_dir / name, damage)
        daemon.restart()
        after = daemon.status()
        assert [after[part] for part in ("lanes", "weight")] == [before[part] for part in ("lanes", "weight")]
        assert after["revision"] >= before["revision"]
        if damage == "overwritten":
            told_of, kept = after["trouble"].split(" was damaged and set aside as ")
            assert told_of == name
            assert (daemon.state_dir / kept).read_bytes().startswith(b"no database")
        daemon.wait_standing()
        daemon.verb("switch")
        daemon.restart()
        assert daemon.status()["lanes"] == {"active": 2, "previous": 1}
        assert daemon.status()["trouble"] is None


def _damage(file: Path, how: str) -> None:
    """Spoil a database and what SQLite keeps beside it."""
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    if how == "overwritten":
        file.write_bytes(b"no database " * 4096)
    else:
        os.truncate(file, file.stat().st_size // 2)


BAD_SETTINGS = [
    ("[limits]\n\ncall_timeout = 'soon'\n", ":3: ", "limits.call_timeout"),
    ("[limits]\ncall_timeuot = 5\n", ":2: ", "limits.call_timeuot"),
    ("[worker]\ncommand = [1, 2]\n", ":2: ", "worker.command"),
    ("[limits\n", ":1", ""),
]


@pytest.mark.requirement("SIG-1")
@pytest.mark.parametrize(("text", "place", "key"), BAD_SETTINGS)
def test_a_bad_configuration_ends_the_start_with_file_and_line(text: str, place: str, key: str) -> None:
    with prepared(config=text) as daemon:
        daemon.restart(ready=False)
        assert daemon.wait_exit() in {1, 2}
        assert f"switchover.toml{place}" in daemon.stderr()
        assert key in daemon.stderr()
        assert not daemon.state_dir.exists()


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("name", ["tools.sock", "control.sock"])
def test_a_file_in_a_sockets_place_is_left_alone_and_refused(name: str) -> None:
    with prepared() as daemon:
        place = daemon.state_dir / "run" / name
        place.parent.mkdir(parents=True)
        place.write_text("mine")
        line = refusal(daemon)
        assert str(place) in line
        assert "not a socket" in line
        assert place.read_text() == "mine"


@pytest.mark.requirement("GEN-1")
def test_a_socket_on_which_somebody_else_answers_is_refused() -> None:
    with prepared() as daemon, socket.socket(socket.AF_UNIX) as other:
        daemon.tools_socket.parent.mkdir(parents=True)
        other.bind(str(daemon.tools_socket))
        other.listen()
        line = refusal(daemon)
        assert f"another daemon listens on {daemon.tools_socket}" in line


def test_nothing_to_serve_is_said_with_what_to_do() -> None:
    with prepared(command=()) as daemon:
        assert "switchover serve -- COMMAND" in refusal(daemon)


def test_an_unknown_group_is_said_with_the_settings_name() -> None:
    with prepared(config='[sockets]\ngroup = "no-such-group"\n') as daemon:
        line = refusal(daemon)
        assert "no-such-group" in line
        assert "sockets.group" in line
