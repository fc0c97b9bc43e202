"""The daemon's requests to the client (sampling, elicitation, roots) that the client has not answered yet.

A daemon that comes back counts its requests anew, so an id may come twice while the client still works on the first:
the second is told to the client under another id.  Above: `conversation`.  Below: `messages`.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from orchestrator.bridge import messages
from orchestrator.proxy import codec


class Asked:
    """Which daemon's request an answer of the client belongs to, if to any that still waits."""

    def __init__(self) -> None:
        self._open: dict[bytes, bytes] = {}
        self._stale: set[bytes] = set()
        self._renamed = 0

    def asked(self, line: bytes, message: codec.Message) -> bytes:
        """Note a request of the daemon and return it as the client is told it."""
        own = told = b"null" if message.id is UNSET else bytes(message.id)
        while told in self._stale or told in self._open:
            self._renamed += 1
            told = b'"switchover-asks-%d"' % self._renamed
        self._open[told] = own
        return line if told == own else messages.request_line(told, messages.tail_of(message))

    def answered(self, line: bytes, told: bytes) -> bytes | None:
        """Return the client's answer as the daemon is told it; None when the daemon that asked is gone."""
        if told in self._stale:
            self._stale.discard(told)
            return None
        own = self._open.pop(told, told)
        return line if own == told else b"".join(codec.answer_parts(line, own))

    def withdrawn(self, own: bytes) -> bytes | None:
        """Note that the daemon cancelled a request; return the id the client knows it by, None for no such request."""
        told = next((told for told, each in self._open.items() if each == own), None)
        if told is not None:
            del self._open[told]
        return told

    def lost(self) -> list[bytes]:
        """Note that the daemon is gone; return what tells the client that its answers are not waited for."""
        gone = list(self._open)
        self._open.clear()
        self._stale.update(gone)
        reason = "the daemon that asked is gone"
        return [
            messages.notification(messages.CANCELLED, {"requestId": msgspec.Raw(told), "reason": reason})
            for told in gone
        ]
