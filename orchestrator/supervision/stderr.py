"""A worker's stderr becomes log lines that carry its generation; the last ones explain a failed start."""

from __future__ import annotations

import asyncio
from collections import deque

from orchestrator.telemetry.logging import get_logger

log = get_logger("worker")

KEPT = 5
"""Lines kept to explain a failure."""


class StderrLines(asyncio.Protocol):
    """Reads stderr and logs each line, cut at a bound."""

    def __init__(self, generation: int, line_bytes: int) -> None:
        """Build a reader for one process of `generation`; longer lines are logged in pieces of `line_bytes`."""
        self._generation = generation
        self._line_bytes = line_bytes
        self._rest = b""
        self._last: deque[str] = deque(maxlen=KEPT)

    @property
    def last(self) -> str:
        """The last lines, joined for an error message; empty when there were none."""
        return " | ".join(self._last)

    def data_received(self, data: bytes) -> None:
        """Log what is complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log(line)
        while len(rest) > self._line_bytes:
            self._log(rest[: self._line_bytes])
            rest = rest[self._line_bytes :]
        self._rest = rest

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Log what is left."""
        if self._rest:
            self._log(self._rest)
            self._rest = b""

    def _log(self, line: bytes) -> None:
        text = line[: self._line_bytes].decode(errors="replace").rstrip()
        if text:
            self._last.append(text)
            log.info("stderr", generation=self._generation, line=text)
