"""The daemon's side of state parity: tells the program that follows of each write call, and keeps the clock.

Above: `daemon`; `api.comparing.parity` asks here, a plan asks `clean_for`.  Below: `follow` is the program,
`proxy.mirror` tells of write calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from orchestrator.access.key import Purpose, key_for, load_key
from orchestrator.api.comparing.parity_models import DifferenceShown, ParityStatus, PartingShown
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.errors import StartError
from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.generation import Spec
from orchestrator.in_force import InForce
from orchestrator.parity.clean import NEVER, Clean, Parting
from orchestrator.paritying.behind import Behind
from orchestrator.paritying.kept import FOLDER, ClockError, Followed, keep, load
from orchestrator.paritying.messages import Ask, Begin, Copied, Did, Found, Quiet, Unknown, Write, encode, to_daemon
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mirror import ALONE, Mirror
from orchestrator.rehearsal.cloning import remove_tree
from orchestrator.supervision.helper import Helper, Program
from orchestrator.supervision.private_copy import prepare
from orchestrator.supervision.process import Grace
from orchestrator.supervision.startable import unstartable
from orchestrator.telemetry.logging import get_logger

log = get_logger("parity")

GRACE: Final = Grace(close_stdin=8.0, terminate=5.0)
"""What it was sent before the end of its socket is done first."""
BACKLOG: Final = 64 << 20
"""Bytes of write calls the new code may lie behind."""
LOG: Final = "parity.log"
"""What the program itself prints: nothing, unless it fails in a way nobody foresaw."""
RESTARTED: Final = "the daemon was restarted; the states are being compared"


class Parity:
    """Follows the writes of a daemon; fits `api.comparing.parity.Parities`."""

    def __init__(
        self,
        tasks: TaskGroup,
        mirror: Mirror,
        here: InForce,
    ) -> None:
        """Build it; `resume` goes on with what was followed before.

        Args:
            tasks: where the program is waited for.
            mirror: tells of write calls.
            here: the section `parity`, and what is active and what is the canary.
        """
        self._tasks = tasks
        self._mirror = mirror
        self._here = here
        self._followed: Followed | None = None
        self._helper: Helper | None = None
        self._held = ""
        self._compared = 0
        self._behind = Behind()
        self._is_stuck = False
        self._sure = False
        self._moving = anyio.Lock()
        """One verb at a time: a folder must not be removed while the next comparison makes its own in it."""

    # --- verbs --------------------------------------------------------------------------------

    async def start(self, spec: Spec | None, actor: str) -> str:
        """Copy the state and follow from now on; what was followed before is forgotten.

        Raises:
            RefusedError: it cannot be; the reason says why.
        """
        if self._mirror.isolated:
            raise RefusedError(f"writes cannot be followed: {ALONE}")
        active = self._here.state().table.active
        if active is None:
            raise RefusedError("nothing is active, so there is nothing to follow")
        spec = await self._canarys() if spec is None else spec
        if trouble := unstartable(replace(spec, source=None), self._here.environment):  # nobody builds it before
            raise RefusedError(f"{trouble}; name the new code anew: switchover parity start -- COMMAND")
        async with self._moving:
            await self._end()
            self._followed = Followed(spec=spec, generation=active, begun=self._here.clock.wall())
            log.info("parity started", actor=actor, command=list(spec.command))
            try:
                await self._begin(resume=False)
            except RefusedError:
                await self._forget()
                raise
        return "the state is being copied; from then on every write call is done again, and the states are compared"

    async def _canarys(self) -> Spec:
        """Return how the canary is started: from its own copy of the source, which may have been changed since."""
        state = self._here.state()
        if state.table.canary is None:
            raise RefusedError("there is no canary; name the new code: switchover parity start -- COMMAND")
        canary, root = state.generations[state.table.canary], self._here.paths.generations
        try:
            return await anyio.to_thread.run_sync(prepare, canary, root)
        except StartError as error:
            raise RefusedError(str(error)) from error

    async def stop(self, actor: str) -> str:
        """Follow nothing more; the copy goes.

        Raises:
            RefusedError: nothing is followed.
        """
        async with self._moving:
            if self._followed is None:
                raise RefusedError("parity is off")
            log.info("parity stopped", actor=actor)
            await self._end()
            await self._forget()
        return "parity is off; the copy of the state is removed"

    async def _forget(self) -> None:
        """Remove the copy; only then parity is off: who is told that finds nothing left of it."""
        await anyio.to_thread.run_sync(remove_tree, self._here.paths.state_dir / FOLDER)
        self._followed = None

    async def resume(self) -> None:
        """Go on with what was followed when the daemon last stopped."""
        state_dir = self._here.paths.state_dir
        try:
            followed = await anyio.to_thread.run_sync(load, state_dir)
        except ClockError as error:
            log.warning("parity is lost", reason=f"{error}; begin anew: switchover parity start")
            await anyio.to_thread.run_sync(remove_tree, state_dir / FOLDER)
            return
        if followed is None:
            return
        self._followed = followed
        if not followed.copied:
            self._unknown("the daemon was stopped before the state was copied; begin anew: switchover parity start")
        elif self._mirror.isolated:
            self._unknown(f"writes cannot be followed: {ALONE}")
        else:
            try:
                await self._begin(resume=True)
            except RefusedError as error:  # no reason for a daemon not to start
                self._unknown(str(error))

    async def close(self) -> None:
        """Have what was written done again, and stop until the next start of the daemon."""
        async with self._moving:
            await self._end()
            self._keep()

    def clean_for(self, now: float) -> float:
        """Return for how many seconds the two states have been the same without a break, 0 when they are not.

        Args:
            now: Unix seconds.
        """
        return self._followed.clean.seconds(now) if self._followed is not None and self._sure else 0.0

    # --- write calls --------------------------------------------------------------------------

    def _written(self, call: Call, _link: WorkerLink | None, _line: bytes, outcome: Outcome) -> None:
        """Tell the program of a call that is over."""
        followed, helper = self._followed, self._helper
        if followed is None or helper is None:
            return
        followed.last += 1
        number, tail, most = followed.last, bytes(call.tail), self._here.settings().parity.queue
        if outcome in {Outcome.LOST, Outcome.EXPIRED, Outcome.CANCELLED}:
            self._doubt(f"call {number} ({call.tool}) had no answer; nobody knows whether it changed anything")
        elif number - self._compared > most:
            self._doubt(f"{most} write calls and more came without a moment to compare the states in")
        if len(self._behind) >= most or self._behind.size + len(tail) > BACKLOG:
            self._unknown(f"the new code lies too far behind (call {number}); begin anew: switchover parity start")
            helper.end()
            self._helper = None
            self._mirror.watch_writes(None)
            return
        self._behind.sent(number, len(tail))
        helper.send(encode(Write(number, call.tool, tail)))

    # --- the program --------------------------------------------------------------------------

    async def _begin(self, *, resume: bool) -> None:
        followed = self._followed
        assert followed is not None  # noqa: S101 - set by both callers
        self._sure, self._compared, self._is_stuck = False, followed.last, False
        self._behind = Behind()
        program = Program(
            "orchestrator.paritying.follow",
            self._here.paths.state_dir,
            self._here.paths.logs_dir / LOG,
            self._here.environment,
            GRACE,
        )
        self._helper = helper = Helper(program, self._received, self._over)
        self._mirror.watch_writes(self._written)
        try:
            (self._here.paths.state_dir / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keep()
            await helper.start(self._tasks)
        except OSError as error:
            self._helper = None
            self._mirror.watch_writes(None)
            raise RefusedError(f"the program that follows cannot be started: {error}") from error
        helper.send(encode(self._asked(followed, resume=resume)))

    def _asked(self, followed: Followed, *, resume: bool) -> Begin:
        settings = self._here.settings()
        key = load_key(settings.access.key_file, self._here.paths.state_dir)
        grace = settings.worker.stop_grace
        return Begin(
            spec=followed.spec,
            generation=followed.generation,
            live=str(settings.worker.state or self._here.paths.worker_state),
            folder=str(self._here.paths.state_dir / FOLDER),
            resume=resume,
            last=followed.last,
            since=followed.copied,
            environ=dict(self._here.environment),
            settings=settings.parity.model_dump(mode="json"),
            network=settings.upgrade.allow_network,
            write=tuple(settings.upgrade.write),
            call_timeout=settings.upgrade.call_timeout,
            start_timeout=settings.worker.start_timeout,
            grace=Grace(grace.close_stdin, grace.terminate),
            answer_bytes=settings.upgrade.answer_bytes,
            flags=str(self._here.paths.flags),
            key=key_for(Purpose.PARITY, key),
        )

    async def _end(self) -> None:
        helper, self._helper = self._helper, None
        self._mirror.watch_writes(None)
        self._sure = False
        if helper is not None:
            await helper.stop()

    def _over(self, helper: Helper) -> None:
        """Say that the program is gone, unless we ended it."""
        if helper is self._helper:
            self._helper = None
            self._mirror.watch_writes(None)
            if not self._is_stuck:
                ended = helper.process is not None and helper.process.exited.is_set()
                how = helper.outcome if ended else "ended"  # its socket may close before it is seen to be gone
                said = f"{self._here.paths.logs_dir / LOG} may say why; begin anew: switchover parity start"
                self._unknown(f"the program that follows {how}; {said}")

    def _received(self, body: bytes) -> None:
        try:
            message = to_daemon(body)
        except msgspec.MsgspecError as error:
            log.warning("the program that follows speaks nonsense", reason=str(error))
            return
        followed = self._followed
        if followed is None or self._helper is None:
            return
        if isinstance(message, Ask):
            self._helper.send(encode(Quiet(followed.last, self._mirror.writing())))
        elif isinstance(message, Did):
            self._behind.done(message.number)
        elif isinstance(message, Copied):
            followed.copied, self._held = message.since, message.held
            self._compared = max(self._compared, message.last)
            self._behind.done(message.last)
            self._keep()
            log.info("state copied", after_call=message.last, held=message.held)
        elif isinstance(message, Found):
            self._found(followed, message)
        else:
            self._stuck(message)

    def _found(self, followed: Followed, found: Found) -> None:
        """Take in a comparison."""
        before = followed.clean
        self._compared = max(self._compared, found.call)
        if not found.differences:
            followed.clean = before.equal(found.call, found.at)
        else:
            parting = Parting(found.at, found.call, before.same, found.tool, found.differences)
            if before.since is not None or before.parting is None:
                log.warning("states parted", where=str(parting), differences=len(found.differences))
            followed.clean = before.parted(parting)
        first = not self._sure and not found.differences
        self._sure = not found.differences
        if first or (followed.clean.since, followed.clean.reason) != (before.since, before.reason):
            self._keep()

    def _stuck(self, unknown: Unknown) -> None:
        self._is_stuck = unknown.over
        if unknown.over:
            self._unknown(f"{unknown.reason}; begin anew: switchover parity start")
        else:
            self._doubt(unknown.reason)

    def _doubt(self, reason: str) -> None:
        """Stop the clock, if it runs: the next comparison tells whether the states are the same."""
        if self._followed is not None and self._followed.clean.since is not None:
            self._unknown(reason)

    def _unknown(self, reason: str) -> None:
        """Stop the clock: nobody knows whether the states are the same."""
        self._sure = False
        if self._followed is not None:
            log.warning("parity unknown", reason=reason)
            self._followed.clean = self._followed.clean.unknown(reason)
            self._keep()

    def _keep(self) -> None:
        """Write the clock down: a few hundred bytes, and only when it changes."""
        if self._followed is None:
            return
        try:
            keep(self._here.paths.state_dir, self._followed)
        except OSError as error:
            log.warning("the clock of parity is not kept", reason=str(error))

    # --- what is shown ------------------------------------------------------------------------

    def status(self) -> ParityStatus:
        """Say how it stands."""
        followed = self._followed
        if followed is None:
            return ParityStatus(
                on=False, running=False, command=[], clean_seconds=0.0, clean_since=None, reason="parity is off",
                copied_at=None, calls=0, compared_after=None, breaks=0, parting=None, held="",
            )  # fmt: skip
        clean, running = followed.clean, self._helper is not None
        reason = clean.reason or ("" if self._sure else RESTARTED)
        return ParityStatus(
            on=True,
            running=running,
            command=list(followed.spec.command),
            clean_seconds=self.clean_for(self._here.clock.wall()),
            clean_since=clean.since if self._sure else None,
            reason=reason,
            copied_at=followed.copied or None,
            calls=followed.last,
            compared_after=None if clean.same == NEVER else clean.same,
            breaks=clean.breaks,
            parting=_shown(clean),
            held=self._held,
        )


def _shown(clean: Clean) -> PartingShown | None:
    parting = clean.parting
    if parting is None:
        return None
    differences = [
        DifferenceShown(place=one.place, kind=one.kind, old=one.old, new=one.new) for one in parting.differences
    ]
    return PartingShown(
        at=parting.at, after=parting.after, call=parting.call, tool=parting.tool, where=str(parting),
        differences=differences,
    )  # fmt: skip
