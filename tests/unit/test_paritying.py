"""What was followed, read back when the daemon starts; and the program that follows, when the daemon wants no more."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from orchestrator.api.verbs import RefusedError
from orchestrator.domain.generation import Spec
from orchestrator.in_force import InForce
from orchestrator.paritying import follow, live
from orchestrator.paritying.behind import Behind
from orchestrator.paritying.kept import CLOCK, FOLDER, ClockError, Followed, keep, load
from orchestrator.paritying.live import Parity
from orchestrator.paritying.messages import Ask, Begin, Did, ToDaemon, Unknown, Write, encode, to_daemon
from orchestrator.proxy.mirror import Mirror
from orchestrator.rehearsal.client import Answered
from orchestrator.rehearsal.cloning import remove_tree
from orchestrator.rehearsal.samples import Answer
from orchestrator.settings import Settings
from orchestrator.supervision.helper import LENGTH, frame
from orchestrator.supervision.process import Grace

pytestmark = pytest.mark.requirement("PARITY-5")


def test_a_clock_reads_back_as_it_was_kept_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    followed = Followed(spec=Spec(("true",), "/"), generation=1, begun=1.0, copied=2.0, last=3)
    keep(tmp_path, followed)
    assert load(tmp_path) == followed
    (tmp_path / FOLDER / CLOCK).write_text("{")
    with pytest.raises(ClockError, match=CLOCK):
        load(tmp_path)


async def test_a_clock_that_cannot_be_read_keeps_no_daemon_from_starting_and_leaves_no_copy(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "copy").mkdir(parents=True)
    (tmp_path / FOLDER / CLOCK).write_text("{")
    here = cast("InForce", SimpleNamespace(paths=SimpleNamespace(state_dir=tmp_path)))
    async with anyio.create_task_group() as tasks:
        parity = Parity(tasks, cast("Mirror", SimpleNamespace()), here)
        await parity.resume()
    assert not (tmp_path / FOLDER).exists()
    assert (parity.status().on, parity.clean_for(9.0)) == (False, 0.0)


def begin(folder: Path) -> Begin:
    """Return what the program is told when it goes on with a copy."""
    (folder / follow.COPY).mkdir(parents=True)
    return Begin(
        Spec(("true",), "/"), 1, str(folder), str(folder), resume=True, last=0, since=1.0, environ={},
        settings=Settings().parity.model_dump(mode="json"), network=False, write=(), call_timeout=1.0,
        start_timeout=1.0, grace=Grace(1.0, 1.0), answer_bytes=1 << 20, flags=None, key=b"k",
    )  # fmt: skip


class Daemon:
    """The daemon's end of the socket: keeps what it is told, and closes when it is asked how things stand."""

    def __init__(self, *writes: Write) -> None:
        self.told: list[ToDaemon] = []
        self.reader = asyncio.StreamReader()
        self._writes = writes

    def write(self, data: bytes) -> None:
        (length,) = LENGTH.unpack(data[: LENGTH.size])
        self.told.append(to_daemon(data[LENGTH.size : LENGTH.size + length]))
        if isinstance(self.told[-1], Ask):  # in the middle of a comparison
            for one in self._writes:
                self.reader.feed_data(frame(encode(one)))
            self.reader.feed_eof()

    def is_closing(self) -> bool:
        return False

    async def drain(self) -> None:
        """Nothing to wait for."""


@pytest.mark.requirement("PARITY-4")
async def test_what_was_sent_before_the_daemon_ended_is_done_also_when_states_were_being_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []

    async def call(_tool: str, arguments: Mapping[str, Any], _seconds: float) -> Answered:
        done.append(arguments)
        return Answered(Answer.RESULT, b"{}")

    @asynccontextmanager
    async def started(_wanted: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(client=SimpleNamespace(call=call))

    monkeypatch.setattr(follow, "started", started)
    monkeypatch.setattr(follow, "find_hold", lambda: SimpleNamespace(words="nothing"))
    texts = (b'{"n":1}', b"null", b"[1]", b'{"n":4}')
    daemon = Daemon(*(Write(n, "plan", b',"params":{"arguments":%b}}' % text) for n, text in enumerate(texts, 1)))
    with anyio.fail_after(10):
        await follow.Follower(begin(tmp_path), cast("asyncio.StreamWriter", daemon)).run(daemon.reader)
    assert done == [{"n": 1}, {}, {"n": 4}]
    assert [one.number for one in daemon.told if isinstance(one, Did)] == [1, 2, 3, 4]
    (unknown,) = (one for one in daemon.told if isinstance(one, Unknown))
    assert (unknown.reason, unknown.over) == (
        "call 3 (plan) cannot be done again: its arguments are no JSON object",
        False,
    )


@pytest.mark.requirement("PARITY-3")
def test_how_far_the_new_code_lies_behind_is_known_in_calls_and_in_bytes() -> None:
    behind = Behind()
    for number, size in ((5, 10), (6, 20), (9, 40)):
        behind.sent(number, size)
    assert (len(behind), behind.size) == (3, 70)
    behind.done(6)
    assert (len(behind), behind.size) == (1, 40)
    behind.done(8)
    assert len(behind) == 1
    behind.done(20)
    assert (len(behind), behind.size) == (0, 0)


class Helper:
    """The daemon's end of the program that follows; it starts when `may_start` is set."""

    may_start = anyio.Event()
    refuses = False
    started = 0
    backlog = 0

    def __init__(self, *_: object) -> None:
        self.ended = False

    async def start(self, _tasks: object) -> None:
        Helper.started += 1
        await Helper.may_start.wait()
        if Helper.refuses:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    def send(self, _body: bytes) -> None:
        """Nobody listens."""

    async def stop(self) -> None:
        self.ended = True


def parity_of(tasks: Any, state_dir: Path, monkeypatch: pytest.MonkeyPatch, canary: Spec | None = None) -> Parity:
    """Return a daemon's side whose program is `Helper`."""
    monkeypatch.setattr(live, "Helper", Helper)
    Helper.may_start, Helper.refuses, Helper.started = anyio.Event(), False, 0
    table = SimpleNamespace(active=1, canary=2 if canary else None)
    generations = {2: SimpleNamespace(number=2, spec=canary)}
    paths = dict.fromkeys(("state_dir", "logs_dir", "worker_state", "flags", "generations"), state_dir)
    here = SimpleNamespace(
        paths=SimpleNamespace(**paths),
        state=lambda: SimpleNamespace(table=table, generations=generations),
        clock=SimpleNamespace(wall=lambda: 1.0), environment={"PATH": os.defpath}, settings=Settings,
    )  # fmt: skip
    mirror = SimpleNamespace(isolated=False, watch_writes=lambda _: None)
    return Parity(tasks, cast("Mirror", mirror), cast("InForce", here))


@pytest.mark.requirement("PARITY-4")
async def test_a_stop_in_the_middle_of_a_start_and_a_start_in_the_middle_of_a_stop_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing, may_remove = anyio.Event(), threading.Event()

    def remove(path: Path) -> None:
        anyio.from_thread.run_sync(removing.set)
        assert may_remove.wait(10)
        remove_tree(path)

    monkeypatch.setattr(live, "remove_tree", remove)
    new, folder = Spec(("true",), "/"), tmp_path / FOLDER
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            parity = parity_of(tasks, tmp_path, monkeypatch)
            tasks.start_soon(parity.start, new, "a")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(parity.stop, "b")
            await anyio.wait_all_tasks_blocked()
            assert not removing.is_set()  # while the start is under way
            Helper.may_start.set()
            await removing.wait()
            tasks.start_soon(parity.start, new, "c")
            await anyio.wait_all_tasks_blocked()
            assert Helper.started == 1  # while the folder is being removed
            may_remove.set()
    assert (Helper.started, parity.status().on, parity.status().running) == (2, True, True)
    assert load(tmp_path) is not None
    await parity.stop("d")
    assert (parity.status().on, folder.exists()) == (False, False)


@pytest.mark.requirement("PARITY-4")
async def test_new_code_that_cannot_be_started_is_refused_and_leaves_parity_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            parity = parity_of(tasks, tmp_path, monkeypatch)
            Helper.may_start.set()
            await parity.start(Spec(("true",), "/"), "a")
            for wrong, said in (
                (Spec(("no-such-program",), "/"), "not an executable file and not on PATH; name the new code anew"),
                (Spec(("true",), "/no/such/place"), "working directory /no/such/place does not exist"),
            ):
                with pytest.raises(RefusedError, match=said):
                    await parity.start(wrong, "a")
                assert parity.status().command == ["true"]
            Helper.refuses = True
            with pytest.raises(RefusedError, match=r"cannot be started: .*temporarily unavailable"):
                await parity.start(Spec(("true",), "/"), "a")
    assert (parity.status().on, (tmp_path / FOLDER).exists()) == (False, False)


@pytest.mark.requirement("PARITY-4")
async def test_the_canary_is_followed_from_its_own_copy_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, state_dir = tmp_path / "source", tmp_path / "state"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "new").write_text("#!/bin/sh\n")
    (source / "bin" / "new").chmod(0o755)
    canary = Spec((f"{source}/bin/new",), str(source), source=str(source))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            parity = parity_of(tasks, state_dir, monkeypatch, canary)
            Helper.may_start.set()
            await parity.start(None, "a")
    assert parity.status().command == [str(state_dir / "2" / "source" / "bin" / "new")]
