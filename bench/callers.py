"""Who calls: keep a fixed number of calls outstanding, note when each was sent and answered, check that all are.

Between `bench.load` (the command) and `bench.wire` (the bytes).  A caller is one wire with its record; `one_at_a_time`
drives a single caller by blocking reads, `many` any number of them with any number of calls outstanding.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field

from bench.wire import AnswerError, Wire

IDLE = 20.0
"""Seconds without any answer after which the calls outstanding count as hung."""


@dataclass(eq=False)
class Caller:
    """One wire and the record of its calls; call numbers are 1, 2, ...

    Attributes:
        sent: when each call was sent, monotonic nanoseconds, in the order of the numbers.
        answers: the call numbers answered, in the order of the answers.
        done: when each of those answers was read.
        unsent: bytes the other side has not taken yet.
    """

    wire: Wire
    sent: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    unsent: memoryview | None = None

    def latencies(self, first: int) -> list[int]:
        """Return nanoseconds from sending to answer, for answers from the `first` on (counted from 0)."""
        sent = self.sent
        return [done - sent[number - 1] for number, done in zip(self.answers[first:], self.done[first:], strict=True)]

    def check(self) -> None:
        """Check that every call was answered exactly once.

        Raises:
            AnswerError: one was not.
        """
        if sorted(self.answers) != list(range(1, len(self.sent) + 1)):
            doubled = len(self.answers) - len(set(self.answers))
            missing = len(self.sent) - len(set(self.answers))
            raise AnswerError(f"of {len(self.sent)} calls {missing} were not answered and {doubled} answered twice")


def one_at_a_time(caller: Caller, seconds: float, most: int) -> None:
    """Make calls for `seconds`, `most` calls at the most, each after the answer to the one before."""
    wire = caller.wire
    clock = time.monotonic_ns
    stop = clock() + int(seconds * 1e9)
    for number in range(len(caller.sent) + 1, len(caller.sent) + 1 + most):
        now = clock()
        if now > stop:
            return
        caller.sent.append(now)
        wire.send(number)
        while not (answered := wire.receive()):
            pass
        caller.done += [clock()] * len(answered)
        caller.answers += answered


class Many:
    """Drives callers whose descriptors do not block."""

    def __init__(self, callers: list[Caller]) -> None:
        self.callers = {caller.wire.source: caller for caller in callers}
        self.sinks = {caller.wire.sink: caller for caller in callers}
        self.poll = select.epoll()
        for descriptor in self.callers:
            self.poll.register(descriptor, select.EPOLLIN)
        self.outstanding = 0
        self.left = 0

    def run(self, outstanding: int, seconds: float, most: int) -> None:
        """Keep `outstanding` calls going on every caller for `seconds`, `most` calls at the most; wait for them all.

        Raises:
            AnswerError: a wrong answer, a closed connection, or none for `IDLE` seconds.
        """
        stop = time.monotonic_ns() + int(seconds * 1e9)
        self.left = most
        for caller in self.callers.values():
            self.send(caller, outstanding)
        while self.outstanding:
            events = self.poll.poll(IDLE)
            if not events:
                raise AnswerError(f"no answer for {IDLE:.0f} s with {self.outstanding} calls outstanding")
            if time.monotonic_ns() > stop:
                self.left = 0
            for descriptor, event in events:
                if event & select.EPOLLOUT:
                    self.flush(self.sinks[descriptor])
                if event & ~select.EPOLLOUT:
                    self.receive(self.callers[descriptor])

    def receive(self, caller: Caller) -> None:
        """Read once, note what was answered, make as many new calls."""
        if answered := caller.wire.receive():
            count = len(answered)
            caller.done += [time.monotonic_ns()] * count
            caller.answers += answered
            self.outstanding -= count
            if self.left:
                self.send(caller, count)

    def send(self, caller: Caller, count: int) -> None:
        """Make `count` calls, fewer when fewer are left to make."""
        count = min(count, self.left)
        if not count:
            return
        self.left -= count
        self.outstanding += count
        data = caller.wire.request(len(caller.sent) + 1, count)
        caller.sent += [time.monotonic_ns()] * count
        if caller.unsent is not None:
            caller.unsent = memoryview(bytes(caller.unsent) + data)
            return
        caller.unsent = memoryview(data)
        if not self.write(caller):
            self.watch(caller, select.EPOLLOUT)

    def flush(self, caller: Caller) -> None:
        """Write what was left over."""
        if self.write(caller):
            self.watch(caller, 0)

    @staticmethod
    def write(caller: Caller) -> bool:
        """Write what the other side takes; return whether that was all."""
        data = caller.unsent
        while data is not None:
            try:
                written = os.write(caller.wire.sink, data)
            except BlockingIOError:
                caller.unsent = data
                return False
            data = data[written:] if written < len(data) else None
        caller.unsent = None
        return True

    def watch(self, caller: Caller, event: int) -> None:
        """Also wait for `event` (room to write, or nothing more) on the caller's sink."""
        if caller.wire.sink == caller.wire.source:
            self.poll.modify(caller.wire.sink, select.EPOLLIN | event)
        elif event:
            self.poll.register(caller.wire.sink, event)
        else:
            self.poll.unregister(caller.wire.sink)


def many(callers: list[Caller], outstanding: int, seconds: float, most: int) -> None:
    """Keep `outstanding` calls going on every caller for `seconds`, `most` calls at the most, and wait for the last."""
    driver = Many(callers)
    try:
        driver.run(outstanding, seconds, most)
    finally:
        driver.poll.close()
