"""A load of a steady rate: calls go out when they are due, not when the last one is answered.

It fails when any call is not answered exactly once with its payload.  Above it: `bench.mirror`; below it: `bench.wire`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from bench.wire import LineWire, payload

TICK = 0.001
"""Seconds between two looks at what is due."""
LAST = 10.0
"""Seconds the last answers may take."""
UNSENT = 1 << 20
"""Bytes of calls that may wait for a daemon that does not read just now, as on a machine that others use, too."""
PAYLOAD = 100
"""Bytes of text in every call."""
OUTSTANDING = 200
"""Calls of one client that may be unanswered; the daemon allows 256.  A rate that needs more is not reached."""
CLIENTS = 8


class TooMuchError(Exception):
    """The rate was higher than can be served."""


class Paced:
    """One client and when each of its calls was sent and answered."""

    def __init__(self, path: Path, *, stamped: bool) -> None:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        descriptor = client.detach()
        self.wire = LineWire(descriptor, descriptor, payload(PAYLOAD), 0 if stamped else None)
        self.wire.handshake()
        os.set_blocking(descriptor, False)
        self.unsent = b""
        self.sent: list[int] = []
        self.done: dict[int, int] = {}

    def send(self, wanted: int) -> int:
        """Write the next calls; what the daemon does not take at once, it is given with those after them.

        Returns:
            How many; fewer than wanted where more would be outstanding than a session may have.
        """
        count = min(wanted, OUTSTANDING - len(self.sent) + len(self.done))
        first = len(self.sent) + 1
        self.unsent += self.wire.request(first, count) if count else b""
        self.sent += [time.monotonic_ns()] * count
        try:
            written = os.write(self.wire.sink, self.unsent)
        except BlockingIOError:
            written = 0
        self.unsent = self.unsent[written:]
        if len(self.unsent) > UNSENT:
            raise TooMuchError("the daemon does not read")
        return count

    def receive(self) -> int:
        """Read once; return how many calls were answered."""
        numbers = self.wire.receive()
        now = time.monotonic_ns()
        for number in numbers:
            if number in self.done:
                raise SystemExit(f"pace: call {number} was answered twice")
            self.done[number] = now
        return len(numbers)


@contextlib.contextmanager
def clients(path: Path, *, stamped: bool) -> Iterator[list[Paced]]:
    """Connect clients; with `stamped`, each answer names its generation."""
    several = [Paced(path, stamped=stamped) for _ in range(CLIENTS)]
    gc.collect()
    gc.disable()
    try:
        yield several
    finally:
        gc.enable()
        for client in several:
            os.close(client.wire.source)


def drive(several: list[Paced], rate: float, seconds: float) -> dict[str, float]:
    """Send at `rate` for `seconds` and wait for all answers.

    Returns:
        calls, rate (answered a second), and p50_us and p99_us from a call's writing to its answer.

    Raises:
        TooMuchError: they are not taken, or not answered in time.
    """
    before = [len(client.sent) for client in several]
    start, total = time.monotonic(), int(rate * seconds)
    _send(several, rate, total, start + seconds + LAST)
    took = time.monotonic() - start
    latencies = sorted(
        client.done[number] - client.sent[number - 1]
        for client, first in zip(several, before, strict=True)
        for number in range(first + 1, len(client.sent) + 1)
    )
    return {
        "calls": total,
        "rate": total / took,
        "p50_us": latencies[total // 2] / 1000,
        "p99_us": latencies[total * 99 // 100] / 1000,
    }


def _send(several: list[Paced], rate: float, total: int, end: float) -> None:
    poll = select.epoll()
    by_number = {client.wire.source: client for client in several}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    start, sent, answered = time.monotonic(), 0, 0
    with contextlib.closing(poll):
        while answered < total:
            now = time.monotonic()
            if now > end:
                raise TooMuchError(f"{total - answered} calls are not answered")
            due = min(total, int((now - start) * rate)) - sent
            for index, client in enumerate(several):
                count = due // len(several) + (index < due % len(several))
                if count or client.unsent:
                    sent += client.send(count)
            answered += sum(by_number[number].receive() for number, _ in poll.poll(TICK))
