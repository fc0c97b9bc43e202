"""The flags put together as the daemon does it, with real files, sockets and receivers, in this process.

What no verb reaches yet: views pinned for a rehearsal, reminders, and changes made without a person.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from daemon import WORKERS
from hook_receiver import Posted, receiver, status
from waiting import PATIENCE, eventually

from orchestrator.flagging import Flagging
from orchestrator.settings import Flags, Notify, Paths, Settings
from orchestrator.storage import open_storage
from orchestrator.supervision.fleet import Fleet
from orchestrator.telemetry.clock import SystemClock
from state.directory import StateDirectory

SECRET = "a secret of good length"  # noqa: S105 - a test's
REGISTRY = """
[flags.MODE]
type = "enum"
values = ["compact", "verbose"]
default = "compact"
safe = "compact"

[flags.RATE]
type = "float"
default = 0.5
safe = 0.0

[flags.OLD]
type = "bool"
default = false
safe = false
owner = "ann"
expires = 2026-01-02
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="fg-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def flagging(home: Path, *webhooks: str) -> AsyncIterator[Flagging]:
    """Run the flags on a state directory of their own."""
    registry = home / "flags.toml"
    registry.write_text(REGISTRY)
    told = Notify(webhooks=webhooks, secret=SECRET, retry_initial=0.01)
    settings = Settings(flags=Flags(file=registry, poll=0.05), notify=told)
    paths = Paths(home / "s", home / "s" / "run", home / "s" / "logs")
    async with AsyncExitStack() as stack:
        storage = await open_storage(stack.enter_context(StateDirectory.open(paths.state_dir)), stack)
        made = Flagging(settings, paths, storage, SystemClock(), int)
        nobody = cast("Fleet", SimpleNamespace(keepers={}, others={}))
        async with anyio.create_task_group() as tasks:
            await made.start(tasks, nobody)
            yield made
            await made.close()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def process(page: Path) -> AsyncIterator[Any]:
    """Run a worker that reads a page; yields how to ask it."""
    reading = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKERS / "live_flags_worker.py"),
        env={"SWITCHOVER_FLAGS": str(page)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert reading.stdin is not None
    assert reading.stdout is not None

    async def ask(tool: str = "flags", **arguments: Any) -> dict[str, Any]:
        reading.stdin.write(  # type: ignore[union-attr]
            json.dumps({"id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}).encode()
            + b"\n"
        )
        async with asyncio.timeout(PATIENCE):
            answer = json.loads(await reading.stdout.readline())["result"]  # type: ignore[union-attr]
        assert not answer["isError"], answer
        return dict(answer["structuredContent"])

    try:
        yield ask
    finally:
        reading.stdin.close()
        await reading.wait()


def genuine(posted: Posted) -> dict[str, Any]:
    """Return what a webhook says, once its signature is checked."""
    expected = "sha256=" + hmac.new(SECRET.encode(), posted.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, posted.headers["x-hub-signature-256"])
    told: dict[str, Any] = json.loads(posted.body)
    assert posted.headers["x-switchover-event"] == told["event"]
    return told


@pytest.mark.requirement("FLAG-75")
async def test_a_process_on_a_pinned_view_keeps_its_values_while_the_live_ones_change(home: Path) -> None:
    async with flagging(home) as made:
        flags = made.service
        await flags.set({"RATE": 0.25}, actor="ann")
        pinned = await flags.pin("rehearsal-1", {"MODE": "verbose"})
        live = pinned.with_name("live")
        async with process(pinned) as rehearsed, process(live) as serving:
            keys = ["MODE", "RATE"]
            assert (await rehearsed(keys=keys))["values"] == {"MODE": "verbose", "RATE": 0.25}
            await eventually(lambda: flags.readers.all() and flags.readers.all("rehearsal-1"))
            changed = await flags.set({"RATE": 0.75}, actor="ann")
            assert (await flags.applied(changed.version, PATIENCE)).late == ()
            assert (await serving(keys=keys))["values"] == {"MODE": "compact", "RATE": 0.75}
            seen = await rehearsed(keys=keys)
            assert (seen["values"], seen["trouble"]) == ({"MODE": "verbose", "RATE": 0.25}, None)
            await flags.unpin("rehearsal-1")
            ended = await rehearsed("until", key="MODE", value="compact")
            assert ended["trouble"]
            assert (await serving(keys=keys))["values"] == {"MODE": "compact", "RATE": 0.75}


@pytest.mark.requirement("FLAG-76")
async def test_a_flag_that_has_expired_is_told_of_from_the_registry_file_to_the_receiver(home: Path) -> None:
    async with receiver() as hook, flagging(home, f"http://127.0.0.1:{hook.port}/hook"):
        await hook.until(1)
        told = genuine(hook.posted[0])
        assert (told["event"], told["flag"], told["kind"]) == ("flag.expiring", "OLD", "expired")
        assert "on 2026-01-02; ann is asked to remove it" in told["detail"]


@pytest.mark.requirement("FLAG-76", "FLAG-25")
async def test_changes_made_by_a_timer_or_a_rollback_are_told_like_a_persons_and_in_order(home: Path) -> None:
    async with receiver() as hook, flagging(home, f"http://127.0.0.1:{hook.port}/hook") as made:
        hook.answers += [status(500)] * 3
        await made.service.set({"MODE": "verbose"}, actor="upgrade-7", reason="soak over", cause="timer")
        await made.service.reset(["MODE"], actor="guard", reason="regression", cause="rollback")
        await made.service.set({"MODE": "verbose"}, actor="ann")
        await hook.until(1 + 3 + 3)
        told = [genuine(one) for one in hook.posted]
    mode = [one for one in told if one["flag"] == "MODE"]
    delivered = list({one["id"]: (one["cause"], one["actor"], one["from"], one["to"]) for one in mode}.values())
    assert delivered == [
        ("timer", "upgrade-7", "compact", "verbose"),
        ("rollback", "guard", "verbose", "compact"),
        ("person", "ann", "compact", "verbose"),
    ]
    versions = [one["version"] for one in mode]
    assert versions == sorted(versions)


@pytest.mark.requirement("FLAG-74")
async def test_a_notice_that_was_refused_reaches_a_receiver_that_was_mended(home: Path) -> None:
    async with receiver() as hook, flagging(home, f"http://127.0.0.1:{hook.port}/hook") as made:
        await hook.until(1)  # the reminder
        hook.answers.append(status(404))
        await made.service.set({"MODE": "verbose"}, actor="ann")
        async with asyncio.timeout(PATIENCE):
            while not (failed := await made.service.notices.page(9, state="failed")):  # noqa: ASYNC110 - no event is set
                await asyncio.sleep(0.01)
        assert [(one.flag, one.error) for one in failed] == [("MODE", "answered 404")]
        assert await made.service.notices.again(None, actor="ann") == 1
        await hook.until(3)
        first, again = (genuine(one) for one in hook.posted[1:])
        assert first == again
