"""Rehearsals as the daemon sees them: started as a program of their own, followed by their progress, ended with it.

Above: `daemon`; `api.rollouts.upgrade` asks here.  Below: `rehearsal.request`, the flags (a pinned view),
`supervision` for the process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from orchestrator.access.key import Purpose, key_for, load_key
from orchestrator.api.rollouts.upgrade_models import Asked, Progressed
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.rehearsal import EXIT_FAILED, KILLED, RUN, RUN_WORDS, alarm
from orchestrator.flags.service import FlagsService
from orchestrator.in_force import InForce
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.rehearsal.artifacts import FOLDER, PROGRESS, new_run, read_progress
from orchestrator.rehearsal.recorded import Recorder
from orchestrator.rehearsal.request import Begun, Request
from orchestrator.rehearsal.suite import Suite, SuiteError, read
from orchestrator.rehearsal.summary import read_summary
from orchestrator.settings import Settings
from orchestrator.supervision.private_copy import prepare
from orchestrator.supervision.process import LAUNCHER, Grace, WorkerProcess
from orchestrator.supervision.warden import MARK, mark_of_life
from orchestrator.telemetry.logging import get_logger

log = get_logger("upgrade")

VIEW: Final = "rehearsal"
"""The pinned view of the flags: one rehearsal runs at a time."""
BEGINNING: Final = 30.0
"""Seconds the program has to say that it begins: importing takes half a second of a quiet machine."""
GRACE: Final = Grace(close_stdin=0.0, terminate=15.0)
"""A cancelled run stops its worker, 7 s at most by default, and removes its copies."""
ABOUT: Final = "rehearsals"
"""What notices of them are about, where others name a flag."""
Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Tells of something: what it is about, and its event with a sentence as `detail`."""
LOG: Final = "upgrade.log"
"""What the program itself prints: nothing, unless it fails in a way nobody foresaw."""


@dataclass(slots=True)
class _Running:
    """The run under way."""

    run: str
    process: WorkerProcess


class Upgrades:
    """Starts rehearsals, one at a time.

    Attributes:
        recorder: makes suites of live calls.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        here: InForce,
        *,
        flags: FlagsService,
        dispatcher: Dispatcher,
        tell: Tell,
    ) -> None:
        """Build it; nothing runs.

        Args:
            tasks: where runs are followed.
            here: the settings, and what is active, at the moment a run begins.
            flags: to pin a view of.
            dispatcher: sends the calls that may be recorded.
            tell: tells those who are to be told of a change, if there are any.
        """
        self.recorder = Recorder(dispatcher, here.environment)
        self._tasks = tasks
        self._here = here
        self._flags = flags
        self._tell = tell
        self._running: _Running | None = None
        self._starting = anyio.Lock()

    async def rehearse(self, asked: Asked, new: Spec, *, actor: str, live_flags: bool = False) -> str:
        """Begin a rehearsal of `new` beside what is active; return its id once it has begun.

        Args:
            asked: what was asked for.
            new: the version.
            actor: who asks.
            live_flags: let both versions see the flags as they are set now instead of their safe values.

        Raises:
            RefusedError: one runs already, nothing is active, or what was asked for cannot be used.
        """
        async with self._starting:
            if self._running is not None:
                who = f"rehearsal {self._running.run} (pid {self._running.process.pid})"
                raise RefusedError(f"{who} runs; wait for its end, or end it with: switchover upgrade --cancel")
            run = asked.id or new_run(time.time())
            if not RUN.fullmatch(run):
                raise RefusedError(f"the id {run!r} cannot name a run: {RUN_WORDS}")
            if (self._here.paths.state_dir / FOLDER / run).exists():
                raise RefusedError(f"there is a rehearsal {run} already; choose another --id")
            await self._begin(run, asked, new, live_flags=live_flags)
            log.info("rehearsal begun", run=run, actor=actor, command=list(new.command))
            return run

    async def progress(self, run: str, after: int) -> Progressed:
        """Return what is known of a run since the event numbered `after`.

        Raises:
            RefusedError: there is no such run.
        """
        if not RUN.fullmatch(run):
            raise RefusedError(f"there is no rehearsal {run!r}")
        folder = self._here.paths.state_dir / FOLDER / run
        runs = self._running is not None and self._running.run == run
        events = await anyio.to_thread.run_sync(read_progress, folder / PROGRESS)
        if not runs and not folder.is_dir():
            raise RefusedError(f"there is no rehearsal {run}")
        end = next((one for one in events if one.get("end")), None)
        if runs:  # also with its end told: until its program has ended, no other one can begin
            return Progressed(id=run, running=True, exit_code=None, events=_after(events, after))
        if end is not None:
            return Progressed(id=run, running=False, exit_code=end["exit_code"], events=_after(events, after))
        gone = {"n": len(events) + 1, "end": True, "exit_code": EXIT_FAILED, "message": KILLED}
        return Progressed(id=run, running=False, exit_code=EXIT_FAILED, events=_after([*events, gone], after))

    async def cancel(self, *, actor: str) -> str:
        """End the run under way; it clears up first.

        Raises:
            RefusedError: none runs.
        """
        running = self._running
        if running is None:
            raise RefusedError("no rehearsal runs")
        log.info("rehearsal cancelled", run=running.run, actor=actor)
        self._tasks.start_soon(running.process.stop, GRACE)
        return f"rehearsal {running.run} is being ended"

    def runs(self, pid: int) -> bool:
        """Say whether a process is the program of the run under way; a number that was given back is nobody's."""
        running = self._running
        return running is not None and running.process.pid == pid and not running.process.exited.is_set()

    def stop(self) -> None:
        """Have the run under way clear up, as the daemon stops."""
        if self._running is not None and not self._running.process.exited.is_set():
            os.kill(self._running.process.pid, signal.SIGTERM)

    async def close(self, *, at_once: bool) -> None:
        """Wait for the end of the run under way, or make one."""
        if self._running is not None:
            if at_once:
                await self._running.process.kill()
            await self._running.process.stop(GRACE)

    # --- one run --------------------------------------------------------------------------------

    async def _begin(self, run: str, asked: Asked, new: Spec, *, live_flags: bool) -> None:
        settings = self._here.settings()
        suite = await anyio.to_thread.run_sync(self._suite, asked, settings)
        active = self._active()
        old = await anyio.to_thread.run_sync(prepare, active, self._here.paths.generations)
        flags = await self._pinned(suite, live=live_flags)
        mark = mark_of_life(self._here.environment.get(MARK, ""))
        key = load_key(settings.access.key_file, self._here.paths.state_dir)
        request = Request(
            run=run,
            state_dir=str(self._here.paths.state_dir),
            worker_state=str(settings.worker.state or self._here.paths.worker_state),
            old=old,
            new=new,
            generation=active.number,
            options=asked.options(),
            settings=settings.upgrade.model_dump(mode="json"),
            suite=asked.suite or (None if settings.upgrade.suite is None else str(settings.upgrade.suite)),
            environ={**self._here.environment, MARK: mark},
            flags=str(flags),
            tools_socket=str(self._here.paths.tools_socket),
            grace=Grace(settings.worker.stop_grace.close_stdin, settings.worker.stop_grace.terminate),
            start_timeout=settings.worker.start_timeout,
            key=key_for(Purpose.REHEARSAL, key).hex(),
        )
        try:
            self._running = _Running(run, await self._start(request, mark))
        except BaseException:
            await self._flags.unpin(VIEW)
            raise
        self._tasks.start_soon(self._follow, self._running)

    def _suite(self, asked: Asked, settings: Settings) -> Suite | None:
        path = asked.suite or settings.upgrade.suite
        try:
            return None if path is None else read(Path(path))
        except SuiteError as error:
            raise RefusedError(str(error)) from error

    def _active(self) -> Generation:
        state = self._here.state()
        if state.table.active is None:
            raise RefusedError("nothing is active, so there is nothing to compare with")
        return state.generations[state.table.active]

    async def _pinned(self, suite: Suite | None, *, live: bool) -> Path:
        """Pin every flag to its safe value, to what it is now, or to what the suite says."""
        safe = {} if live else {key: one.safe for key, one in self._flags.registry.declarations.items()}
        try:
            return await self._flags.pin(VIEW, {**safe, **(suite.flags if suite is not None else {})})
        except (SwitchoverError, OSError) as error:
            raise RefusedError(f"the flags of a rehearsal cannot be pinned: {error}") from error

    async def _start(self, request: Request, mark: str) -> WorkerProcess:
        """Start the program, hand it the request and wait until it says that it begins."""
        self._here.paths.logs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._here.paths.logs_dir / LOG).open("wb") as errors:
            popen = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec, from the thread its life is tied to
                [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), sys.executable, "-m", "orchestrator.rehearse"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._here.paths.state_dir,
                env={**self._here.environment, MARK: mark},
                start_new_session=True,
            )
        process = WorkerProcess(popen, lambda: None, mark)
        try:
            with anyio.fail_after(BEGINNING):
                begun = await anyio.to_thread.run_sync(
                    _asked, popen, msgspec.json.encode(request), abandon_on_cancel=True
                )
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await process.stop(GRACE)
            if isinstance(error, (TimeoutError, msgspec.MsgspecError, OSError)):
                raise RefusedError(
                    f"the harness did not begin; {self._here.paths.logs_dir / LOG} may say why"
                ) from error
            raise
        if begun.refused:
            await process.stop(GRACE)
            raise RefusedError(begun.refused)
        return process

    async def _follow(self, running: _Running) -> None:
        """Clear up after the program, however it ends."""
        await running.process.exited.wait()
        await running.process.stop(GRACE)
        try:
            await self._flags.unpin(VIEW)  # before the next one may begin, which pins its own
        finally:
            self._running = None
        log.info("rehearsal over", run=running.run, outcome=running.process.outcome)
        await self._warn(running.run)

    async def _warn(self, run: str) -> None:
        """Warn people when this was one of too many runs in a row that had differences."""
        try:
            summary = await anyio.to_thread.run_sync(read_summary, self._here.paths.analytics)
            alarmed = alarm(summary.in_a_row) if summary is not None and summary.run == run else None
            if summary is None or alarmed is None:
                return
            log.warning(alarmed, run=run, differences=summary.count, path=summary.path)
            detail = f"{alarmed}; the newest, {run}, has {summary.count}: switchover shadow diff {run}"
            told = {"event": "rehearsal.differing", "run": run, "count": summary.count, "in_a_row": summary.in_a_row}
            await self._tell(ABOUT, {**told, "detail": detail})
        except Exception as error:  # a warning that cannot be told must not end the daemon
            log.exception("what the rehearsal found was not told", run=run, reason=str(error))


def _asked(popen: subprocess.Popen[bytes], request: bytes) -> Begun:
    """Write the request and read the program's one line."""
    assert popen.stdin is not None and popen.stdout is not None  # noqa: S101, PT018 - both are pipes
    with popen.stdin as stdin, popen.stdout as stdout:
        stdin.write(request)
        stdin.close()
        return msgspec.json.decode(stdout.readline(), type=Begun)


def _after(events: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    return [one for one in events if one["n"] > number]
