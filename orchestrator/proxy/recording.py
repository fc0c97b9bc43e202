"""Notes which tool calls clients make that only read, for a suite; on for a bounded time, and nothing when off.

Above: `rehearsal.recorded` makes a suite of it, `dispatch` says which call was sent to which worker.  Below: `codec`,
`ledger`, `link`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.proxy.codec import CALL
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink

LONGEST: Final = 64 << 10
"""Bytes of one call; arguments beyond that are no good in a file that people read."""
LARGEST: Final = 8 << 20
"""Bytes of all arguments that are kept."""
TOO_LONG: Final = f"its call is longer than {LONGEST} bytes"
UNREAD: Final = "its arguments cannot be read"
TOO_MUCH: Final = f"{LARGEST} bytes of arguments are kept already"

Sent = Callable[[Call, WorkerLink], None]
"""Is told of every call at the moment it is sent to a worker; a call that is sent once more is told once more."""


class _Params(msgspec.Struct, gc=False):
    arguments: Raw | UnsetType = UNSET


class _Request(msgspec.Struct, gc=False):
    params: _Params


_decode: Final = msgspec.json.Decoder(_Request).decode


class Recording:
    """The calls of one recording; fits `Sent`.

    Attributes:
        calls: how often each was made, by tool and the bytes of its arguments as the client wrote them.
        seen: calls that only read.
        passed: other tool calls, which are not recorded.
        left_out: calls that only read and were not kept, by tool and reason.
    """

    def __init__(self, most: int, until: float, now: Callable[[], float]) -> None:
        """Begin.

        Args:
            most: different calls, after which it is over.
            until: monotonic seconds, likewise.
            now: the clock.
        """
        self.calls: Counter[tuple[str, bytes]] = Counter()
        self.seen = 0
        self.passed = 0
        self.left_out: Counter[tuple[str, str]] = Counter()
        self._most = most
        self._until = until
        self._now = now
        self._bytes = 0

    @property
    def left(self) -> float:
        """Seconds it still has, 0 when it is over."""
        return 0.0 if len(self.calls) >= self._most else max(0.0, self._until - self._now())

    def stop(self) -> None:
        """Have it be over."""
        self._until = self._now()

    def __call__(self, call: Call, link: WorkerLink) -> None:
        """Take note of a call that is sent for the first time."""
        if call.method != CALL or call.attempts != 1 or not self.left:
            return
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self.passed += 1
            return
        self.seen += 1
        if len(call.tail) > LONGEST:
            self.left_out[call.tool, TOO_LONG] += 1
            return
        try:
            self._keep(call.tool, _arguments(call.tail))
        except (msgspec.MsgspecError, RecursionError):  # nested to the very limit; the call itself goes its way
            self.left_out[call.tool, UNREAD] += 1

    def _keep(self, tool: str, arguments: bytes) -> None:
        known = (tool, arguments) in self.calls
        if not known and self._bytes + len(arguments) > LARGEST:
            self.left_out[tool, TOO_MUCH] += 1
            return
        self._bytes += 0 if known else len(arguments)
        self.calls[tool, arguments] += 1


def _arguments(tail: bytes | memoryview) -> bytes:
    """Return a call's arguments as they were written."""
    arguments = _decode(b"".join((b'{"id":0', tail))).params.arguments
    return b"{}" if arguments is UNSET else bytes(arguments)
