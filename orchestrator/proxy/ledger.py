"""The ledger owns each call from acceptance to answer: no call is lost, none is answered twice.

A call leaves the ledger exactly once, by `close`; whoever closes it answers it.  The number it gets here is also its
id towards the worker, so an answer finds its call with one look-up.
"""

from __future__ import annotations

import asyncio
import math
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from orchestrator.domain.protocol import Era
from orchestrator.domain.routing import Lane

MAX_ATTEMPTS = 2
"""A call whose worker died under it is sent once more at most; a call that killed two workers is blocked."""


REMEMBERED = 1024
"""Calls that were closed without their worker's answer and are remembered, to tell a late answer from a wild one."""


class Carrier(Protocol):
    """What a call is with: a worker's link."""

    in_flight: int

    def rest(self) -> None:
        """It has no call any more."""
        ...


class Call(msgspec.Struct, gc=False, eq=False):
    """One request of one client.

    Attributes:
        number: unique and unguessable; the request's id and progress token towards the worker.
        session: who asked.
        client_id: the request's id exactly as the client wrote it.
        method: the JSON-RPC method.
        tool: the tool's (or prompt's) name, "" for other methods.
        tail: the request as it is forwarded, from after its id on (see `codec.plain_call`).
        key: assignment key.
        accepted: monotonic seconds.
        deadline: monotonic seconds.
        era: the wire era the request is written in.
        local: whether the daemon answers it from the worker's handshake.
        pinned: the generation it must go to, 0 when routing decides.
        paged: whether that is because it goes on with a list, which only the generation that serves may do.
        minded: whether its answer has to be looked into.
        task: id of the task it is about, "" when it is about none.
        asked: whether its worker has asked the client something meanwhile.
        acknowledged: for a listener: whether the client has heard that it listens.
        token: the client's progress token exactly as written, None when it wants no progress.
        attributes: what the client says of its subject: as it is written until somebody reads it (see `attributes`),
            then as it was read; None when it says nothing.
        generation: where the last routing decision sent it, 0 while there is none.
        lane: the lane of that decision.
        revision: the routing table of that decision.
        treated: whether its key has the canary while a share of the keys has; None when nothing is divided.
        share: probability with which a key has, 0 to 1.
        attempts: how many workers it has been sent to.
        link: the worker it is with, None while it waits.
    """

    number: int
    session: Any  # ClientSession; Struct fields are resolved when the program runs
    client_id: bytes
    method: str
    tool: str
    tail: bytes | memoryview
    key: str
    accepted: float
    deadline: float
    era: Era = Era.HANDSHAKE
    local: bool = False
    pinned: int = 0
    paged: bool = False
    minded: bool = False
    task: str = ""
    asked: bool = False
    acknowledged: bool = False
    token: bytes | None = None
    attributes: Raw | Mapping[str, Any] | None = None
    generation: int = 0
    lane: Lane = Lane.ACTIVE
    revision: int = 0
    treated: bool | None = None
    share: float = 0.0
    attempts: int = 0
    link: Any = None  # Carrier


class Ledger:
    """Every call that is not answered yet, in the order of acceptance.

    Attributes:
        open: the calls by number.
        number: gives a number for the next call, unguessable: who forges an id cannot hit another's call.
        unanswered: numbers of the last calls that were closed without their worker's answer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_deadline: Callable[[Call], None]) -> None:
        """Build a ledger; `on_deadline` is called once for each call that outlives its deadline."""
        self.open: dict[int, Call] = {}
        self.unanswered: deque[int] = deque(maxlen=REMEMBERED)
        self.number = _numbers().__next__
        self._loop = loop
        self._on_deadline = on_deadline
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = math.inf
        self._idle: list[asyncio.Future[None]] = []

    def add(self, call: Call) -> None:
        """Take a call in."""
        self.open[call.number] = call
        call.session.calls[call.client_id] = call
        if self._timer is None or call.deadline < self._wakes:
            self._arm(call.deadline)

    def close(self, call: Call) -> bool:
        """Take a call out.  Returns False when it has been closed before: then it must not be answered."""
        if self.open.pop(call.number, None) is None:
            return False
        call.session.calls.pop(call.client_id, None)
        link = call.link
        if link is not None:
            link.in_flight -= 1
            if not link.in_flight:
                link.rest()
        if self._idle and not self.open:
            self._tell_idle()
        return True

    async def drained(self) -> None:
        """Wait until every accepted call is answered."""
        if self.open:
            future: asyncio.Future[None] = self._loop.create_future()
            self._idle.append(future)
            await future

    def _tell_idle(self) -> None:
        idle, self._idle = self._idle, []
        for future in idle:
            if not future.done():
                future.set_result(None)

    def with_link(self, link: Carrier) -> Iterator[Call]:
        """Return the calls that are with a worker."""
        return iter([call for call in self.open.values() if call.link is link])

    def _sweep(self) -> None:
        """Report the calls whose deadline has passed and wake again at the earliest of the others."""
        self._timer, self._wakes = None, math.inf
        now = self._loop.time()
        for call in [call for call in self.open.values() if call.deadline <= now]:
            self._on_deadline(call)
        earliest = min((call.deadline for call in self.open.values()), default=math.inf)
        if earliest < self._wakes:
            self._arm(earliest)

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes = deadline
        self._timer = self._loop.call_at(deadline, self._sweep) if deadline < math.inf else None


def _numbers() -> Iterator[int]:
    """Give random numbers of 53 bits (what JSON numbers hold everywhere), drawn from the kernel a page at a time."""
    while True:
        for value in array("Q", os.urandom(4096)):
            yield value >> 11
