"""Runs old and new code through one suite, each process on a snapshot of its own, and has their answers compared.

In turn: control, rehearsal, control, ..., control.  Then the old code once on the snapshot that the new code has worked
on, and the process in service through tools that only read.  Above: `harness`.  Below: `processes`, `samples`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.generation import Role, Spec
from orchestrator.domain.protocol import Era
from orchestrator.rehearsal import cloning, snapshot
from orchestrator.rehearsal.client import Client
from orchestrator.rehearsal.contents import Contents, contents, lost
from orchestrator.rehearsal.databases import databases, examine
from orchestrator.rehearsal.processes import Started, Terms, Wanted, started
from orchestrator.rehearsal.propose import propose, why_nothing
from orchestrator.rehearsal.samples import Answer, Part, Taken
from orchestrator.rehearsal.sentry import Attempt
from orchestrator.rehearsal.suite import Case, MissingAnswerError, Suite, filled
from orchestrator.supervision.readiness import handshake

PARTS_ROLE: Final = {Part.CONTROL: Role.CONTROL, Part.REHEARSAL: Role.REHEARSAL, Part.TOUCHED: Role.CONTROL}
MOST_BYTES: Final = 1 << 30
"""Of all answers of a run, which stay in memory until they are compared; beyond it no call is made, which is said."""
ACTIVE_SECONDS: Final = 10.0
"""Seconds the daemon has to open a session for us."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a shadow run works with.

    Attributes:
        old: the code in service.
        new: the code to be rehearsed.
        generation: the number of the old code, which both are told: another one would differ in every answer.
        base: the snapshot that every process gets a copy of.
        place: directory for those copies.
        suite: the calls; None to have them proposed from the old code's tools.
        repeats: how often old and new code are each run.
        call_timeout: seconds a call may take.
        tools_socket: where the process in service is asked; None when it is not.
        terms: what all processes have in common.
        keep: whether the copies stay.
    """

    old: Spec
    new: Spec
    generation: int
    base: Path
    place: Path
    suite: Suite | None
    repeats: int
    call_timeout: float
    tools_socket: Path | None
    terms: Terms
    keep: bool = False


@dataclass(slots=True)
class Ran:
    """What a shadow run brought home.

    Attributes:
        suite: the calls that were made.
        samples: all answers, in the order in which they came.
        attempts: what each process was kept from, by the process's name.
        broken: what the old code could not do on the snapshot the new code had worked on.
        shared: whether the old code works there; None while that was not tried.
        notes: what else should be known.
        listed: the tools that the old or the new code lists.
    """

    suite: Suite
    samples: list[Taken] = field(default_factory=list)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    shared: bool | None = None
    notes: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)

    def of(self, part: Part) -> list[Taken]:
        """Return one part's answers."""
        return [one for one in self.samples if one.part is part]


ENDED: Final = {
    Answer.LOST: "its process ended",
    Answer.UNREADABLE: "its answer cannot be read",
}
"""How a call ended that has no answer, in words."""


class NoRoomError(Exception):
    """There is no room for further answers; the message says how many there are."""


class NothingToAskError(Exception):
    """No suite is given and none can be proposed."""


class ShadowRun:
    """One run."""

    def __init__(self, plan: Plan, say: Callable[[str], Awaitable[None]]) -> None:
        """Build it; `run` does it.

        Args:
            plan: what it works with.
            say: told of every process that is started.
        """
        self._plan = plan
        self._say = say
        self._ran: Ran | None = None
        self._read_only: frozenset[str] = frozenset()
        self._left: Contents = {}  # what the old code by itself leaves
        self._bytes = 0
        self._ended: set[Part] = set()  # parts of which it was noted how a process ended

    async def run(self) -> Ran:
        """Run all processes, one after the other.

        Raises:
            StartError: the old or the new code did not become ready.
            NothingToAskError: no suite is given and none can be proposed.
            OSError: a snapshot cannot be copied.
        """
        plan = self._plan
        ran = await self._process(Part.CONTROL, 0, plan.old)
        repeats = ran.suite.repeats or plan.repeats
        touched: Path | None = None
        for number in range(repeats):
            state = await self._keeping(Part.REHEARSAL, number, plan.new)
            touched = await self._kept(touched, state)
            await self._process(Part.CONTROL, number + 1, plan.old)
        if touched is not None:
            await self._on_touched(touched, ran)
        if plan.tools_socket is not None:
            await self._ask_active(plan.tools_socket, ran)
        return ran

    async def again(self) -> None:
        """Run the new and the old code as often once more; what they answer is added to what `run` returned.

        Raises:
            StartError: the old or the new code did not become ready.
            OSError: a snapshot cannot be copied.
        """
        assert self._ran is not None  # noqa: S101 - `run` made it
        repeats = self._ran.suite.repeats or self._plan.repeats
        for number in range(repeats, 2 * repeats):
            await self._process(Part.REHEARSAL, number, self._plan.new)
            await self._process(Part.CONTROL, number + 1, self._plan.old)

    # --- one process after the other ------------------------------------------------------------

    async def _process(self, part: Part, number: int, spec: Spec) -> Ran:
        """Run one process on a fresh snapshot, which goes when it ends."""
        state = await self._keeping(part, number, spec)
        if part is Part.CONTROL and not number:
            self._left = await anyio.to_thread.run_sync(contents, state)
        await self._discard(state)
        assert self._ran is not None  # noqa: S101 - the first process makes it
        return self._ran

    async def _keeping(self, part: Part, number: int, spec: Spec) -> Path:
        """Run one process on a fresh snapshot; return that."""
        state = self._plan.place / f"{part}-{number}"
        await anyio.to_thread.run_sync(snapshot.fresh, self._plan.base, state)
        await self._on(state, part, number, spec)
        return state

    async def _on(self, state: Path, part: Part, number: int, spec: Spec) -> None:
        """Run one process on a given snapshot through the whole suite."""
        name = f"{part} {number + 1}"
        await self._say(f"{name} is asked")
        try:
            async with started(
                Wanted(spec, PARTS_ROLE[part], self._plan.generation, state, self._plan.terms)
            ) as process:
                ran = self._ran = self._ran or Ran(self._suite(process.client))
                ran.listed |= set(_names(process.client.tools))
                self._read_only = self._read_only or frozenset(_read_only(process.client.tools))
                await self._ask_all(process.client, part, number, ran, process)
                ran.attempts[name] = process.attempts()
                if process.unlisted:
                    listed = len(ran.attempts[name])
                    ran.notes.append(
                        f"{name}: {process.unlisted} more attempts, unlike the {listed} listed, were stopped"
                    )
        except StartError as error:
            whose = "new" if part is Part.REHEARSAL else "old"
            raise StartError(f"the {whose} code did not start on its snapshot: {error}") from error

    def _suite(self, client: Client) -> Suite:
        suite = self._plan.suite or propose(client.tools, network=self._plan.terms.network)
        if suite is None:
            raise NothingToAskError(why_nothing(client.tools, network=self._plan.terms.network))
        return suite

    async def _ask_all(self, client: Client, part: Part, number: int, ran: Ran, process: Started | None = None) -> None:
        answers: dict[str, Any] = {}
        for case in ran.suite.call:
            if part is Part.ACTIVE and case.tool not in self._read_only:
                continue
            for call in range(case.repeats):
                sample = await self._ask(client, case, call, answers, (part, number))
                stopped = process.stopped_since() if process is not None else ()
                ran.samples.append(Taken(**{**_members(sample), "stopped": stopped}))
                if sample.answer is Answer.LOST and process is not None and part not in self._ended:
                    self._ended.add(part)
                    how = await process.end()
                    ran.notes.append(f"{part} {number + 1} ended when {case.name} was called: it {how}")

    async def _ask(
        self, client: Client, case: Case, call: int, answers: dict[str, Any], whose: tuple[Part, int]
    ) -> Taken:
        """Make one call and note its answer."""
        part, number = whose
        at, begun = time.time(), time.monotonic()
        try:
            self._need_room()
            arguments = filled(case.arguments, answers)
        except (MissingAnswerError, NoRoomError) as error:
            body = json.dumps({"message": str(error)}).encode()
            return Taken(case.name, case.tool, part, number, call, at, 0.0, Answer.UNASKED, body)
        answered = await client.call(case.tool, arguments, self._plan.call_timeout)
        seconds = time.monotonic() - begun
        self._bytes += len(answered.body)
        result = _decoded(answered.body) if answered.answer is Answer.RESULT else None
        answers[case.name] = result
        failed = isinstance(result, dict) and result.get("isError") is True
        return Taken(
            case.name, case.tool, part, number, call, at, seconds, answered.answer, answered.body, failed=failed
        )

    def _need_room(self) -> None:
        """See that there is room for an answer.

        Raises:
            NoRoomError: there is none.
        """
        if self._bytes <= MOST_BYTES:
            return
        why = f"all answers together have more than {MOST_BYTES >> 20} MiB: ask for less, or less often"
        if self._ran is not None and why not in self._ran.notes:
            self._ran.notes.append(why)
        raise NoRoomError(why)

    # --- the old code after the new -------------------------------------------------------------

    async def _on_touched(self, state: Path, ran: Ran) -> None:
        """Run the old code on what the new code left, and note what it cannot do there, or has lost."""
        handed = await anyio.to_thread.run_sync(contents, state)
        try:
            await self._on(state, Part.TOUCHED, 0, self._plan.old)
        except StartError as error:
            ran.broken.append(str(error))
        well = {(one.case, one.call) for one in ran.of(Part.CONTROL) if one.well}
        ran.broken += [
            f"{one.case}: {_words(one)}"
            for one in ran.of(Part.TOUCHED)
            if not one.well and (one.case, one.call) in well
        ]
        ran.broken += await anyio.to_thread.run_sync(lambda: list(_damaged(state)))
        before, after = [await anyio.to_thread.run_sync(contents, one) for one in (self._plan.base, state)]
        ran.broken += [f"what it keeps in {name} is gone" for name in lost(before, self._left, handed, after)]
        ran.shared = not ran.broken
        await self._discard(state)

    async def _kept(self, before: Path | None, now: Path) -> Path:
        """Keep the first snapshot that the new code has worked on, discard the later ones."""
        if before is None:
            return now
        await self._discard(now)
        return before

    async def _discard(self, state: Path) -> None:
        if not self._plan.keep:
            await anyio.to_thread.run_sync(cloning.remove_tree, state)
            await anyio.to_thread.run_sync(cloning.remove_tree, state.with_name(f"{state.name}.tmp"))

    # --- the process in service -----------------------------------------------------------------

    async def _ask_active(self, socket: Path, ran: Ran) -> None:
        """Ask the process in service what only reads; that it cannot be asked is no trouble of the new code's."""
        await self._say("active is asked what only reads")
        client = Client(self._plan.generation, self._plan.terms.answer_bytes)
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(ACTIVE_SECONDS):
                transport, _ = await loop.create_unix_connection(lambda: client, str(socket))
                await handshake(client, Era.HANDSHAKE)
        except (OSError, TimeoutError, StartError, RequestFailedError) as error:
            ran.notes.append(f"active was not asked: {error}")
            return
        try:
            await self._ask_all(client, Part.ACTIVE, 0, ran)
        finally:
            transport.close()
            client.close()


def _read_only(tools: list[Any]) -> Iterator[str]:
    for tool in tools:
        hints = tool.get("annotations") if isinstance(tool, dict) else None
        if isinstance(hints, dict) and hints.get("readOnlyHint") is True:
            yield str(tool.get("name"))


def _names(tools: list[Any]) -> Iterator[str]:
    return (str(tool.get("name")) for tool in tools if isinstance(tool, dict))


def _members(sample: Taken) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in Taken.__slots__}


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _words(sample: Taken) -> str:
    if sample.answer is Answer.RESULT:
        return "the tool failed"
    return {Answer.ERROR: "it was answered with an error", Answer.TIMEOUT: "it was not answered in time"}.get(
        sample.answer, ENDED.get(sample.answer, "it was not asked")
    )


def _damaged(state: Path) -> Iterator[str]:
    for path in databases(state):
        if (trouble := examine(path, float("inf"))) is not None:
            yield f"{path.name} is damaged: {trouble}"
