"""What one session's streams have sent, kept for a client that comes back and asks for what it missed.

Above: `handshake`.  Below: nothing.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

OVERHEAD = 200
"""Bytes an event costs beside its data, roughly: so many small ones are bounded, too."""


class Event(NamedTuple):
    """One event: its number, unique in the session and rising, its stream, and the message it carried, if any."""

    number: int
    stream: int
    data: bytes

    @property
    def id(self) -> bytes:
        """What the client calls it."""
        return b"%d-%d" % (self.stream, self.number)


class EventLog:
    """The newest events of one session, as many as fit."""

    __slots__ = ("_events", "_last", "_size", "limit")

    def __init__(self, limit: int) -> None:
        """Build a log of at most `limit` bytes."""
        self.limit = limit
        self._events: deque[Event] = deque()
        self._size = 0
        self._last = 0

    def add(self, stream: int, data: bytes) -> Event:
        """Keep an event of a stream; the oldest ones give way, and one that is too long is not kept either."""
        self._last += 1
        event = Event(self._last, stream, data)
        self._events.append(event)
        self._size += OVERHEAD + len(data)
        while self._size > self.limit:
            self._size -= OVERHEAD + len(self._events.popleft().data)
        return event

    def holds(self, number: int) -> bool:
        """Tell whether an event is kept, and so everything after it."""
        return bool(self._events) and self._events[0].number <= number <= self._last

    def after(self, stream: int, number: int) -> list[Event]:
        """Return what a stream has sent after an event, as far as it is kept."""
        return [event for event in self._events if event.stream == stream and event.number > number and event.data]


def parse_id(value: bytes) -> tuple[int, int] | None:
    """Return stream and number of an event's id, None for what is none."""
    stream, dash, number = value.partition(b"-")
    if not dash or not _is_number(stream) or not _is_number(number):
        return None
    return int(stream), int(number)


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) < 20  # noqa: PLR2004 - more digits than any event's number has
