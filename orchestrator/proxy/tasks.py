"""Tasks: long work that a worker has taken on, asked about later under an id (2025-11-25; an extension since).

A task lives in the process that made it, so what is asked about it goes there, also after a switch.  Once that process
is gone, whoever serves the session now is asked: a worker may keep its tasks in a store.  Above: `intake` and `answers`
ask, `dispatch` owns the register.  Below: `ledger`, `link`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.domain.errors import INVALID_PARAMS
from orchestrator.domain.protocol import Era
from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mcp import is_generation
from orchestrator.proxy.session import Session

GET, RESULT, CANCEL, LIST = "tasks/get", "tasks/result", "tasks/cancel", "tasks/list"
ABOUT_ONE = frozenset({GET, RESULT, CANCEL, "tasks/update"})
"""Requests that name a task."""
STATUS = "notifications/tasks/status"
TERMINAL = frozenset({"completed", "failed", "cancelled"})
KNOWN = 10_000
"""Tasks whose makers are remembered; the oldest are forgotten first."""
MARK = "~"
"""Stands between a generation and its own cursor in the cursors of `tasks/list` that clients get."""


class Shown(msgspec.Struct, gc=False):
    """What the daemon reads of a task; `ttl` and `ttlMs` are milliseconds from its making, null for no end."""

    id: str = msgspec.field(default="", name="taskId")
    status: str = ""
    ttl: float | None = None
    ttl_ms: float | None = msgspec.field(default=None, name="ttlMs")

    @property
    def seconds(self) -> float:
        """How long it is kept."""
        told = self.ttl if self.ttl is not None else self.ttl_ms
        return math.inf if told is None else told / 1000


class _Result(Shown, gc=False):
    task: Shown | UnsetType = UNSET


class _Answer(msgspec.Struct, gc=False):
    result: _Result | UnsetType = UNSET
    params: Shown | UnsetType = UNSET


class _Listed(msgspec.Struct, gc=False):
    tasks: list[Raw] = []
    cursor: str | UnsetType = msgspec.field(default=UNSET, name="nextCursor")


class _Page(msgspec.Struct, gc=False):
    result: _Listed


class _Cursor(msgspec.Struct, gc=False):
    cursor: str | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(slots=True, eq=False)
class Task:
    """One task.

    Attributes:
        link: the process that made it.
        session: id of the session it was made for.
        subject: whose bearer token began that session, "" for none: nobody else's sessions reach it.
        expires: when its maker may forget it, monotonic seconds.
    """

    link: WorkerLink
    session: str
    subject: str
    expires: float


class Tasks:
    """Remembers who made which task."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Build an empty register; `now` gives monotonic seconds."""
        self._now = now
        self._known: dict[tuple[str, str], Task] = {}

    # --- what clients ask ---------------------------------------------------------------------

    def find(self, session: Session, task_id: str) -> Task | None:
        """Return a task by the id a session knows it by: of its own worker, or of one that all share."""
        return self._known.get((session.value.id, task_id)) or self._known.get(("", task_id))

    def direct(self, call: Call, task_id: str, *, serving: Callable[[WorkerLink], bool]) -> bool:
        """Send a request about a task to its maker, for as long as it serves.

        Returns:
            False when the task is somebody else's, of whom the asking session may not even know that it exists.
        """
        task = self.find(call.session, task_id)
        call.task = task_id
        call.minded = True
        if task is None:
            return True
        if task.subject != call.session.subject:
            return False
        if serving(task.link):
            call.pinned = task.link.generation
        if call.method == RESULT:  # it is answered once the task has ended
            call.deadline = max(call.deadline, task.expires)
        return True

    def turn_page(self, call: Call) -> None:
        """Send a request for a further page of the list to the generation whose page it is."""
        call.minded = True
        params = codec.decode_message(b'{"id":0' + bytes(call.tail)).params
        try:
            cursor = msgspec.json.decode(params, type=_Cursor).cursor if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return
        generation, mark, rest = cursor.partition(MARK) if cursor is not UNSET else ("", "", "")
        if mark and is_generation(generation) and params is not UNSET:
            call.pinned = int(generation)
            own = msgspec.json.encode(rest) if rest else None
            call.tail = codec.request_tail(call.method, codec.with_member(params, "cursor", own))

    # --- what workers say ---------------------------------------------------------------------

    def answered(self, link: WorkerLink, line: bytes, call: Call, *, good: bool, serving: int | None) -> bytes:
        """Note what a worker's answer says of a task, and return the answer as the client gets it.

        Args:
            link: the worker.
            line: its answer.
            call: what it answers.
            good: whether it is a result.
            serving: the generation that serves the session now.
        """
        if call.method == LIST:
            return self._page(line, call, serving) if good else line
        if call.method in ABOUT_ONE and not good:
            return self._refused(link, line, call)
        shown = _shown(line)
        if call.method in {RESULT, CANCEL}:
            link.task_over(call.task)
        elif shown is not None and call.method == GET:
            self._seen(link, shown, fetched=call.era is Era.STATELESS)  # there the outcome comes with the status
        elif shown is not None and shown.id:
            self._made(link, shown, call.session)
        return line

    def told(self, link: WorkerLink, line: bytes) -> str:
        """Note a worker's own word on a task's status; return the id of the session it was made for, or ""."""
        try:
            shown = _decode(line).params
        except msgspec.MsgspecError:
            return ""
        task = self._known.get((link.place.session, shown.id)) if shown is not UNSET else None
        if task is None or task.link is not link or shown is UNSET:
            return ""
        self._seen(link, shown, fetched=False)
        return task.session

    def _made(self, link: WorkerLink, shown: Shown, session: Session) -> None:
        expires = self._now() + shown.seconds
        key = link.place.session, shown.id
        self._known.pop(key, None)
        self._known[key] = Task(link, session.value.id, session.subject, expires)
        if len(self._known) > KNOWN:
            oldest = next(iter(self._known))
            self._known.pop(oldest).link.task_over(oldest[1])
        if shown.status not in TERMINAL or link.era is Era.HANDSHAKE:
            link.tasks[shown.id] = expires

    def _seen(self, link: WorkerLink, shown: Shown, *, fetched: bool) -> None:
        """Let go of a task that has ended, once its outcome is with the client."""
        if shown.status == "cancelled" or (fetched and shown.status in TERMINAL):
            link.task_over(shown.id)

    def _refused(self, link: WorkerLink, line: bytes, call: Call) -> bytes:
        """Say of a task whose maker is gone that this is why nobody knows it."""
        task = self.find(call.session, call.task)
        if task is None or task.link is link:
            return line
        _, error = codec.decode_result(line)
        said = (error or {}).get("message", "nothing")
        reason = f"the worker that had task {call.task} is gone; the one that serves now says: {said}"
        return codec.error_line(b"%d" % call.number, INVALID_PARAMS, reason)[:-1]

    # --- the list -----------------------------------------------------------------------------

    def _page(self, line: bytes, call: Call, serving: int | None) -> bytes:
        """Return a page of the list as the client gets it: without others' tasks, the next generation's page to follow.

        What can be asked for can be listed (2025-11-25, tasks), and that is on every generation that has tasks left.
        """
        try:
            page = msgspec.json.decode(line, type=_Page).result
        except msgspec.MsgspecError:
            return line
        mine = [task for task in page.tasks if self._is_open_to(call.session, task)]
        if page.cursor is not UNSET:
            follows: str | None = f"{call.generation}{MARK}{page.cursor}"
        else:
            following = self._following(call, serving)
            follows = None if following is None else f"{following}{MARK}"
        if len(mine) < len(page.tasks):
            line = codec.with_result_member(line, "tasks", msgspec.json.encode(mine))
        if follows is not None:
            line = codec.with_result_member(line, "nextCursor", msgspec.json.encode(follows))
        return line

    def _is_open_to(self, session: Session, written: Raw) -> bool:
        try:
            shown = msgspec.json.decode(written, type=Shown)
        except msgspec.MsgspecError:
            return True
        task = self.find(session, shown.id)
        return not session.subject if task is None else task.subject == session.subject

    def _following(self, call: Call, serving: int | None) -> int | None:
        """Return the generation whose tasks come after those of this call's: the serving one, then newest first."""
        others = sorted({number for number in self._generations(call.session) if number != serving}, reverse=True)
        if call.generation == serving:
            return others[0] if others else None
        return next((number for number in others if number < call.generation), None)

    def _generations(self, session: Session) -> Iterator[int]:
        """Yield where the tasks are that a session could ask for."""
        now = self._now()
        for (own, _), task in self._known.items():
            reachable = own in {"", session.value.id} and task.subject == session.subject
            if reachable and not task.link.dead and task.expires > now:
                yield task.link.generation


def _shown(line: bytes) -> Shown | None:
    """Read the task that an answer shows, flat or as its member `task`; None when it shows none."""
    try:
        result = _decode(line).result
    except msgspec.MsgspecError:
        return None
    if result is UNSET:
        return None
    return result if result.task is UNSET else result.task
