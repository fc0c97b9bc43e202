"""The lean worker, whose answers that name a generation name a running number instead: no two of them are alike.

Below `bench.mirror`; above `bench.lean_worker`.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - started without site and path

from lean_worker import Peer, Worker, serve_pipes  # type: ignore[import-not-found]


class Numbering(Worker):  # type: ignore[misc]  # likewise
    """Numbers its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def call(self, peer: Peer, ident: bytes, line: bytes) -> bytes:
        """Answer a call."""
        self.calls += 1
        self.generation = b"%d" % self.calls
        answer: bytes = super().call(peer, ident, line)
        return answer


if __name__ == "__main__":
    serve_pipes(Numbering())
