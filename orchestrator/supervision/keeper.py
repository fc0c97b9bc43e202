"""Keeps one generation's serving process: starts it, starts it again when it dies, and ends it when it is retired.

The single owner of that process: whoever wants it gone asks here (`retire`, `condemn`, `kill`).  Above: `fleet`.
Below: `process`, `readiness`; `care` says how and for whom.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator.domain.errors import NoServerError, RequestFailedError, StartError
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.lifecycle import Health, became_ready, died
from orchestrator.domain.ports import Link
from orchestrator.domain.protocol import Era
from orchestrator.supervision.care import Terms
from orchestrator.supervision.fingerprint import fingerprint
from orchestrator.supervision.private_copy import FOLDER, prepare
from orchestrator.supervision.process import LAST_WORD, WorkerProcess, spawn
from orchestrator.supervision.readiness import handshake
from orchestrator.supervision.stderr import StderrLines
from orchestrator.supervision.suspicion import Suspicion
from orchestrator.telemetry.logging import get_logger

log = get_logger("supervision")


GLANCE = 0.2
"""Seconds a process may live on after its stdout has ended before that counts as news: most only end one by one."""


@dataclass(slots=True, eq=False)
class Life:
    """One process of a keeper.

    Attributes:
        process: the process, None before it is started.
        opening: its link until its handshake is answered.
        eof: whether its stdout has ended.
        condemned: why it is to be replaced, None while it is not.
    """

    process: WorkerProcess | None = None
    opening: Any = None
    eof: bool = False
    condemned: str | None = None

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        return self.process is not None and self.process.exited.is_set()

    @property
    def over(self) -> bool:
        """Whether it serves no more."""
        return self.exited or self.eof or self.condemned is not None


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

    def __init__(self, generation: Generation, terms: Terms, era: Era | None = None) -> None:
        """Build a keeper; `run` does the work.

        Args:
            generation: what to keep.
            terms: what it works with and whom it tells.
            era: the era its process must speak; None to find out.
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
        self.retiring = False
        self._terms = terms
        self._care = terms.care
        self._owner = terms.owner
        self._for_session = terms.starts is not None
        self._proven = self._for_session or (generation.proven and era is None)
        self._finds_out = era is None
        self._health = Health()
        self._wake = anyio.Event()
        self._drain = 0.0
        self._life = Life()
        self._another_try = False
        self._aside: TaskGroup | None = None
        self._leaving: set[WorkerProcess] = set()

    # --- what may be asked --------------------------------------------------------------------

    def retire(self, drain: float | None = None) -> None:
        """Let the process finish its calls (for at most `drain` seconds), stop it, and end."""
        self.retiring = True
        self._drain = self._care.drain_timeout if drain is None else drain
        self._poke()

    def condemn(self, reason: str) -> None:
        """Replace the present process: it does not work any more."""
        self._life.condemned = reason
        self._poke()

    async def kill(self) -> None:
        """End the process at once, and whatever is still being stopped."""
        self.retire(0)
        for process in [*self._leaving, *([self.process] if self.process is not None else [])]:
            await process.kill()

    # --- the work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the process until retired or its start failed for good.

        So it did for a generation that was never ready, and for a session's process that refuses its one client.
        """
        try:
            async with anyio.create_task_group() as self._aside:
                await self._live()
        finally:
            self.ended.set()

    async def _live(self) -> None:
        """Run one process after the other."""
        number = self.generation.number
        while not self.retiring:
            self._another_try = False
            reason = await self._whatever_happens()
            if self._goes_on_quietly():
                continue
            if not self._proven or (self._for_session and self.refusal is not None):
                log.error("generation failed to start", generation=number, reason=reason)
                self._owner.failed(number, reason)
                break
            await self._pause(reason)

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
        self._health, restart = died(self._health, self._terms.clock.monotonic(), self._care.backoff, random.random())  # noqa: S311
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
        life = self._life = Life()
        try:
            async with AsyncExitStack() as starting:
                if self._terms.starts is not None:
                    await starting.enter_async_context(self._terms.starts)
                try:
                    process, link = await self._start(life)
                except StartError as error:
                    return str(error)
                trouble = await self._make_ready(life, process, link)
            if trouble is not None:
                return trouble
            await self._serve(life, link)
            return await self._end(life, process, link)
        finally:
            await self._put_down(life)

    async def _put_down(self, life: Life) -> None:
        """See to it that a process ends; one that has only closed its stdout need not have ended for the next."""
        process, served = life.process, self.link is not None
        self.link, self.ready_at, life.opening = None, None, None
        if process is None:
            return
        if served and life.eof and not life.exited and not self.retiring and self._aside is not None:
            self.process = None
            self._leaving.add(process)
            self._aside.start_soon(self._stop_aside, process, name=f"stop {process.pid}")
            return
        with anyio.CancelScope(shield=True):
            await process.stop(self._care.grace)
        self.process = None

    async def _stop_aside(self, process: WorkerProcess) -> None:
        """Stop a process that serves nobody any more, beside its successor."""
        try:
            with anyio.CancelScope(shield=True):
                await process.stop(self._care.grace)
        except Exception:
            log.exception("worker could not be stopped", generation=self.generation.number, pid=process.pid)
        finally:
            self._leaving.discard(process)

    async def _start(self, life: Life) -> tuple[WorkerProcess, Any]:
        number = self.generation.number
        spec = await anyio.to_thread.run_sync(prepare, self.generation, self._terms.copies)
        await self._check_fingerprint(spec)
        link = life.opening = self._terms.link_factory(number, functools.partial(self._stdout_ended, life))
        process, pipes = spawn(spec.command, spec.cwd, self._terms.environment, self._poke)
        self.process = life.process = process
        terms = self._terms
        stderr = StderrLines(number, self._care.stderr_line_bytes, terms.error_lines, terms.hiding(terms.environment))
        await process.connect(link, pipes, stderr)
        log.info("worker started", generation=number, pid=process.pid, era=self.era)
        return process, link

    async def _check_fingerprint(self, spec: Spec) -> None:
        made_of = self.generation.spec
        path = self._terms.environment.get("PATH")
        root = None if spec.source is None else str(self._terms.copies / str(self.generation.number) / FOLDER)
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

    async def _make_ready(self, life: Life, process: WorkerProcess, link: Any) -> str | None:
        """See a process through its handshake; return what went wrong."""
        try:
            with anyio.fail_after(self._care.start_timeout):
                await handshake(link, self.era, self._terms.hello)
        except TimeoutError:
            link.close("not ready in time")
            return self._explained(f"it did not answer its handshake within {self._care.start_timeout:g} s", process)
        except (StartError, RequestFailedError) as error:
            link.close(str(error))
            return await self._not_ready(process, error)
        life.opening = None
        self._proven, self._finds_out = True, False
        self.link = link
        self.ready_at = self._terms.clock.monotonic()
        self._health = became_ready(self._health, self.ready_at)
        self._owner.ready(self.generation.number, link)
        return None

    async def _not_ready(self, process: WorkerProcess, error: Exception) -> str:
        """Explain a failed handshake; a worker that refuses `initialize` is tried in the other era next."""
        self.refusal = error if isinstance(error, RequestFailedError) else None
        if self.refusal is not None and self._finds_out and self.era is Era.HANDSHAKE:
            self.era, self._another_try = Era.STATELESS, True
            log.info("worker refused initialize, trying server/discover", generation=self.generation.number)
        if isinstance(error, NoServerError):
            return self._explained(str(error), process)
        if self.refusal is not None:
            return self._explained(f"it refused its handshake: {error}", process)
        with anyio.move_on_after(LAST_WORD):
            await process.exited.wait()
        said = f"it {process.outcome}" if process.exited.is_set() else str(error)
        return self._explained(f"{said} before its handshake was done", process)

    async def _serve(self, life: Life, link: Link) -> None:
        """Wait until the process ends, is condemned, or is retired and has finished its calls."""

        def over() -> bool:
            return life.over

        await self._until(lambda: over() or self.retiring)
        if over():
            return
        with anyio.move_on_after(self._drain) as bound:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cancel_when, over, tasks.cancel_scope)
                await link.drained()
                tasks.cancel_scope.cancel()
        if bound.cancelled_caught and (self._drain or link.in_flight):  # no call left: an outcome nobody fetched
            log.warning("drain timed out", generation=self.generation.number, calls=link.in_flight, bound=self._drain)

    async def _end(self, life: Life, process: WorkerProcess, link: Link) -> str:
        """Take a process out of service, hear its last words, and account for its calls."""
        self._owner.suspended(link)
        if life.condemned is not None:
            reason = life.condemned
            await process.kill()
        elif life.over:
            with anyio.move_on_after(GLANCE):
                await process.exited.wait()
            reason = f"it {process.outcome}" if life.exited else "it closed its stdout"
        else:
            reason = "it was retired"
            await process.stop(self._care.grace)
        if life.exited:
            await process.sweep()  # what it left behind may hold its stdout open
        with anyio.move_on_after(LAST_WORD):
            await self._until(lambda: life.eof)
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
        life = self._life
        if life.opening is not None and (life.over or self.retiring):
            life.opening.close("its process or its stdout ended")
        self._wake.set()

    def _stdout_ended(self, life: Life) -> None:
        life.eof = True
        self._poke()

    def _explained(self, reason: str, process: WorkerProcess) -> str:
        last = process.stderr.last if process.stderr is not None else ""
        return f"{reason}; its stderr ended with: {last}" if last else reason
