"""A worker's stderr becomes log lines that carry its generation; the last ones explain a failed start.

Lines at level ERROR or above are counted.  What may not be told is taken out of a line before anybody keeps it; what
that is, whoever builds the fleet says.  Above: `keeper`.  Below: nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.telemetry.logging import get_logger

log = get_logger("worker")

KEPT = 5
"""Lines kept to explain a failure."""

Hiding = Callable[[Mapping[str, str]], Callable[[str], str]]
"""(a process's environment) -> what returns each of its lines, in their order, as it may be told."""

LEVEL: Final = re.compile(
    rb"""[\[\s]*(?:\d[-\dTZ:.,+]*[\]\s]+){0,2}[\[\s]*(?:ERROR|CRITICAL|FATAL)\b"""
    rb"""|\s*\{.{0,2000}?"(?:level|levelname|severity)"\s*:\s*"(?i:error|critical|fatal)\"""",
    re.DOTALL,
)
"""What a line at level ERROR or above begins with, after the time if it has one; or such a level in a JSON object."""


class StderrLines(asyncio.Protocol):
    """Reads stderr and logs each line, cut at a bound."""

    def __init__(
        self,
        generation: int,
        line_bytes: int,
        errors: Counter[int] | None = None,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Build a reader for one process.

        Args:
            generation: whose it is.
            line_bytes: longer lines are logged in pieces of so many bytes.
            errors: counts lines at level ERROR or above, by generation.
            hide: returns the next line as it may be told.
        """
        self._generation = generation
        self._errors = errors
        self._hide = hide
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
            text = self._hide(text)
            self._last.append(text)
            if self._errors is not None and LEVEL.match(line):
                self._errors[self._generation] += 1
            log.info("stderr", generation=self._generation, line=text)
