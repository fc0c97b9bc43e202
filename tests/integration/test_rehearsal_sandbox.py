"""A dry run holds: what a rehearsed process may not do it cannot, by either means, and what it tried is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from rehearsal_parts import wanted
from waiting import alive

from orchestrator.rehearsal.bounds import Kind, Means
from orchestrator.rehearsal.processes import Started, started
from orchestrator.rehearsal.samples import Answer
from orchestrator.rehearsal.sandbox import Hold, find_hold

PATIENCE = 60.0
KERNEL = "/proc/sys/kernel/panic"
"""A setting of the whole machine that takes a number only, so that a text does no harm where it gets through."""


@pytest.fixture(scope="module", params=[Means.BUBBLEWRAP, Means.LANDLOCK])
def hold(request: pytest.FixtureRequest) -> Hold:
    found = find_hold([request.param])
    assert found.means is request.param, "both means are there where the tests run"
    assert found.whole
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("as it was")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    return folder


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock"))
        listening.listen()
        yield listening


async def tried(process: Started, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Call a tool; return whether it worked, and what it said."""
    answered = await process.client.call(tool, arguments, PATIENCE)
    assert answered.answer is Answer.RESULT, answered
    result = json.loads(answered.body)
    return not result["isError"], result["content"][0]["text"]


def look(path: Path) -> tuple[str, int, int]:
    """Return what a file holds, its mode and when it was changed."""
    found = path.stat()
    return path.read_text(), found.st_mode, found.st_mtime_ns


@pytest.mark.requirement("REH-8")
async def test_a_process_writes_in_its_snapshot_and_its_own_place_for_temporary_files_only(
    hold: Hold, state: Path, outside: Path
) -> None:
    elsewhere, before = str(outside / "new"), look(outside / "file")
    with anyio.fail_after(PATIENCE):
        async with started(wanted(hold, state, "escaping_worker.py")) as process:
            assert (await tried(process, "write", path="inside"))[0]
            assert (await tried(process, "database"))[0]
            assert process.attempts() == []
            assert await tried(process, "write", path=elsewhere) == (False, "Permission denied")
            assert not (await tried(process, "write", path=f"link:{elsewhere}"))[0]
            for what in ("chmod", "unlink", "rename", "utime", "truncate"):
                assert not (await tried(process, "change", what=what, path=str(outside / "file")))[0], what
            assert not (await tried(process, "change", what="mkdir", path=elsewhere))[0]
            assert await tried(process, "write", path=KERNEL) == (False, "Permission denied")
            for other in ("self", "thread-self"):  # by a name of its own, which the kernel alone has to stop
                done, said = await tried(process, "write", path=f"/proc/{other}/root{KERNEL}")
                assert (done, said in {"Permission denied", "Read-only file system"}) == (False, True), said
            stopped = {(one.stopped.kind, one.stopped.target) for one in process.attempts()}
    told = {(Kind.FILE, elsewhere), (Kind.FILE, str(outside / "file")), (Kind.FILE, KERNEL)}
    assert {(kind, target) for kind, target in stopped if "/root/" not in target} == told
    assert look(state / "inside")[0] == "x"
    assert os.listdir(outside) == ["file"]  # noqa: PTH208 - names
    assert look(outside / "file") == before


@pytest.mark.requirement("REH-8")
async def test_a_process_reaches_nobody_over_the_network_or_by_a_socket_and_ends_no_other_process(
    hold: Hold, state: Path, tmp_path: Path, listener: socket.socket
) -> None:
    other = subprocess.Popen(  # noqa: ASYNC220 - it only waits
        [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    with socket.create_server(("127.0.0.1", 0)) as server, anyio.fail_after(PATIENCE):
        port = server.getsockname()[1]
        async with started(wanted(hold, state, "escaping_worker.py")) as process:
            assert await tried(process, "connect", host="127.0.0.1", port=port) == (False, "Network is unreachable")
            assert not (await tried(process, "datagram", host="192.0.2.1", port=53))[0]
            assert not (await tried(process, "unix", path=str(tmp_path / "sock")))[0]
            assert not (await tried(process, "kill", pid=other.pid))[0]
            seen = {(one.stopped.kind, one.stopped.target) for one in process.attempts()}
    assert (Kind.NETWORK, f"127.0.0.1:{port}") in seen
    assert (Kind.SOCKET, str(tmp_path / "sock")) in seen
    assert [kind for kind, _ in seen].count(Kind.NETWORK) == 2
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert alive(other.pid)
    other.communicate()


@pytest.mark.requirement("REH-8")
async def test_the_network_is_there_where_it_is_allowed(hold: Hold, state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, anyio.fail_after(PATIENCE):
        port = server.getsockname()[1]
        async with started(wanted(hold, state, "escaping_worker.py", network=True)) as process:
            assert (await tried(process, "connect", host="127.0.0.1", port=port))[0]
            assert process.attempts() == []


@pytest.mark.requirement("REH-8")
async def test_a_process_talks_to_itself_where_it_has_a_network_of_its_own(state: Path) -> None:
    own = find_hold([Means.BUBBLEWRAP])
    with anyio.fail_after(PATIENCE):
        async with started(wanted(own, state, "escaping_worker.py")) as process:
            assert await tried(process, "listen") == (True, "heard myself")
            assert process.attempts() == []


@pytest.mark.requirement("REH-8")
def test_without_any_means_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    none = find_hold([])
    assert none.means is Means.NONE
    assert not none.whole
    assert "nothing holds" in none.words
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert find_hold([Means.BUBBLEWRAP]).means is Means.NONE
