"""Every request of the client that has no answer yet, and what waits for a daemon.

A request leaves the books exactly once, and whoever takes it out answers it.  Above: `conversation`.  Below: `calls`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from orchestrator.bridge.calls import LISTEN, Request

HOLD: Final = 60.0
"""Seconds a request waits for a daemon: the official SDKs' clients give up on a request after about as long."""
WAITING: Final = 256
"""Lines that may wait for a daemon: the daemon's own default of `limits.calls_per_session`."""
WAITING_BYTES: Final = 64 << 20
"""Bytes of them."""


class Books:
    """The accounts.

    Attributes:
        pending: requests without an answer, by id, in the order in which they came.
        held: what is sent as soon as messages pass: requests, all of them pending, and notifications.
        undecided: pending calls that are sent again if their tool turns out to be read-only.
    """

    def __init__(self) -> None:
        self.pending: dict[bytes, Request] = {}
        self.held: list[Request | bytes] = []
        self.undecided: list[Request] = []

    def has_room(self, line: bytes) -> bool:
        """Tell whether one more line may wait for a daemon."""
        waiting = [each.line if isinstance(each, Request) else each for each in (*self.held, *self.undecided)]
        return len(waiting) < WAITING and sum(map(len, waiting)) + len(line) <= WAITING_BYTES

    def hold(self, request: Request, until: float) -> None:
        """Let a request wait for a daemon, until that time."""
        request.sent = False
        request.until = until
        self.held.append(request)

    def sent_with(self, lines: Collection[bytes]) -> list[Request]:
        """Return the requests that the daemon has been sent in these very lines."""
        identities = {id(line) for line in lines}
        return [request for request in self.pending.values() if request.sent and id(request.line) in identities]

    def release(self) -> list[Request | bytes]:
        """Take out all that is held; its requests stay pending."""
        held, self.held = self.held, []
        return held

    def forget(self, request: Request) -> None:
        """Take a request out for good."""
        del self.pending[request.id]
        if request in self.held:
            self.held.remove(request)
        if request in self.undecided:
            self.undecided.remove(request)

    def client_asked(self) -> None:
        """Note that the client is asked for something: whatever the daemon has now may be why, and is not repeated."""
        for request in self.pending.values():
            request.asked = request.asked or request.sent

    def lost(self, now: float) -> list[Request]:
        """Return what the daemon had when it was lost; everything that waits now waits for the next one."""
        for request in self.pending.values():
            if request.sent or request.fallback is not None:
                request.until = math.inf if request.method == LISTEN else now + HOLD
                request.fallback = None
        had = [request for request in self.pending.values() if request.sent]
        for request in had:
            request.sent = False
        return had

    def overdue(self, now: float) -> list[Request]:
        """Return the requests that have waited too long."""
        return [request for request in self._waiting() if request.until <= now]

    def next_deadline(self) -> float | None:
        """Return the time at which a request will have waited too long; None while none can."""
        earliest = min((request.until for request in self._waiting()), default=math.inf)
        return None if earliest == math.inf else earliest

    @property
    def in_flight(self) -> int:
        """Requests whose answer is still to come; a subscription has none as long as it lasts."""
        return sum(request.method != LISTEN for request in self.pending.values())

    def _waiting(self) -> list[Request]:
        return [each for each in self.held if isinstance(each, Request)] + self.undecided
