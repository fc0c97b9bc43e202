"""Takes out what two runs of the same code write differently: times since they began, and ids that were drawn since.

A time keeps its spelling, an id its kind.  What stood in the snapshot already is compared as it is: both have it.
Above: `reading`.  Below: `shadow.tokens`, `shadow.moments`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from orchestrator.shadow.moments import moment
from orchestrator.shadow.tokens import fine

SLACK: Final = 2.0
"""Seconds before the beginning that count as since: clocks are cut to seconds."""
AHEAD: Final = 60.0
"""Seconds a time may lie ahead of now and be one that was just written."""
LONG: Final = 1 << 16
"""Characters of a text that is looked into; longer ones are compared as they are."""
UNITS: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOVING: Final = re.compile(r"\d\d?:\d\d|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|\d{8}T\d{4}")
"""What a text has that holds a time or an id; nothing else is looked into."""


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Scrubs values.

    Attributes:
        since: when the two states began to be written apart, Unix seconds.
        now: the time of reading, Unix seconds.
        known: ids that the snapshot held.
    """

    since: float
    now: float
    known: frozenset[str] = frozenset()

    def value(self, value: object) -> str:
        """Return a database's value as text; its type shows."""
        if value is None:
            return "null"
        if isinstance(value, str):
            return f"'{self.text(value)}'"
        if isinstance(value, bytes):
            return f"x'{hashlib.blake2b(value, digest_size=12).hexdigest()}' ({len(value)} bytes)"
        if isinstance(value, int | float):
            return self._number(value)
        return repr(value)

    def text(self, text: str) -> str:
        """Return a text without times since the beginning and without new ids."""
        if len(text) > LONG or _MOVING.search(text) is None:
            return text
        return "".join(self._token(kind, one) for kind, one in fine(text))

    def _token(self, kind: str, text: str) -> str:
        if kind.startswith("T"):
            found = moment(text, kind[2:])
            if found is not None and self._fresh(found.seconds):
                return f"<{found.spelling}>"
        elif kind == "u" and text.lower() not in self.known:
            return "<uuid>"
        return text

    def _number(self, value: float) -> str:
        for unit, scale in UNITS.items():
            if self._fresh(value / scale):
                return f"<epoch:{unit}>" if isinstance(value, int) else f"<epoch:{unit}.>"
        return repr(value)

    def _fresh(self, seconds: float) -> bool:
        return self.since - SLACK <= seconds <= self.now + AHEAD
