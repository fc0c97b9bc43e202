"""One client's session as the bridge keeps it, while daemons come and go.

No I/O and no clock: what is to be written stands in `to_client` and `to_daemon`, and the time is handed in.

Above: `client_side` and `daemon_side` hand in what is said, `relay` tells of connections made and lost.  Below:
`books`, `calls`, `memory`, `asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Final

from msgspec import UNSET

from orchestrator.bridge import calls, messages
from orchestrator.bridge.asked import Asked
from orchestrator.bridge.books import HOLD, Books
from orchestrator.bridge.calls import INITIALIZE, LISTEN, Fate, Request
from orchestrator.bridge.memory import Memory, told_by
from orchestrator.domain.errors import Code
from orchestrator.proxy import codec
from orchestrator.proxy.batch import Batch

PAGES: Final = 1000
"""Pages of a tool list read at most: a cursor that never ends must not keep a call for ever."""

Handler = Callable[[codec.Message], None]


class Link(Enum):
    """How the bridge stands to the daemon."""

    AWAY = "no connection"
    OPENING = "the handshake is being done"
    LIVE = "messages pass"
    LEAVING = "the daemon takes no new requests; what it has it may still answer"


class Conversation:
    """Who is told what, and when.

    Attributes:
        to_client: lines to write to the client, without newlines; whoever writes them empties the list.
        to_daemon: likewise.
        notes: what a person should know; likewise.
        refusal: why the daemon turned this connection away, "" if it did not; then it is of no use.
        link: how the bridge stands to the daemon.
        books: the client's requests without an answer.
        memory: what a new daemon has to be told.
        asked: the daemon's requests to the client.
        batches: for the id of each open request that came in a batch: that batch.
        questions: what the bridge itself has asked the daemon: who takes the answer, by id.
    """

    def __init__(self) -> None:
        self.to_client: list[bytes] = []
        self.to_daemon: list[bytes] = []
        self.notes: list[str] = []
        self.refusal = ""
        self.link = Link.AWAY
        self.books = Books()
        self.memory = Memory()
        self.asked = Asked()
        self.batches: dict[bytes, Batch] = {}
        self.questions: dict[bytes, Handler] = {}
        self._questions_so_far = 0
        self._opening: Request | None = None
        self._lost_one = False

    # --- the daemon comes and goes ------------------------------------------------------------

    def connected(self) -> None:
        """Begin with a new daemon: the handshake first, if this session had or wants one."""
        self.refusal = ""
        self.link = Link.OPENING
        if self.memory.handshake is not None:
            self.ask(self.memory.handshake, self._opened)
            return
        self._opening = next((each for each in self.books.pending.values() if each.method == INITIALIZE), None)
        if self._opening is None:
            self._go_live()
        else:
            self.books.held.remove(self._opening)
            self.send(self._opening)

    def unsent(self, lines: Collection[bytes], now: float) -> None:
        """Take back lines that have not reached the daemon whole, so that it cannot have acted on them."""
        self.link = Link.LEAVING
        for request in self.books.sent_with(lines):
            request.sends -= 1
            self.books.hold(request, now + HOLD)

    def leaves(self, request: Request, until: float, answer: bytes) -> None:
        """Keep a request for the next daemon; if this one is there until then, its answer counts.

        A request is answered in this way by a daemon that is about to stop.
        """
        request.fallback = answer
        self.books.hold(request, until)
        if request.method != LISTEN and self.link is Link.LIVE:
            self.link = Link.LEAVING

    def lost(self, now: float) -> None:
        """Settle what the daemon had when the connection broke; `now` in seconds on a clock that only goes forward."""
        self.link = Link.AWAY
        self._opening = None
        self._lost_one = True
        self.questions.clear()
        self.to_daemon.clear()
        self.to_client += self.asked.lost()
        again: list[Request | bytes] = []
        for request in self.books.lost(now):
            match calls.fate(request):
                case Fate.SEND:
                    again.append(request)
                case Fate.ASK:
                    self.books.undecided.append(request)
                case Fate.LOSE:
                    self._lose(request)
                case Fate.DROP:
                    self.books.forget(request)
        self.books.held[:0] = again

    def expire(self, now: float) -> None:
        """Answer what has waited too long for a daemon."""
        stays = False
        for request in self.books.overdue(now):
            if request in self.books.undecided:
                self._lose(request)
            else:
                why = f" ({self.refusal})" if self.refusal else ""
                unserved = _unserved(request, f"no daemon took this request within {HOLD:g} s{why}")
                stays = stays or request.fallback is not None
                self.answer(request, request.fallback or unserved)
        if stays and self.link is Link.LEAVING:
            self._stays()

    def _stays(self) -> None:
        """Go on with a daemon that said it would leave and did not."""
        self.link = Link.LIVE
        for each in self.books.release():
            self._pass(each)

    def give_up(self, reason: str) -> None:
        """Answer everything: there will be no daemon."""
        for request in list(self.books.pending.values()):
            self.answer(request, _unserved(request, reason))

    # --- what both sides do with a request ----------------------------------------------------

    def send(self, request: Request) -> None:
        """Give a request to the daemon."""
        request.sent = True
        request.sends += 1
        request.fallback = None
        self.to_daemon.append(request.line)

    def answer(self, request: Request, line: bytes) -> None:
        """Close a request with its one answer."""
        self.books.forget(request)
        batch = self.batches.pop(request.id, None)
        if batch is None:
            self.to_client.append(line)
        else:
            batch.answered([line], request.id)
        if request is self._opening:
            self._go_live()

    def ask(self, tail: bytes, handler: Handler) -> None:
        """Ask the daemon something in the bridge's own name, under an id that no request of the client has.

        Args:
            tail: the request from after its id on.
            handler: takes the answer, if there is one before the connection breaks.
        """
        own = b""
        while not own or own in self.books.pending:
            self._questions_so_far += 1
            own = b'"switchover-connect-%d"' % self._questions_so_far
        self.questions[own] = handler
        self.to_daemon.append(messages.request_line(own, tail))

    # --- how a session goes on ----------------------------------------------------------------

    def _opened(self, message: codec.Message) -> None:
        """Take the answer to the handshake that was said in the client's place."""
        if message.error is not UNSET:
            self.refusal = f"it refuses the handshake: {messages.failure_of(message).message}"
            return
        version = told_by(message).version
        if version != self.memory.told.version:
            self.notes.append(f"the daemon speaks {version} now; the client was told {self.memory.told.version}")
        self._go_live()

    def _go_live(self) -> None:
        """Restore the session, then send what waits."""
        self.link = Link.LIVE
        self._opening = None
        if self.memory.initialized is not None:
            self.to_daemon.append(self.memory.initialized)
        for tail in self.memory.settings():
            self.ask(tail, self._set_anew)
        if self._lost_one:
            self.to_client += self.memory.changes()
        for meta, requests in calls.by_meta(self.books.undecided).items():
            self._ask_for_tools(requests, meta, None, PAGES)
        for each in self.books.release():
            self._pass(each)

    def _pass(self, held: Request | bytes) -> None:
        if isinstance(held, Request):
            self.send(held)
        else:
            self.to_daemon.append(held)

    def _set_anew(self, message: codec.Message) -> None:
        if message.error is not UNSET:
            reason = messages.failure_of(message).message
            self.notes.append(f"the daemon refuses a log level or subscription it had accepted before: {reason}")

    def _ask_for_tools(self, requests: list[Request], meta: bytes | None, cursor: str | None, pages: int) -> None:
        """Ask what the tools are now.

        A call of what has no effect *now* can be sent now, whatever it may have done before: it has one effect at most.
        """

        def listed(message: codec.Message) -> None:
            if messages.is_farewell(message):  # the next daemon is asked
                return
            page = calls.page_of(message)
            last = page.cursor is None or pages <= 1
            left = self._decide(
                [each for each in requests if each in self.books.undecided], page.read_only(), last=last
            )
            if left:
                self._ask_for_tools(left, meta, page.cursor, pages - 1)

        self.ask(calls.list_tools(meta, cursor), listed)

    def _decide(self, requests: list[Request], read_only: dict[str, bool], *, last: bool) -> list[Request]:
        """Settle the calls of listed tools, all calls on the last page; return those that are left."""
        left = []
        for request in requests:
            verdict = read_only.get(calls.tool_of(request))
            if verdict:
                self.books.undecided.remove(request)
                self.send(request)
            elif verdict is not None or last:
                self._lose(request)
            else:
                left.append(request)
        return left

    def _lose(self, request: Request) -> None:
        reason = "the daemon was lost while it had this call, which may have had an effect"
        self.answer(request, messages.refusal(request.id, Code.WORKER_LOST, reason, retryable=False))


def _unserved(request: Request, reason: str) -> bytes:
    return messages.refusal(request.id, Code.NO_WORKER, reason, retryable=True)
