"""Keeps one generation's serving process: starts it, starts it again when it dies, and ends it when it is retired.

The single owner of that process: whoever wants it gone asks here (`retire`, `condemn`, `quit`).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.generation import Generation, Role, Spec
from orchestrator.domain.lifecycle import Backoff, Health, became_ready, died
from orchestrator.domain.ports import Clock, Link
from orchestrator.domain.protocol import Era
from orchestrator.supervision.fingerprint import fingerprint
from orchestrator.supervision.private_copy import FOLDER, prepare
from orchestrator.supervision.process import LAST_WORD, Grace, WorkerProcess, spawn
from orchestrator.supervision.readiness import handshake
from orchestrator.supervision.stderr import StderrLines
from orchestrator.supervision.suspicion import Suspicion
from orchestrator.telemetry.logging import get_logger

log = get_logger("supervision")


@dataclass(slots=True)
class Care:
    """How processes are looked after; one object for all keepers, its fields replaced on reload.

    Attributes:
        start_timeout: seconds from spawn to the answered handshake.
        drain_timeout: seconds a retiring worker may take over the calls it has.
        ping_timeout: seconds in which a worker under suspicion must answer a ping.
        after_deadlines: expired calls with no answer between them before a ping decides.
        strict_fingerprint: refuse to start files that changed since the generation was made.
        stderr_line_bytes: longest piece of stderr in one log line.
        starts: processes of single sessions that may be starting at once.
        grace: the steps of stopping.
        backoff: when to start again.
    """

    start_timeout: float = 30.0
    drain_timeout: float = 300.0
    ping_timeout: float = 5.0
    after_deadlines: int = 1
    strict_fingerprint: bool = False
    stderr_line_bytes: int = 1 << 16
    starts: int = 4
    grace: Grace = field(default_factory=Grace)
    backoff: Backoff = field(default_factory=Backoff)


class KeeperOwner(Protocol):
    """Who is told how a generation's process fares (the daemon)."""

    def ready(self, generation: int, link: Link) -> None:
        """Its process answered the handshake."""
        ...

    def suspended(self, link: Link) -> None:
        """Its process is ending: nothing more may be sent."""
        ...

    def lost(self, link: Link, reason: str) -> None:
        """Its process is gone and has said all it will say."""
        ...

    def down(self, generation: int, reason: str) -> None:
        """It will be started again."""
        ...

    def failed(self, generation: int, reason: str) -> None:
        """It never became ready, or is in a crash loop."""
        ...


LinkFactory = Callable[[int, Callable[[], None]], Any]
"""(generation, called at the end of stdout) -> a link that is also the protocol of the worker's stdout."""


class Keeper:
    """One generation's process, present or future.

    Attributes:
        generation: what is kept.
        process: the process that runs now, None between two.
        link: its link once ready.
        restarts: how often it was started again.
        changed: whether its files differ from when the generation was made.
        era: the wire era its worker speaks.
        refusal: the worker's own error to the last handshake it refused.
        retiring: whether it was asked to finish and end.
        suspicion: what speaks against the present process, None while nothing does.
        probed: whether it is being asked for a sign of life.
    """

    def __init__(
        self,
        generation: Generation,
        care: Care,
        *,
        environment: Mapping[str, str],
        copies: Path,
        link_factory: LinkFactory,
        owner: KeeperOwner,
        clock: Clock,
        era: Era | None = None,
        hello: dict[str, Any] | None = None,
        starts: anyio.Semaphore | None = None,
    ) -> None:
        """Build a keeper; `run` does the work.

        Args:
            generation: what to keep.
            care: bounds and times.
            environment: the complete environment of its process.
            copies: directory of the private copies.
            link_factory: makes the proxy's end of the pipes.
            owner: is told what happens.
            clock: monotonic time for the back-off.
            era: the era its process must speak; None to find out.
            hello: the `initialize` parameters of the one client it serves; None for the daemon's own.
            starts: bounds how many processes are being started at once; None for no bound.
        """
        self.generation = generation
        self.process: WorkerProcess | None = None
        self.link: Link | None = None
        self.restarts = 0
        self.changed = False
        self.ready_at: float | None = None
        self.era = era or Era.HANDSHAKE
        self.refusal: RequestFailedError | None = None
        self.suspicion: Suspicion | None = None
        self.probed = False
        self.ended = anyio.Event()
        self._environment = environment
        self._copies = copies
        self._care = care
        self._link_factory = link_factory
        self._owner = owner
        self._clock = clock
        self._proven = generation.proven and era is None
        self._finds_out = era is None
        self._hello = hello
        self._starts = starts
        self._health = Health()
        self._wake = anyio.Event()
        self.retiring = False
        self._drain = 0.0
        self._condemned: str | None = None
        self._eof = False
        self._another_try = False
        self._opening: Any = None

    # --- what may be asked --------------------------------------------------------------------

    def retire(self, drain: float | None = None) -> None:
        """Let the process finish its calls (for at most `drain` seconds), stop it, and end."""
        self.retiring = True
        self._drain = self._care.drain_timeout if drain is None else drain
        self._poke()

    def condemn(self, reason: str) -> None:
        """Replace the present process: it does not work any more."""
        self._condemned = reason
        self._poke()

    # --- the work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the process until retired or, if it was never ready, until its start failed."""
        number = self.generation.number
        try:
            while not self.retiring:
                self._another_try = False
                reason = await self._whatever_happens()
                if self._goes_on_quietly():
                    continue
                if not self._proven:
                    log.error("generation failed to start", generation=number, reason=reason)
                    self._owner.failed(number, reason)
                    break
                await self._pause(reason)
        finally:
            self.ended.set()

    async def _whatever_happens(self) -> str:
        """Run one process; an error nobody foresaw ends this life and not the daemon with all its other generations."""
        try:
            return await self._one_life()
        except Exception as error:
            log.exception("worker could not be looked after", generation=self.generation.number)
            return f"it could not be looked after: {error!r}"

    def _goes_on_quietly(self) -> bool:
        """Tell whether the end of a life is nobody's news: it was retired, or is tried in the other era."""
        return self.retiring or self._another_try

    async def _pause(self, reason: str) -> None:
        """Report a death and wait before the next start."""
        number = self.generation.number
        self._health, restart = died(self._health, self._clock.monotonic(), self._care.backoff, random.random())  # noqa: S311
        log.warning("worker lost", generation=number, reason=reason, restart_in=round(restart.delay, 3))
        if restart.loop is None:
            self._owner.down(number, reason)
        else:
            self._owner.failed(number, f"it is in a crash loop ({restart.loop}); last: {reason}")
        with anyio.move_on_after(restart.delay):
            await self._until(lambda: self.retiring)
        self.restarts += 1

    async def _one_life(self) -> str:
        """Run one process from spawn to end; return why it ended or could not start."""
        self._condemned, self._eof = None, False
        async with AsyncExitStack() as starting:
            if self._starts is not None:
                await starting.enter_async_context(self._starts)
            try:
                process, link = await self._start()
            except StartError as error:
                return str(error)
            trouble = await self._see_ready(process, link)
        if trouble is not None:
            return trouble
        try:
            await self._serve(process, link)
            return await self._end(process, link)
        finally:
            await self._put_down(process)

    async def _see_ready(self, process: WorkerProcess, link: Any) -> str | None:
        """Make a process ready, or end it; return what went wrong."""
        trouble: str | None = "given up"
        try:
            trouble = await self._make_ready(process, link)
        finally:
            if trouble is not None:
                await self._put_down(process)
        return trouble

    async def _put_down(self, process: WorkerProcess) -> None:
        self.link, self.ready_at = None, None
        with anyio.CancelScope(shield=True):
            await process.stop(self._care.grace)
        self.process, self._opening = None, None

    async def _start(self) -> tuple[WorkerProcess, Any]:
        spec = await anyio.to_thread.run_sync(prepare, self.generation, self._copies)
        await self._check_fingerprint(spec)
        link = self._opening = self._link_factory(self.generation.number, self._stdout_ended)
        process, pipes = spawn(spec.command, spec.cwd, self._environment, self._poke)
        self.process = process
        stderr = StderrLines(self.generation.number, self._care.stderr_line_bytes)
        await process.connect(link, pipes, stderr)
        log.info("worker started", generation=self.generation.number, pid=process.pid, era=self.era)
        return process, link

    async def _check_fingerprint(self, spec: Spec) -> None:
        made_of = self.generation.spec
        path = self._environment.get("PATH")
        root = None if spec.source is None else str(self._copies / str(self.generation.number) / FOLDER)
        look = functools.partial(fingerprint, made_of.command, spec.cwd, path, root, run_as=spec.command)
        found = await anyio.to_thread.run_sync(look)
        self.changed = bool(made_of.fingerprint) and found != made_of.fingerprint
        if not self.changed:
            return
        log.warning("the generation's files changed since it was made", generation=self.generation.number)
        if self._care.strict_fingerprint:
            raise StartError(
                "its files changed since the generation was made and worker.strict_fingerprint is on; restore them, "
                "or bring the new files in with: switchover canary -- COMMAND"
            )

    async def _make_ready(self, process: WorkerProcess, link: Any) -> str | None:
        """See a process through its handshake; return what went wrong."""
        try:
            with anyio.fail_after(self._care.start_timeout):
                await handshake(link, self.era, self._hello)
        except TimeoutError:
            link.close("not ready in time")
            return self._explained(f"it did not answer its handshake within {self._care.start_timeout:g} s", process)
        except (StartError, RequestFailedError) as error:
            link.close(str(error))
            return await self._not_ready(process, error)
        self._opening = None
        self._proven, self._finds_out = True, False
        self.link = link
        self.ready_at = self._clock.monotonic()
        self._health = became_ready(self._health, self.ready_at)
        self._owner.ready(self.generation.number, link)
        return None

    async def _not_ready(self, process: WorkerProcess, error: Exception) -> str:
        """Explain a failed handshake; a worker that refuses `initialize` is tried in the other era next."""
        self.refusal = error if isinstance(error, RequestFailedError) else None
        if self.refusal is not None and self._finds_out and self.era is Era.HANDSHAKE:
            self.era, self._another_try = Era.STATELESS, True
            log.info("worker refused initialize, trying server/discover", generation=self.generation.number)
        if self.refusal is not None:
            return self._explained(f"it refused its handshake: {error}", process)
        with anyio.move_on_after(LAST_WORD):
            await process.exited.wait()
        said = f"it {process.outcome}" if process.exited.is_set() else str(error)
        return self._explained(f"{said} before its handshake was done", process)

    async def _serve(self, process: WorkerProcess, link: Link) -> None:
        """Wait until the process ends, is condemned, or is retired and has finished its calls."""

        def over() -> bool:
            return process.exited.is_set() or self._eof or self._condemned is not None

        await self._until(lambda: over() or self.retiring)
        if over():
            return
        with anyio.move_on_after(self._drain) as bound:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cancel_when, over, tasks.cancel_scope)
                await link.drained()
                tasks.cancel_scope.cancel()
        if bound.cancelled_caught and link.in_flight:
            log.warning("drain timed out", generation=self.generation.number, calls=link.in_flight, bound=self._drain)

    async def _end(self, process: WorkerProcess, link: Link) -> str:
        """Take a process out of service, hear its last words, and account for its calls."""
        self._owner.suspended(link)
        if self._condemned is not None:
            reason = self._condemned
            await process.kill()
        elif process.exited.is_set():
            reason = f"it {process.outcome}"
        elif self._eof:
            with anyio.move_on_after(LAST_WORD):
                await process.exited.wait()
            reason = f"it {process.outcome}" if process.exited.is_set() else "it closed its stdout"
        else:
            reason = "it was retired"
            await process.stop(self._care.grace)
        if process.exited.is_set():
            await process.sweep()  # what it left behind may hold its stdout open
        with anyio.move_on_after(LAST_WORD):
            await self._until(lambda: self._eof)
        self._owner.lost(link, f"generation {self.generation.number}: {reason}")
        return reason

    # --- waiting ------------------------------------------------------------------------------

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; whoever changes what it reads calls `_poke`."""
        while not holds():
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _cancel_when(self, holds: Callable[[], bool], scope: anyio.CancelScope) -> None:
        await self._until(holds)
        scope.cancel()

    def _poke(self) -> None:
        """Wake whoever waits; a process that ends or is not wanted while it opens fails its handshake at once."""
        opening, process = self._opening, self.process
        if opening is not None:
            ended = process is not None and process.exited.is_set()
            if ended or self._eof or self.retiring or self._condemned is not None:
                opening.close("its process or its stdout ended")
        self._wake.set()

    def _stdout_ended(self) -> None:
        self._eof = True
        self._poke()

    def _explained(self, reason: str, process: WorkerProcess) -> str:
        last = process.stderr.last if process.stderr is not None else ""
        return f"{reason}; its stderr ended with: {last}" if last else reason


def environment_of(
    spec: Spec, base: Mapping[str, str], *, number: int, role: Role, contract: Mapping[str, str]
) -> dict[str, str]:
    """Return a worker's complete environment: the daemon's own, the generation's, and the contract on top.

    Args:
        spec: its `env` is set over `base`.
        base: the daemon's environment.
        number: the generation.
        role: what the process is for.
        contract: the remaining `SWITCHOVER_*` members (state, flags, mark).
    """
    dry = "0" if role is Role.SERVING else "1"
    own = {"SWITCHOVER_ROLE": role.value, "SWITCHOVER_GENERATION": str(number), "SWITCHOVER_DRY_RUN": dry}
    hidden = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"}
    return {**{k: v for k, v in base.items() if k not in hidden}, **spec.env, **own, **contract}
