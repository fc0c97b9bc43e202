"""The proxy's end of one worker: lines in, answers out, and the daemon's own questions to it.

Above: `dispatch` sends calls and hears what comes back.  Below: two pipes that `supervision` opened.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.compatibility import Surface
from orchestrator.domain.errors import METHOD_NOT_FOUND, NoServerError, RequestFailedError, StartError
from orchestrator.domain.protocol import Era, Place
from orchestrator.proxy import codec
from orchestrator.proxy.lines import LineReader
from orchestrator.proxy.naming import HEAD, TAIL
from orchestrator.proxy.outbox import Outbox, Turn
from orchestrator.proxy.session_value import SessionValue
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.tally import Tally

log = get_logger("proxy")

ODD_RESULT = codec.ResultHead()
"""What is known of a result that is no object: nothing."""

OPENINGS = frozenset({"initialize", "server/discover"})
"""What only a client asks: of a worker that asks it, it may be the daemon's own question."""

QUOTE = 200
"""Characters of a worker's rubbish that a log line shows."""


class ToolFacts(NamedTuple):
    """What a tool's annotations say about calling it twice."""

    read_only: bool
    idempotent: bool


class Caller(Protocol):
    """Who is paused while a worker does not read: a session."""

    def block(self) -> None:
        """Stop."""
        ...

    def unblock(self) -> None:
        """Go on."""
        ...


class Isolated(Caller, Protocol):
    """A session with workers of its own."""

    value: SessionValue


class LinkOwner(Protocol):
    """Who hears what a worker says (the dispatcher)."""

    def answered(self, link: WorkerLink, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> None:
        """A worker answered call `number`, with a result or (UNSET) an error."""
        ...

    def notified(self, link: WorkerLink, method: str, line: bytes) -> None:
        """A worker sent a notification."""
        ...

    def asked(self, link: WorkerLink, line: bytes) -> None:
        """The worker of one session asked its client something."""
        ...

    def unmet(self, link: WorkerLink, method: str) -> None:
        """A shared worker asked for what only a client can give."""
        ...

    def undeliverable(self, link: WorkerLink, head: bytes, tail: bytes) -> None:
        """A worker sent a line that cannot be passed on; `head` is its beginning, `tail` its end."""
        ...


class WorkerLink(LineReader):
    """Reads a worker's stdout and writes its stdin.

    Attributes:
        generation: whose process this is.
        in_flight: calls sent and not answered.
        handshake: the worker's `initialize` (or `server/discover`) result once it is ready.
        tools: annotations of its tools by name.
        lists: its tools, resources (templates included) and prompts as it lists them.
        era: the wire era this process is locked to.
        session: the one session it serves, None when all share it.
        since: when it was taken into service, monotonic seconds.
        tally: where its answered calls are counted (its generation's).
        tasks: tasks it has made that are not over, and when each may be forgotten, seconds of the loop's clock.
        blocked: sessions paused because this worker does not read.
    """

    def __init__(
        self,
        generation: int,
        owner: LinkOwner,
        turn: Turn,
        *,
        line_bytes: int,
        backlog_bytes: int,
        on_eof: Callable[[], None],
        session: Isolated | None = None,
    ) -> None:
        """Build a link.

        Args:
            generation: whose process it is.
            owner: hears what the worker says.
            turn: groups writes.
            line_bytes: longest line accepted.
            backlog_bytes: bytes waiting for the worker's stdin above which its callers are paused.
            on_eof: called when the worker closes its stdout.
            session: the one session it serves, None when all share it.
        """
        super().__init__(line_bytes)
        self.generation = generation
        self.era = Era.HANDSHAKE
        self.session = session
        self.in_flight = 0
        self.handshake: dict[str, Any] = {}
        self.tools: dict[str, ToolFacts] = {}
        self.lists: dict[str, list[Any]] = {}
        self.tasks: dict[str, float] = {}
        self.blocked: set[Caller] = set()
        self.clogged = False
        self.dead = False
        self.last_heard = 0.0
        self.since = 0.0
        self.tally = Tally()
        self.outbox = Outbox(turn)
        self._owner = owner
        self._turn = turn
        self._backlog_bytes = backlog_bytes
        self._on_eof = on_eof
        self._questions: dict[str, asyncio.Future[Any]] = {}
        self._asked = 0
        self._idle: list[asyncio.Future[None]] = []

    # --- supervision's side -------------------------------------------------------------------

    def request(self, method: str, params: Mapping[str, Any] | None) -> asyncio.Future[Any]:
        """Ask the worker something in the daemon's own name.

        Returns:
            A future of the result; it fails with RequestFailedError on an error answer and with StartError
            when the worker is lost first.
        """
        self._asked += 1
        call_id = f"switchover-{self._asked}"
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.dead:
            future.set_exception(StartError("the worker is gone"))
            return future
        self._questions[call_id] = future
        self.outbox.put(codec.call_line(call_id, method, params))
        return future

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Tell the worker something in the daemon's own name."""
        self.outbox.put(codec.notification_line(method, None if params is None else dict(params)))

    def learn(self, lists: dict[str, list[Any]]) -> None:
        """Note the lists the worker shows and, of its tools, what their annotations say."""
        self.lists = lists
        self.tools = {}
        for tool in lists.get("tools", []):
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                hints = tool.get("annotations")
                hints = hints if isinstance(hints, dict) else {}
                facts = ToolFacts(hints.get("readOnlyHint") is True, hints.get("idempotentHint") is True)
                self.tools[tool["name"]] = facts

    def surface(self) -> Surface:
        """Return what it shows its clients."""
        version, capabilities = self.handshake.get("protocolVersion"), self.handshake.get("capabilities")
        return Surface(
            version=version if isinstance(version, str) else "",
            capabilities=capabilities if isinstance(capabilities, dict) else {},
            tools=_by_name(self.lists.get("tools", [])),
            prompts=_by_name(self.lists.get("prompts", [])),
        )

    @property
    def place(self) -> Place:
        """What it serves."""
        return Place(self.generation, self.era, self.session.value.id if self.session is not None else "")

    @property
    def asked(self) -> bool:
        """Whether the daemon itself waits for an answer of this worker."""
        return bool(self._questions)

    def settled(self) -> None:
        """Note that one call with this worker is over."""
        self.in_flight -= 1
        if not self.in_flight:
            self.rest()

    def task_over(self, task: str) -> None:
        """Note that nobody needs this worker for a task any more."""
        if self.tasks.pop(task, None) is not None:
            self.rest()

    def rest(self) -> None:
        """Have whoever waits for it look whether anything is with this worker still."""
        for future in self._idle:
            if not future.done():
                future.set_result(None)
        self._idle.clear()

    def busy_until(self, now: float) -> float | None:
        """Say until when this worker is needed at the longest (inf where nobody knows), None when it is not."""
        if self.in_flight:
            return math.inf
        return max((expires for expires in self.tasks.values() if expires > now), default=None)

    async def drained(self) -> None:
        """Wait until no call is with this worker, and no task that is neither over nor forgotten."""
        loop = asyncio.get_running_loop()
        while (until := self.busy_until(loop.time())) is not None:
            future: asyncio.Future[None] = loop.create_future()
            self._idle.append(future)
            await asyncio.wait([future], timeout=None if until == math.inf else until - loop.time())

    def close(self, reason: str) -> None:
        """Give the link up: nothing is sent or heard any more; open questions fail."""
        self.dead = True
        for future in self._questions.values():
            if not future.done():
                future.set_exception(StartError(reason))
                future.exception()
        self._questions.clear()
        self.resume_writing()

    # --- the worker's stdin -------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Note that the worker does not keep up; its callers are paused as they call, once too much waits for it."""
        self.clogged = True

    def hold_back(self, session: Caller) -> None:
        """Pause a caller for as long as the worker does not read."""
        if self.clogged and session not in self.blocked and self.outbox.backlog > self._backlog_bytes:
            self.blocked.add(session)
            session.block()

    def resume_writing(self) -> None:
        """Let the paused callers go on."""
        self.clogged = False
        blocked, self.blocked = self.blocked, set()
        for session in blocked:
            session.unblock()

    # --- the worker's stdout ------------------------------------------------------------------

    def lines_received(self, lines: list[bytes]) -> None:
        """Hand each line on; what the clients are to get is written once at the end."""
        self._turn.inside = True
        try:
            for line in lines:
                if line:
                    self._line(line)
        finally:
            self._turn.flush()

    def overlong_received(self, head: bytes, tail: bytes) -> None:
        """Report a line over the limit."""
        self._owner.undeliverable(self, head, tail)

    def undecodable_received(self, line: bytes) -> None:
        """Report a line that cannot be read; the call it may have answered is failed, not left to its deadline."""
        self._rubbish(line)
        self._owner.undeliverable(self, line[:HEAD], line[-TAIL:])

    def eof_received(self) -> None:
        """Report that the worker closed its stdout: nothing it does can be answered any more."""
        self._on_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Report likewise."""
        self._on_eof()

    def _line(self, line: bytes) -> None:
        if self.dead:
            return
        try:
            reply = codec.decode_reply(line)
        except msgspec.ValidationError:
            self._odd_line(line)
            return
        except RecursionError:
            self.undecodable_received(line)
            return
        except msgspec.DecodeError:
            self._rubbish(line)
            return
        if reply.method is UNSET:
            if type(reply.id) is int:
                self._owner.answered(self, line, reply.id, reply.result)
            else:
                self._own_answer(line, reply.id)
        elif reply.id is UNSET:
            self._owner.notified(self, reply.method, line)
        else:
            self._asked_by_worker(line, reply.method)

    def _odd_line(self, line: bytes) -> None:
        """Handle a line that is JSON of an unusual shape: a result that is no object, say."""
        try:
            message = codec.decode_message(line)
            number = msgspec.json.decode(message.id, type=int) if message.id is not UNSET else None
        except (msgspec.MsgspecError, RecursionError):
            self._rubbish(line)
            return
        if number is None or message.method is not UNSET:
            self._rubbish(line)
        else:
            self._owner.answered(self, line, number, UNSET if message.result is UNSET else ODD_RESULT)

    def _rubbish(self, line: bytes) -> None:
        text = line[:QUOTE].decode(errors="replace")
        log.warning("worker printed a line that is no JSON-RPC message", generation=self.generation, line=text)

    def _own_answer(self, line: bytes, call_id: object) -> None:
        future = self._questions.pop(call_id, None) if isinstance(call_id, str) else None
        if future is None:
            self._rubbish(line)
            return
        if future.done():
            return
        result, error = codec.decode_result(line)
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(RequestFailedError(error))

    def _asked_by_worker(self, line: bytes, method: str) -> None:
        """Answer a worker's own request: a shared worker's client is the daemon, which offers nothing but ping."""
        if method in OPENINGS and self._comes_back(line, method):
            return
        if self.session is not None and method != "ping":
            self._owner.asked(self, line)
            return
        message = codec.decode_message(line)
        call_id = b"null" if message.id is UNSET else bytes(message.id)
        if self.clogged:
            return  # it does not read: an answer would only pile up
        if method == "ping":
            self.outbox.put(codec.result_line(call_id, {}))
            return
        self._owner.unmet(self, method)
        self.outbox.put(
            codec.error_line(call_id, METHOD_NOT_FOUND, f"{method} is not offered to a worker that all sessions share")
        )

    def _comes_back(self, line: bytes, method: str) -> bool:
        """Give up the daemon's own question if a line is that; answered, it would come back as its answer."""
        written = codec.decode_message(line).id
        asked = msgspec.json.decode(written) if written is not UNSET else None
        future = self._questions.pop(asked, None) if isinstance(asked, str) else None
        if future is not None and not future.done():
            future.set_exception(
                NoServerError(f"it answers as no MCP server does: it sends back the {method} that it is sent")
            )
        return future is not None


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {item["name"]: item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
