"""The lean worker, until a moment at which it turns bad: from then on three of ten answers say that the tool failed.

    BENCH_TURNS_AT=SECONDS turning_worker.py     a moment of the monotonic clock, which is one for the whole machine

Below `bench.rollback`; above `bench.lean_worker`, whose answers it spoils.
"""

from __future__ import annotations

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - started without site and path

from lean_worker import Peer, Worker, serve_pipes  # type: ignore[import-not-found]

FAILED_OF_TEN = 3


class Turning(Worker):  # type: ignore[misc]  # likewise
    """Fails some calls once its time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.find_calls(b"")  # half of all calls come at once: none of them is to wait for a module
        self.turns_at = float(os.environ["BENCH_TURNS_AT"])
        self.calls = 0

    def call(self, peer: Peer, ident: bytes, line: bytes) -> bytes:
        """Answer a call that names a delay; it comes later, spoiled or not."""
        answer = super().call(peer, ident, line)
        self.calls += 1
        if time.monotonic() < self.turns_at or self.calls % 10 >= FAILED_OF_TEN:
            return answer
        if answer:
            return spoiled(answer)
        moment, order, late, given = next(one for one in self.due if one[1] == self.order)
        self.due[self.due.index((moment, order, late, given))] = (moment, order, late, spoiled(given))
        return b""


def spoiled(answer: bytes) -> bytes:
    """Return an answer that says that its tool failed."""
    return answer.replace(b'"result":{', b'"result":{"isError":true,', 1)


if __name__ == "__main__":
    serve_pipes(Turning())
