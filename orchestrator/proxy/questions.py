"""What the workers of one session asked its client, until the client answers.

The client sees an id of the daemon's own; the worker gets its answer under the id it gave, whatever its type.
"""

from __future__ import annotations

from typing import Protocol


class Asker(Protocol):
    """Who asked: a worker's link."""


class Questions:
    """Open questions of one session."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[Asker, bytes]] = {}
        self._asked = 0

    def add(self, asker: Asker, written_id: bytes) -> bytes:
        """Note a question and return the id (JSON text) under which the client is asked."""
        self._asked += 1
        client_id = b'"switchover-%d"' % self._asked
        self._open[client_id] = (asker, written_id)
        return client_id

    def take(self, client_id: bytes) -> tuple[Asker, bytes] | None:
        """Take a question out by the client's id: who asked, and under which id; None when nobody did."""
        return self._open.pop(client_id, None)

    @property
    def any(self) -> bool:
        """Whether something was asked and not answered."""
        return bool(self._open)

    def find(self, asker: Asker, written_id: bytes) -> bytes | None:
        """Return the client's id of a question, None when it is answered."""
        return next((mine for mine, question in self._open.items() if question == (asker, written_id)), None)

    def drop(self, asker: Asker) -> list[bytes]:
        """Forget what a worker that is gone had asked, and return the clients' ids of it."""
        gone = [mine for mine, (who, _) in self._open.items() if who is asker]
        for mine in gone:
            del self._open[mine]
        return gone
