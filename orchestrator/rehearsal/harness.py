"""One rehearsal from preflight to summary: runs the steps in order, writes down each, and clears up whatever happens.

Above: `orchestrator.rehearse` puts it together.  Below: every other file of this room; `domain.rehearsal` decides what
the steps mean.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.from_thread

from orchestrator.domain.errors import StartError
from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import (
    Check,
    Outcome,
    Promotion,
    Status,
    Step,
    closing,
    exit_code,
    highest,
    not_reached,
    overall,
    promotion_plan,
    why_skipped,
)
from orchestrator.rehearsal import artifacts, cloning, code_copy, commands, preflight, report, snapshot, workspace
from orchestrator.rehearsal.artifacts import ArtifactError, Artifacts, LeakError, in_words
from orchestrator.rehearsal.code_copy import CopyError
from orchestrator.rehearsal.comparison import ComparisonError, compared
from orchestrator.rehearsal.databases import DatabaseError
from orchestrator.rehearsal.job import Job
from orchestrator.rehearsal.lock import LockFile
from orchestrator.rehearsal.processes import Terms
from orchestrator.rehearsal.samples import Compared, Comparer
from orchestrator.rehearsal.sandbox import Hold, find_hold
from orchestrator.rehearsal.shadow_run import NothingToAskError, Plan, Ran, ShadowRun
from orchestrator.supervision.warden import MARK

NEW_NAMED: Final = "name the new version's command anew after --, and its directory with --cwd"
OLD_NAMED: Final = "name the old version's command anew with --old, and its directory with --old-cwd"
OLD_AGAIN: Final = "the version in service has to be there to be started once more beside the new one: put it back"


LAST_LOOK: Final = 1.0
"""Seconds that what was written is still looked through when a run is ended early; what was not is withheld."""


class StepFailedError(Exception):
    """A step failed; the message is its outcome's."""


@dataclass(slots=True)
class _Found:
    """What the steps found out on the way."""

    hold: Hold | None = None
    new: Spec | None = None
    compared: Compared = field(default_factory=Compared)
    ran: Ran | None = None


class Harness:
    """One run."""

    def __init__(self, job: Job, kept: Artifacts, lock: LockFile, comparer: Comparer) -> None:
        """Build it.

        Args:
            job: what is rehearsed.
            kept: takes what is to be read afterwards.
            lock: held already; released by whoever took it.
            comparer: tells what differs.
        """
        self._job = job
        self._kept = kept
        self._lock = lock
        self._comparer = comparer
        self._outcomes: list[Outcome] = []
        self._found = _Found()
        self._place: workspace.Workspace | None = None
        self._leaks: list[str] = []
        self._looked = False

    async def run(self) -> int:
        """Run all steps; return the exit status.  Cancelled, it clears up and writes down that it was."""
        steps: dict[Step, Callable[[], Awaitable[Outcome]]] = {
            Step.PREFLIGHT: self._preflight,
            Step.COPY: self._copy,
            Step.BUILD: lambda: self._command(Step.BUILD),
            Step.TEST: lambda: self._command(Step.TEST),
            Step.SHADOW: self._shadow,
        }
        try:
            for step, work in steps.items():
                if not await self._one(step, work):
                    break
            await self._look()
        except BaseException as error:
            why = f"unforeseen: {error!r}" if isinstance(error, Exception) else "it was cancelled"
            self._note(Outcome(self._next(), Status.FAILED, why))
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._clear)
                code = await self._finish()
        return code

    # --- the frame ------------------------------------------------------------------------------

    async def _one(self, step: Step, work: Callable[[], Awaitable[Outcome]]) -> bool:
        """Run one step; return whether the next may begin."""
        started, begun = time.time(), time.monotonic()
        why = why_skipped(step, self._job.options, commands=self._commands())
        if why is not None:
            self._note(Outcome(step, Status.SKIPPED, why, 0.0, started))
            return True
        try:
            self._kept.progress(step=step, status="running", message="", at=started)
            done = await work()
        except (StepFailedError, ArtifactError) as error:
            done = Outcome(step, Status.FAILED, str(error))
        except OSError as error:
            done = Outcome(step, Status.FAILED, in_words(error, self._job.state_dir))
        seconds = time.monotonic() - begun
        self._note(Outcome(step, done.status, done.message, round(seconds, 3), started, done.details))
        return self._outcomes[-1].status is not Status.FAILED

    def _note(self, outcome: Outcome) -> None:
        """Write down what a step came to; one that cannot be written down has failed."""
        self._outcomes.append(outcome)
        try:
            self._kept.progress(step=outcome.step, status=outcome.status, message=outcome.message, at=time.time())
            self._kept.write("steps", report.steps(self._job.run, self._outcomes))
        except ArtifactError as error:
            if outcome.status is not Status.FAILED:
                self._outcomes[-1] = replace(outcome, status=Status.FAILED, message=str(error))

    def _next(self) -> Step:
        done = {one.step for one in self._outcomes}
        return next((step for step in Step if step not in done), Step.SUMMARY)

    def _commands(self) -> dict[Step, object]:
        return {Step.BUILD: self._job.settings.build, Step.TEST: self._job.settings.test}

    async def _say(self, message: str) -> None:
        self._kept.progress(step=self._next(), status="running", message=message, at=time.time())

    # --- the steps ------------------------------------------------------------------------------

    async def _preflight(self) -> Outcome:
        checks = await anyio.to_thread.run_sync(self._checks)
        self._kept.write("preflight", {"id": self._job.run, "checks": [asdict(one) for one in checks]})
        status, message = overall(checks)
        return Outcome(Step.PREFLIGHT, status, message)

    def _checks(self) -> list[Check]:
        job = self._job
        settings, source = job.settings, job.source
        said = self._lock.taken_over
        taken = Check("lock", Status.OK, "taken" if said is None else f"taken over: {said}")
        mended = artifacts.mend(job.state_dir, time.time(), self._kept.path)
        if cleared := {*workspace.clear_leftovers(job.state_dir), *mended}:
            taken = Check("lock", Status.OK, f"{taken.message}; cleared up after {', '.join(sorted(cleared))}")
        hold = self._found.hold = find_hold()
        excluded = self._excluded()
        code = cloning.size_of(source, excluded) if source is not None else 0
        return [
            taken,
            preflight.work_tree(source, allow_dirty=job.options.allow_dirty),
            preflight.source(source, self._wanted_commands()),
            preflight.program("old", job.old, job.environ.get("PATH"), OLD_AGAIN if job.tools_socket else OLD_NAMED),
            preflight.program("new", job.new, job.environ.get("PATH"), NEW_NAMED),
            preflight.space(job.state_dir, code, cloning.size_of(job.worker_state), settings.spare_bytes, self._copies),
            *preflight.health(job.worker_state),
            *preflight.runtimes(settings.runtimes, job.environ.get("PATH")),
            preflight.dry_run(hold),
        ]

    @property
    def _copies(self) -> int:
        """How many copies of the worker's state there are at a time, or, where they are kept, in the end."""
        repeats = self._job.suite.repeats if self._job.suite is not None else None
        return (
            preflight.kept_copies(repeats or self._job.settings.repeats) if self._keeps else preflight.COPIES_OF_STATE
        )

    def _wanted_commands(self) -> list[tuple[str, ...]]:
        settings, options = self._job.settings, self._job.options
        wanted = [None if options.skip_build else settings.build, None if options.skip_tests else settings.test]
        return [command for command in wanted if command]

    def _excluded(self) -> Callable[[Path], bool]:
        source = self._job.source or Path("/")
        return code_copy.excluder(self._job.settings.exclude, source, [self._job.state_dir, self._job.worker_state])

    async def _copy(self) -> Outcome:
        note = workspace.Note(self._job.new.source or "", self._job.environ.get(MARK, ""))
        self._place = workspace.Workspace.make(self._job.state_dir, self._job.run, note)
        self._place.runs.mkdir(mode=0o700)
        try:
            return await anyio.to_thread.run_sync(self._copy_both, self._place)
        except (CopyError, DatabaseError) as error:
            raise StepFailedError(str(error)) from error

    def _copy_both(self, place: workspace.Workspace) -> Outcome:
        job, source = self._job, self._job.source
        checks, self._found.new = [], job.new
        if source is not None:
            copied = code_copy.copy(source, place.code, job.new, job.settings.copy_as, self._excluded())
            checks.append(Check("code", Status.OK, copied.words))
            self._found.new = code_copy.relocated(job.new, copied.path)
        taken = snapshot.take(job.worker_state, place.base)
        checks.append(taken.check())
        details = {
            "code": place.code if source else None,
            "state": asdict(taken),
            "checks": [asdict(c) for c in checks],
        }
        status, _ = overall(checks)
        return Outcome(Step.COPY, status, "; ".join(one.message for one in checks), details=_plain(details))

    async def _command(self, step: Step) -> Outcome:
        settings, place = self._job.settings, self._place
        command = settings.build if step is Step.BUILD else settings.test
        seconds = settings.build_timeout if step is Step.BUILD else settings.test_timeout
        assert place is not None and command is not None  # noqa: S101, PT018 - `_copy` and `why_skipped` saw to it
        log = commands.Log(self._kept.log(step), settings.log_bytes, self._kept.redactor)
        environment = {**self._job.environ, **(self._found.new or self._job.new).env, "CI": "1"}
        try:
            ended = await commands.run(command, place.code, environment, seconds, log)
        except StartError as error:
            raise StepFailedError(str(error)) from error
        details = {"command": list(command), "log": log.name}
        if ended.words is None:
            return Outcome(step, Status.OK, f"{shlex.join(command)} succeeded", details=details)
        more = f"; give it more time with upgrade.{step}_timeout" if ended.late else ""
        last = f"; it ended with: {' | '.join(ended.last)}" if ended.last else ""
        message = f"{shlex.join(command)}: {ended.words}{more}{last}; all of it is in {self._kept.log(step)}"
        return Outcome(step, Status.FAILED, message, details=details)

    async def _shadow(self) -> Outcome:
        plan, until = self._plan(), time.monotonic() + self._job.settings.shadow_timeout
        run = ShadowRun(plan, self._say)
        try:
            with anyio.fail_after(self._job.settings.shadow_timeout):
                ran = self._found.ran = await run.run()
            compared = await self._compared(ran, until)
            left = until - time.monotonic()
            if compared.doubtful and not compared.late and left > 0.5 * self._job.settings.shadow_timeout:
                await self._say("what differs may be chance, so as many answers more are asked for")
                with anyio.move_on_after(left):
                    await run.again()
                more = await self._compared(ran, until)
                compared = compared if more.late else more
        except TimeoutError:
            raise StepFailedError(f"the run did not end within {self._job.settings.shadow_timeout:g} s") from None
        except (StartError, NothingToAskError, ComparisonError) as error:
            raise StepFailedError(str(error)) from error
        self._found.compared = report.with_expectations(compared, ran, self._kept.redactor.text)
        written = report.shadow(self._job.run, self._job, ran, self._found.compared, plan.terms.hold)
        await anyio.to_thread.run_sync(self._kept.write, "shadow", written)
        in_a_row = self._kept.summarise(len(self._found.compared.counted), time.time())
        return report.shadow_outcome(ran, self._found.compared, plan.terms.hold, in_a_row)

    async def _compared(self, ran: Ran, until: float) -> Compared:
        await self._say("answers are compared")
        return await compared(self._comparer, ran.suite.call, ran.samples, until - time.monotonic(), self._say)

    def _plan(self) -> Plan:
        job, settings, place = self._job, self._job.settings, self._place
        hold, new = self._found.hold, self._found.new
        assert place is not None and hold is not None and new is not None  # noqa: S101, PT018 - earlier steps made them
        terms = Terms(
            hold, job.environ, job.flags, settings.allow_network, settings.write, job.grace, job.start_timeout,
            settings.answer_bytes, self._kept.redactor,
        )  # fmt: skip
        return Plan(
            old=job.old,
            new=new,
            generation=job.generation,
            base=place.base,
            place=place.runs,
            suite=job.suite,
            repeats=settings.repeats,
            call_timeout=settings.call_timeout,
            tools_socket=job.tools_socket if settings.ask_active else None,
            terms=terms,
            keep=self._keeps,
        )

    # --- the end --------------------------------------------------------------------------------

    @property
    def _keeps(self) -> bool:
        return self._job.options.keep_copy or self._job.settings.keep_copy

    def _clear(self) -> None:
        """Remove the copies, or have them stay where that was asked for."""
        if self._place is None:
            return
        if self._keeps:
            workspace.keep(self._place)
        else:
            self._place.clear()

    async def _finish(self) -> int:
        """Write plan and report, look through everything, and say the last line."""
        self._outcomes += not_reached(self._outcomes)
        ran, hold = self._found.ran, self._found.hold
        known = Promotion(
            self._outcomes,
            len(self._found.compared.counted),
            ran.shared if ran is not None else None,
            held=hold is not None and hold.whole,
            attempts=len(report.stopped(ran)) if ran is not None else 0,
            broken=ran.broken if ran is not None else (),
        )
        self._kept.write("promotion_plan", {"id": self._job.run, **promotion_plan(known)})
        await self._summary()
        self._kept.write("steps", report.steps(self._job.run, self._outcomes))
        self._kept.write("report", report.whole(self._job, self._outcomes, known, self._place if self._keeps else None))
        code = exit_code((one.status for one in self._outcomes), nightly=self._job.options.nightly)
        self._kept.progress(end=True, exit_code=code, message=closing(self._outcomes), at=time.time())
        artifacts.prune(self._job.state_dir, self._job.settings.keep_runs)
        return code

    async def _look(self) -> None:
        """Look through what was written, until all was seen or somebody ends the run."""
        await anyio.to_thread.run_sync(self._leaked, _is_cancelled)
        self._looked = True

    def _leaked(self, is_over: Callable[[], bool]) -> None:
        try:
            self._kept.inspect(is_over)
        except LeakError as error:
            self._leaks.append(str(error))

    async def _summary(self) -> None:
        """Look through what was written and not seen yet; what should not be there fails the run."""
        started, until = time.time(), math.inf if self._looked else time.monotonic() + LAST_LOOK
        await anyio.to_thread.run_sync(self._leaked, lambda: time.monotonic() > until)
        if self._leaks:
            self._note(Outcome(Step.SUMMARY, Status.FAILED, "; ".join(self._leaks), 0.0, started))
            return
        if highest(one.status for one in self._outcomes) is not Status.FAILED:
            said = f"artifacts are in {self._kept.path}"
            self._note(Outcome(Step.SUMMARY, Status.OK, said, round(time.time() - started, 3), started))


def _is_cancelled() -> bool:
    """Break off what a thread does for a task that was cancelled."""
    anyio.from_thread.check_cancelled()
    return False


def _plain(value: Any) -> Any:
    """Return JSON of values that hold paths."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
