"""A process of role control or rehearsal: started within its bounds, spoken to, and ended with all it started.

Above: `shadow_run`.  Below: `sandbox` and `sentry` hold and watch it, `supervision` starts and ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.generation import Role, Spec
from orchestrator.domain.protocol import Era
from orchestrator.rehearsal.bounds import Bounds, Means
from orchestrator.rehearsal.client import Client
from orchestrator.rehearsal.judge import Stopped
from orchestrator.rehearsal.redact import Lines, Redactor
from orchestrator.rehearsal.sandbox import Hold, held
from orchestrator.rehearsal.sentry import Attempt, Sentry
from orchestrator.supervision.environment import environment_of
from orchestrator.supervision.process import LAUNCHER, Grace, WorkerProcess
from orchestrator.supervision.readiness import handshake
from orchestrator.supervision.warden import MARK, mark_of_life

LAST_LINES: Final = 5
LAST_LETTERS: Final = 500
"""Characters of such a line that are told, of which none is cut before secrets were taken out."""
LONGEST_LINE: Final = 1 << 16
"""Bytes of a line of stderr that are looked at."""
LAST_WORDS: Final = 1.0
"""Seconds until a process that closed its stdout has ended, if it is about to."""
NO_CACHES: Final = {"PYTHONDONTWRITEBYTECODE": "1", "NODE_DISABLE_COMPILE_CACHE": "1"}
"""What keeps interpreters from writing beside the code, which nobody needs and every report would be full of."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all processes of a run have in common.

    Attributes:
        hold: what this machine holds them with.
        environ: the daemon's environment.
        flags: the page of pinned flags, None for none.
        network: whether they may use the network.
        write: further places they may change.
        grace: how they are stopped.
        start_timeout: seconds one has for its handshake.
        answer_bytes: longest line that is read.
        redactor: takes secrets out of what is told of their stderr.
    """

    hold: Hold
    environ: Mapping[str, str]
    flags: Path | None
    network: bool
    write: tuple[str, ...]
    grace: Grace
    start_timeout: float
    answer_bytes: int
    redactor: Redactor


class Started:
    """A process that is ready.

    Attributes:
        client: speaks with it.
        pid: its process id, or its sandbox's.
    """

    def __init__(self, process: WorkerProcess, client: Client, sentry: Sentry | None, stderr: Tail) -> None:
        """Use `started`."""
        self.client = client
        self.pid = process.pid
        self._process = process
        self._sentry = sentry
        self._stderr = stderr

    def stopped_since(self) -> tuple[Stopped, ...]:
        """Return what was stopped since this was last asked."""
        return tuple(self._sentry.recent()) if self._sentry is not None else ()

    def attempts(self) -> list[Attempt]:
        """Return all that was stopped."""
        return self._sentry.attempts() if self._sentry is not None else []

    @property
    def unlisted(self) -> int:
        """How many attempts were stopped beyond those that are listed."""
        return self._sentry.unlisted if self._sentry is not None else 0

    async def end(self) -> str:
        """Return how a process ended that closed its stdout, in words, with the last lines of its stderr."""
        with anyio.move_on_after(LAST_WORDS):
            await self._process.exited.wait()
        has_ended = self._process.exited.is_set()
        return f"{self._process.outcome if has_ended else 'closed its stdout and lives'}{self._stderr.told}"

    @property
    def last_words(self) -> str:
        """The last lines of its stderr."""
        return self._stderr.text


@dataclass(frozen=True, slots=True)
class Wanted:
    """One process that is to be run.

    Attributes:
        spec: the code.
        role: what it is for.
        number: the generation it is told it is.
        state: its private snapshot.
        terms: the rest.
    """

    spec: Spec
    role: Role
    number: int
    state: Path
    terms: Terms

    @property
    def tmp(self) -> Path:
        """Its own directory for temporary files, beside the snapshot."""
        return self.state.with_name(f"{self.state.name}.tmp")

    @property
    def bounds(self) -> Bounds:
        """What it may touch."""
        terms = self.terms
        writable = tuple(os.path.realpath(path) for path in (str(self.state), str(self.tmp), *terms.write))
        sockets = (os.path.realpath(f"{terms.flags}.sock"),) if terms.flags is not None else ()
        return Bounds(writable, sockets, network=terms.network, means=terms.hold.means)

    def environment(self) -> dict[str, str]:
        """Return its variables: the contract, a private place for temporary files, no caches beside the code."""
        environ = self.terms.environ
        contract = {"SWITCHOVER_WORKER_STATE": str(self.state)}
        if self.terms.flags is not None:
            contract["SWITCHOVER_FLAGS"] = str(self.terms.flags)
        if MARK in environ:
            contract[MARK] = mark_of_life(environ[MARK])
        private = {"TMPDIR": str(self.tmp), "TMP": str(self.tmp), "TEMP": str(self.tmp)}
        base = {key: value for key, value in environ.items() if key != "SWITCHOVER_FLAGS"}
        made = environment_of(self.spec, base, number=self.number, role=self.role, contract=contract)
        return {**made, **NO_CACHES, **private}


@asynccontextmanager
async def started(wanted: Wanted) -> AsyncIterator[Started]:
    """Run a process on its snapshot for as long as the block lasts, in whichever era it speaks.

    Raises:
        StartError: it did not become ready.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            one = await stack.enter_async_context(_in_era(Era.HANDSHAKE, wanted))
        except RequestFailedError:
            try:
                one = await stack.enter_async_context(_in_era(Era.STATELESS, wanted))
            except RequestFailedError as error:
                raise StartError(f"it refused its handshake: {error}") from error
        yield one


@asynccontextmanager
async def _in_era(era: Era, wanted: Wanted) -> AsyncIterator[Started]:
    wanted.tmp.mkdir(mode=0o700, exist_ok=True)
    grace = wanted.terms.grace
    sentry = Sentry(wanted.bounds) if wanted.terms.hold.sees else None
    client, stderr = Client(wanted.number, wanted.terms.answer_bytes), Tail(wanted.terms.redactor)
    try:
        process, readers = await _spawn(wanted, client, stderr, sentry)
        try:
            await _ready(client, era, stderr, process, wanted.terms.start_timeout)
            yield Started(process, client, sentry, stderr)
        finally:
            client.end_input()
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(grace.close_stdin):
                    await process.exited.wait()
                await process.stop(grace)
                for reader in readers:
                    reader.close()
                await asyncio.sleep(0)  # in which they close their pipes
            client.close()
    finally:
        if sentry is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(sentry.close)


async def _spawn(
    wanted: Wanted, client: Client, stderr: Tail, sentry: Sentry | None
) -> tuple[WorkerProcess, list[asyncio.ReadTransport]]:
    """Start the process and put client and tail on its pipes; return it and our ends of those it writes."""
    spec, environment = wanted.spec, wanted.environment()
    channels = [] if sentry is None else [sentry.channel.fileno()]
    words = held(spec.command, spec.cwd, wanted.bounds, wanted.terms.hold, channels[0] if channels else -1)
    try:
        popen = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec, from the thread its life is tied to
            [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=spec.cwd,
            env=environment,
            pass_fds=channels,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise StartError(f"cannot start {spec.command[0]!r}: {error}") from error
    process = WorkerProcess(popen, client.close, environment.get(MARK))
    if sentry is not None:
        sentry.start()
    loop = asyncio.get_running_loop()
    writing, _ = await loop.connect_write_pipe(_Quiet, popen.stdin)
    client.open(writing)
    answers, _ = await loop.connect_read_pipe(lambda: client, popen.stdout)
    errors, _ = await loop.connect_read_pipe(lambda: stderr, popen.stderr)
    return process, [answers, errors]


async def _ready(client: Client, era: Era, stderr: Tail, process: WorkerProcess, seconds: float) -> None:
    try:
        with anyio.fail_after(seconds):
            await handshake(client, era)
    except TimeoutError:
        raise StartError(f"it did not answer its handshake within {seconds:g} s{stderr.told}") from None
    except StartError as error:
        with anyio.move_on_after(1.0):
            await process.exited.wait()
        said = f"it {process.outcome}" if process.exited.is_set() else str(error)
        raise StartError(f"{said} before its handshake was done{stderr.told}") from error


class _Quiet(asyncio.BaseProtocol):
    """A pipe's flow control, which one call at a time does not need."""

    def pause_writing(self) -> None:
        """Nothing to do."""

    def resume_writing(self) -> None:
        """Likewise."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of a process is seen otherwise."""


class Tail(asyncio.Protocol):
    """The end of a process's stderr, without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        """Begin with nothing."""
        self._clean = Lines(redactor).text
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._rest = b""

    @property
    def text(self) -> str:
        """The last lines."""
        return " | ".join(self._lines)

    @property
    def told(self) -> str:
        """The last lines as the end of a sentence, "" where there are none."""
        return f"; its stderr ended with: {self.text}" if self._lines else ""

    def data_received(self, data: bytes) -> None:
        """Keep whole lines."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LONGEST_LINE]
        cleaned = (self._clean(line[:LONGEST_LINE].decode(errors="replace")) for line in lines)
        self._lines.extend(text for line in cleaned if (text := line.strip()[:LAST_LETTERS]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Keep what is left."""
        self.data_received(b"\n")


def held_words(hold: Hold) -> dict[str, Any]:
    """Return what held a run, for its report."""
    return {"means": hold.means, "sees": hold.sees, "landlock": hold.landlock, "words": hold.words,
            "holds": hold.means is not Means.NONE}  # fmt: skip
