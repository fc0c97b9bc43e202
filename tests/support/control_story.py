"""A control plane without a daemon: the real app over real flags in memory, and verbs that only note what was asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from gates_story import StoryClock
from rollout_engine import StoryEngine

from orchestrator.access.judge import Judge
from orchestrator.access.rules import Rules
from orchestrator.access.service import AccessService
from orchestrator.api.app import Control, build
from orchestrator.api.closing import Closing
from orchestrator.api.comparing.mirror_models import MirrorStatus
from orchestrator.api.comparing.parity_models import ParityStatus
from orchestrator.api.models import Status
from orchestrator.api.rollouts.upgrade_models import Asked, Progressed
from orchestrator.api.sample_models import Kept, Posted, Taken
from orchestrator.api.verbs import RefusedError, Told
from orchestrator.domain.errors import SettingsError
from orchestrator.domain.evidence.sample_lines import header
from orchestrator.domain.flags.declaration import Declaration, Prerequisite, registry
from orchestrator.domain.flags.values import FlagType
from orchestrator.domain.routing import Lane
from orchestrator.flags.book import Book
from orchestrator.flags.publisher import Publisher
from orchestrator.flags.service import FlagsService
from orchestrator.proxy.recording import Sent
from orchestrator.rehearsal.recorded import Recorder
from orchestrator.settings import Flags
from state.memory_flags import MemoryFlagStore

KEY = b"k" * 32

DECLARED = (
    Declaration("DISABLE_NEW", FlagType.ENUM, ("0", "1"), "0", "0", kill_switch=True),
    Declaration("PROMPT_MODE", FlagType.ENUM, ("compact", "verbose"), "compact", "compact", owner="ann"),
    Declaration("SCHEDULER_MODE", FlagType.ENUM, ("wsjf", "legacy"), "legacy", "legacy", on="wsjf"),
    Declaration("beta", FlagType.BOOL, None, default=False, safe=False),
    Declaration("limit", FlagType.INT, None, 3, 1),
    Declaration("rate", FlagType.FLOAT, None, 1.0, 0.0),
    Declaration("theme", FlagType.OBJECT, None, {"colour": "blue"}, {}),
    Declaration(
        "gamma", FlagType.BOOL, None, default=False, safe=False, prerequisites=(Prerequisite("beta", (True,)),)
    ),
)


class StoryVerbs:
    """Verbs that note what they were asked and refuse when they are told to; fits what the routes use of `Verbs`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal = ""

    def __getattr__(self, name: str) -> Any:
        async def verb(*words: Any, **named: Any) -> Told:
            self.asked.append((name, {"words": words, **named}))
            if self.refusal:
                raise RefusedError(self.refusal)
            return Told(1, f"{name} is done")

        return verb


class StoryCalls:
    """Calls that are never made; fits `rehearsal.recorded.Calls`."""

    def __init__(self) -> None:
        self.on_sent: list[Sent] = []
        self.now = time.monotonic


class StoryUpgrades:
    """Rehearsals that only note what was asked, and refuse when told to; fits `api.rollouts.upgrade.Rehearsals`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusal = ""
        self.recorder = Recorder(StoryCalls(), {})

    def _note(self, verb: str, about: str) -> None:
        self.asked.append((verb, about))
        if self.refusal:
            raise RefusedError(self.refusal)

    async def rehearse(self, asked: Asked, _new: Any, *, actor: str) -> str:
        """Begin nothing."""
        self._note("rehearse", actor)
        return asked.id or "20260101T000000Z"

    async def progress(self, run: str, after: int) -> Progressed:
        """Be over at once."""
        self._note("progress", run)
        end = {"n": 1, "end": True, "exit_code": 0, "message": "[upgrade] All checks passed."}
        return Progressed(id=run, running=False, exit_code=0, events=[] if after else [end])

    async def cancel(self, *, actor: str) -> str:
        """End nothing."""
        self._note("cancel", actor)
        return "it is being ended"


class StoryMirroring:
    """A mirror that only notes what it was asked; fits `api.comparing.mirror.Mirrors`."""

    def __init__(self) -> None:
        self.asked: list[tuple[Lane | None, float, str]] = []
        self.refusal = ""

    def status(self) -> MirrorStatus:
        """Say that nothing is mirrored."""
        return MirrorStatus(
            on=False, to=None, generation=None, share=100.0, silent="it is off", sampled=0, queued=0, in_flight=0,
            comparing=0, learning=0, compared=0, repeated=0, dropped={}, not_read_only=[], tools=[], decisions=[],
        )  # fmt: skip

    def turn(self, target: Lane | None, share: float, actor: str) -> str:
        """Note it."""
        self.asked.append((target, share, actor))
        if self.refusal:
            raise RefusedError(self.refusal)
        return "it is done"


class StorySamples:
    """Samples that are only counted; fits `api.samples.Samples`."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.refusal = ""

    def take(self, posted: Sequence[Posted]) -> Taken:
        """Note them."""
        self.posted += posted
        return Taken(taken=len(posted), left_out=[])

    async def kept(self, since: float) -> Kept:
        """Say that nothing is stored."""
        self._refuse()
        return Kept.of([], stored=0, passed=0, dropped=0, rejected=0, trouble=None if since else "none yet")

    async def export(self, since: float, until: float, rollout: str) -> AsyncIterator[bytes]:
        """Return what was asked."""
        self._refuse()

        async def lines() -> AsyncIterator[bytes]:
            yield header(0.0)
            yield json.dumps([since, until, rollout]).encode() + b"\n"

        return lines()

    def _refuse(self) -> None:
        if self.refusal:
            raise RefusedError(self.refusal)


class StoryParity:
    """State parity that only notes what it was asked; fits `api.comparing.parity.Parities`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal = ""

    def status(self) -> ParityStatus:
        """Say that nothing is followed."""
        return ParityStatus(
            on=False, running=False, command=[], clean_seconds=0.0, clean_since=None, reason="parity is off",
            copied_at=None, calls=0, compared_after=None, breaks=0, parting=None, held="",
        )  # fmt: skip

    async def start(self, _spec: Any, actor: str) -> str:
        """Begin nothing."""
        self.asked.append(actor)
        if self.refusal:
            raise RefusedError(self.refusal)
        return "the state is being copied"

    async def stop(self, actor: str) -> str:
        """End nothing."""
        return await self.start(None, actor)


class StoryControl:
    """What the app needs of the daemon; fits `api.app.Control`."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        self.clock = StoryClock()
        self.store = MemoryFlagStore()
        known, flaws = registry(DECLARED)
        assert not flaws
        self.flags = FlagsService(Book(known, self.store, self.clock), Publisher(folder), self.clock)
        self.flag_settings = Flags()
        self.access = AccessService(Judge(self.flags, rules or Rules()), KEY, self.clock)
        self.verbs: Any = StoryVerbs()
        self.upgrades = StoryUpgrades()
        self.mirroring = StoryMirroring()
        self.parity = StoryParity()
        self.samples = StorySamples()
        self.engine = StoryEngine(folder, self.clock, lambda: self.flags.registry)
        self.rollouts, self.guard = self.engine.desk, self.engine.guard
        self.bad_settings = ""
        self.ready = True

    def status(self) -> Status:
        """Say how things stand."""
        return Status(
            version="0", pid=1, uptime=1.0, revision=1, phase="idle", weight=0, kill_switch=False, lanes={},
            generations=[], sessions=0, in_flight=0, waiting=0, last_switch=None, trouble=None, unmet=[],
            log_file="/log", tools_socket="/tools", memory_bytes=1,
        )  # fmt: skip

    def metrics(self) -> bytes:
        """Return no metrics."""
        return b"# none\n"

    def unready(self) -> str | None:
        """Say whether calls can be served."""
        return None if self.ready else "no worker"

    def request_stop(self, actor: str) -> None:
        """Note it."""
        self.verbs.asked.append(("stop", {"actor": actor}))

    def reload(self, _actor: str) -> str:
        """Read nothing again."""
        if self.bad_settings:
            raise SettingsError(self.bad_settings)
        return "changed: nothing"


class InUse:
    """Hands everything on to what the running test made: to build the app takes longer than most tests of it."""

    def __init__(self) -> None:
        self.now: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


@cache
def shared() -> tuple[FastAPI, InUse, InUse]:
    """Return the app, built once a process, with the control and the end of streams that it reaches."""
    control, closing = InUse(), InUse()
    return build(cast("Control", control), "0", cast("Closing", closing)), control, closing


class StoryPlane:
    """A control plane under test; one at a time.

    Attributes:
        control: what is behind it.
        app: the app itself.
        closing: ends its streams.
        client: asks it, as a user of this machine does on `control.sock`.
    """

    def __init__(self, control: StoryControl) -> None:
        self.control = control
        self.closing = Closing()
        self.app, served, ending = shared()
        served.now, ending.now = control, self.closing
        transport = httpx.ASGITransport(app=self.app, client=("root (uid 0)", 0))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://switchover")

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make one request; return status and answer."""
        response = await self.client.request(method, path, json=body)
        return response.status_code, response.json()


class Stream:
    """One request whose answer never ends, chunk by chunk."""

    def __init__(self) -> None:
        self.status = 0
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()

    async def next(self) -> bytes | None:
        """Return the next chunk, None at the end."""
        return await self._chunks.get()

    def hang_up(self) -> None:
        """Go away."""
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        """Send no body, and then nothing until the client goes away (ASGI)."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take what is answered (ASGI)."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            await self._chunks.put(message["body"])
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await self._chunks.put(None)


@asynccontextmanager
async def streaming(app: Any, path: str, last: int | str | None = None) -> AsyncIterator[Stream]:
    """Read a stream of events while inside, as one who saw the event `last` before; `path` may have a query."""
    path, _, query = path.partition("?")
    stream = Stream()
    headers = [(b"host", b"switchover"), *([] if last is None else [(b"last-event-id", str(last).encode())])]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": headers, "client": ("root (uid 0)", 0), "server": ("switchover", 80), "scheme": "http",
        "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    serving = asyncio.ensure_future(app(scope, stream.receive, stream.send))
    try:
        async with asyncio.timeout(60):
            yield stream
    finally:
        stream.hang_up()
        await asyncio.wait([serving], timeout=10)
        serving.result()


@asynccontextmanager
async def control_plane(folder: Path, rules: Rules | None = None) -> AsyncIterator[StoryPlane]:
    """Have a control plane while inside."""
    control = StoryControl(folder, rules)
    await control.flags.start()
    plane = StoryPlane(control)
    try:
        async with plane.client, control.engine.running():
            yield plane
    finally:
        plane.closing.end()
        await control.flags.close()
