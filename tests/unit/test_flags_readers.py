"""The push socket: who has applied which version, and readers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flags_story import NOON, World, declare, flag
from waiting import eventually

from orchestrator.flags import reading
from orchestrator.flags.told import WorkerSeen

DECLARED = declare(flag("MODE"), flag("OTHER"))
PATIENCE = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@dataclass
class Peer:
    """A reader as the daemon meets it: a socket and nothing else."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, message: Any) -> None:
        """Send a line."""
        self.writer.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def greet(self, version: int = 0, **about: Any) -> None:
        """Say who it is."""
        said = {"pid": os.getpid(), "generation": 3, "role": "serving", "version": version, "forced": {}, **about}
        self.say({"hello": said})

    async def told(self) -> Any:
        """Return what the daemon says next, None when it hangs up."""
        async with asyncio.timeout(PATIENCE):
            try:
                line = await self.reader.readline()
            except ConnectionError:
                return None
        return json.loads(line) if line else None


@contextlib.asynccontextmanager
async def peer(world: World, view: str = "live") -> AsyncIterator[Peer]:
    """Connect to a view's push socket."""
    streams = await asyncio.open_unix_connection(str(world.folder / "flags" / f"{view}.sock"))
    try:
        yield Peer(*streams)
    finally:
        streams[1].transport.abort()
        with contextlib.suppress(ConnectionError):
            await streams[1].wait_closed()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    """Run a service."""
    world = World(folder, DECLARED)
    await world.service.start()
    try:
        yield world
    finally:
        await world.service.close()


@pytest.mark.requirement("FLAG-37")
async def test_a_reader_is_told_the_version_and_counts_as_late_until_it_has_applied_it(folder: Path) -> None:
    async with running(folder) as world, peer(world) as quick, peer(world) as slow:
        for one in (quick, slow):
            one.greet(version=1)
            assert await one.told() == {"version": 1}
        await world.service.set({"MODE": "on"}, actor="ann")
        assert [await one.told() for one in (quick, slow)] == [{"version": 2}] * 2
        waiting = asyncio.ensure_future(world.service.applied(timeout=PATIENCE))
        quick.say({"applied": 2, "read": ["MODE", "NONE"]})
        late = await world.service.applied(timeout=0.05)
        assert [(one.pid, one.generation, one.applied) for one in late.late] == [(os.getpid(), 3, 1)]
        slow.say({"applied": 2, "read": []})
        async with asyncio.timeout(PATIENCE):
            applied = await waiting
        assert (applied.version, len(applied.readers), applied.late) == (2, 2, ())
        assert world.service.readers.read_at() == {"MODE": NOON}
        assert world.service.view("MODE").read_at == NOON


@pytest.mark.requirement("FLAG-37")
async def test_a_reader_that_goes_is_waited_for_no_longer(folder: Path) -> None:
    async with running(folder) as world:
        async with peer(world) as one:
            one.greet()
            assert await one.told() == {"version": 1}
            waiting = asyncio.ensure_future(world.service.applied(timeout=60))
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).readers == ()


@pytest.mark.requirement("FLAG-37")
async def test_a_worker_that_never_connected_is_silent_and_one_whose_child_did_is_not(folder: Path) -> None:
    async with running(folder) as world, peer(world) as one:
        one.greet()
        await one.told()
        world.workers += [WorkerSeen(os.getsid(0), 3), WorkerSeen(1, 4)]
        assert [worker.generation for worker in (await world.service.applied()).silent] == [4]


@pytest.mark.requirement("FLAG-37")
async def test_flags_that_a_readers_environment_forces_are_shown_with_the_flag(folder: Path) -> None:
    async with running(folder) as world, peer(world) as one:
        one.greet(forced={"MODE": "other"})
        await one.told()
        assert world.service.view("MODE").forced == {os.getpid(): "other"}
        one.greet(forced={})
        await one.told()
        assert world.service.view("MODE").forced == {}


@pytest.mark.requirement("FLAG-79")
async def test_what_a_reader_says_of_itself_can_always_be_told_on(folder: Path) -> None:
    async with running(folder) as world, peer(world) as one:
        one.greet(version=99, role="\udcff", forced={"MODE": "\udcff", "OTHER": float("nan"), "\ud800": "x" * 5000})
        await one.told()
        (said,) = (await world.service.applied()).readers
        assert (said.role, said.applied) == ("'\\udcff'", 0)
        assert said.forced == {"MODE": "'\\udcff'", "OTHER": "nan", "'\\ud800'": f"'{'x' * 999}"}
        one.say({"applied": 1, "read": []})
        await eventually(lambda: not world.service.readers.late(1))
        one.say({"applied": 2, "read": []})
        await eventually(lambda: world.service.readers.late(1))


@pytest.mark.requirement("FLAG-39")
async def test_readers_of_a_pinned_view_are_none_of_the_live_ones(folder: Path) -> None:
    async with running(folder) as world:
        await world.service.pin("rehearsal-1", {"MODE": "on"})
        async with peer(world, "rehearsal-1") as one:
            one.greet()
            assert await one.told() == {"version": 1}
            await world.service.set({"MODE": "other"}, actor="ann")
            assert (await world.service.applied()).readers == ()
            assert [reader.view for reader in world.service.readers.all("rehearsal-1")] == ["rehearsal-1"]
            await world.service.unpin("rehearsal-1")
            assert await one.told() is None


@pytest.mark.requirement("FLAG-38")
@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"applied": 1, "read": []}\n',
        b'{"hello": {"pid": "x"}}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"x" * (1 << 20),
    ],
)
async def test_a_reader_that_says_what_it_may_not_loses_its_own_connection(folder: Path, line: bytes) -> None:
    async with running(folder) as world, peer(world) as good, peer(world) as bad:
        good.greet()
        await good.told()
        bad.say(line)
        assert await bad.told() is None
        await world.service.set({"MODE": "on"}, actor="ann")
        assert await good.told() == {"version": 2}


@pytest.mark.requirement("FLAG-38")
async def test_a_reader_that_says_nothing_is_let_go_after_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "GREETING", 0.02)
    async with running(folder) as world, peer(world) as one:
        assert await one.told() is None


@pytest.mark.requirement("FLAG-38")
async def test_a_reader_that_never_reads_is_let_go_and_holds_nobody_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BEHIND", 1000)
    async with running(folder) as world:
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.connect(str(folder / "flags" / "live.sock"))
        hello = {"pid": 1, "generation": 1, "role": "serving", "version": 0}
        deaf.send(json.dumps({"hello": hello}).encode() + b"\n")
        await eventually(world.service.readers.all)
        async with asyncio.timeout(PATIENCE):
            version = 1
            while world.service.readers.all():
                version += 1
                world.service.readers.tell("live", version)
                await asyncio.sleep(0)
        deaf.close()


@pytest.mark.requirement("FLAG-38")
async def test_another_users_process_is_not_heard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid() + 12345
    monkeypatch.setattr(reading, "_peer", lambda _transport: (1, uid))
    async with running(folder) as world, peer(world) as one:
        one.greet()
        assert await one.told() is None
        assert world.service.readers.all() == []


@pytest.mark.requirement("FLAG-38")
async def test_the_socket_is_its_owners_alone_and_gone_at_the_end(folder: Path) -> None:
    async with running(folder) as world:
        path = world.folder / "flags" / "live.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


@pytest.mark.requirement("FLAG-38")
async def test_more_readers_than_the_bound_are_turned_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.flags.readers.READERS", 1)
    async with running(folder) as world, peer(world) as first:
        first.greet()
        assert await first.told() == {"version": 1}
        async with peer(world) as second:
            assert await second.told() is None
        assert len(world.service.readers.all()) == 1


@pytest.mark.requirement("FLAG-38")
async def test_a_socket_whose_path_is_too_long_is_said_and_pages_work_without_it(folder: Path) -> None:
    deep = folder / ("d" * 100)
    deep.mkdir()
    async with running(deep) as world:
        assert "longer than 107 bytes" in str(world.service.trouble)
        assert world.shown()["MODE"] == "off"


@pytest.mark.requirement("FLAG-40")
async def test_a_page_and_a_socket_that_somebody_removed_are_made_anew_and_nobody_is_let_go(folder: Path) -> None:
    async with running(folder) as world, peer(world) as old:
        old.greet(1)
        await eventually(lambda: len(world.service.readers.all()) == 1)
        shutil.rmtree(folder / "flags")
        world.service.beat()
        await world.service.look()
        assert world.shown()["MODE"] == "off"
        async with peer(world) as new:
            new.greet(1)
            await eventually(lambda: len(world.service.readers.all()) == 2)
            await world.service.set({"MODE": "on"}, actor="ann")
            for one in (old, new):
                assert [(await one.told())["version"] for _ in range(2)] == [1, 2]
        assert world.shown()["MODE"] == "on"
