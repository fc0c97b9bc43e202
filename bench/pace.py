"""A load of a steady rate: calls go out when they are due, not when the last one is answered.

    pace.py --unix PATH --rate N [--connections N] [--seconds S] [--payload N] [--stamped] [--pid PID]

Prints one JSON object: calls, rate, p50_us and p99_us from a call's writing to its answer, and for each `--pid` the
microseconds of processor time a call.  It fails when any call is not answered exactly once with its payload.  Above it:
`bench/mirror.py`; below it: `bench.wire`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import signal
import socket
import sys
import time

from bench.processes import cpu_seconds
from bench.wire import LineWire, payload

TICK = 0.001
"""Seconds between two looks at what is due."""
LAST = 10.0
"""Seconds the last answers may take."""
SLACK = 30


class Paced:
    """One client and when each of its calls was sent and answered."""

    def __init__(self, path: str, text: bytes, *, stamped: bool) -> None:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        descriptor = client.detach()
        self.wire = LineWire(descriptor, descriptor, text, 0 if stamped else None)
        self.wire.handshake()
        os.set_blocking(descriptor, False)
        self.sent: list[int] = []
        self.done: dict[int, int] = {}

    def send(self, count: int) -> None:
        """Write the next calls."""
        first = len(self.sent) + 1
        lines = self.wire.request(first, count)
        self.sent += [time.monotonic_ns()] * count
        try:
            written = os.write(self.wire.sink, lines)
        except BlockingIOError:
            written = 0
        if written != len(lines):
            sys.exit("pace: the daemon does not read; the rate is too high")

    def receive(self) -> int:
        """Read once; return how many calls were answered."""
        numbers = self.wire.receive()
        now = time.monotonic_ns()
        for number in numbers:
            if number in self.done:
                sys.exit(f"pace: call {number} was answered twice")
            self.done[number] = now
        return len(numbers)


def drive(clients: list[Paced], rate: float, seconds: float) -> int:
    """Send at `rate` for `seconds` and wait for all answers; return how many calls there were."""
    poll = select.epoll()
    by_number = {client.wire.source: client for client in clients}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    start, sent, answered, total = time.monotonic(), 0, 0, int(rate * seconds)
    while answered < total:
        now = time.monotonic() - start
        if now > seconds + LAST:
            sys.exit(f"pace: {total - answered} calls are not answered")
        due = min(total, int(now * rate)) - sent
        for index, client in enumerate(clients):
            if count := due // len(clients) + (index < due % len(clients)):
                client.send(count)
        sent += due
        answered += sum(by_number[number].receive() for number, _ in poll.poll(TICK))
    poll.close()
    return total


def main() -> None:
    """Run one load and print its figures."""
    parser = argparse.ArgumentParser(description="A load of a steady rate.")
    parser.add_argument("--unix", required=True)
    parser.add_argument("--rate", type=float, required=True, help="calls a second")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--stamped", action="store_true", help="have each answer name its generation")
    parser.add_argument("--pid", type=int, action="append", default=[])
    options = parser.parse_args()
    signal.alarm(int(options.seconds + options.warmup) + SLACK)
    text = payload(options.payload)
    clients = [Paced(options.unix, text, stamped=options.stamped) for _ in range(options.connections)]
    drive(clients, options.rate, options.warmup)
    for client in clients:
        client.done = dict.fromkeys(client.done, 0)
    gc.collect()
    gc.disable()
    before = [cpu_seconds(pid) for pid in options.pid]
    start = time.monotonic()
    calls = drive(clients, options.rate, options.seconds)
    seconds = time.monotonic() - start
    used = [cpu_seconds(pid) - then for pid, then in zip(options.pid, before, strict=True)]
    latencies = sorted(
        done - client.sent[number - 1] for client in clients for number, done in client.done.items() if done
    )
    figures = {
        "calls": calls,
        "rate": round(calls / seconds, 1),
        "p50_us": round(latencies[calls // 2] / 1000, 1),
        "p99_us": round(latencies[calls * 99 // 100] / 1000, 1),
        "cpu_us": {str(pid): round(each / calls * 1e6, 2) for pid, each in zip(options.pid, used, strict=True)},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
