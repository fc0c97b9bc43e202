"""Calls as bytes: what a load client writes and what it reads back.

Below `bench.load`, above nothing.  A wire is one client's side of one connection: it turns call numbers into bytes and
bytes into the call numbers they answer, and checks that each answer carries the payload it was sent.  `LineWire` is
newline-delimited JSON-RPC (a worker's pipes, `tools.sock`, a byte relay); `bench.http_wire` is MCP over HTTP.
"""

from __future__ import annotations

import os
import random
import re
import string
from typing import Protocol

READ = 1 << 16
"""Bytes a client's buffer begins with, and the least that one read asks for."""
SMALL = 1000
"""Bytes of payload up to which all answers of a chunk are searched at once; above it, each line at its ends."""
ENDS = 300
"""Bytes at each end of a long answer in which everything but the payload is."""
PROTOCOL = b"2025-06-18"

IDENT = re.compile(rb'"id":(\d+)')
STAMP = re.compile(rb'"id":(\d+)[^\n]*?"bench/generation":"(\d*)"')
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"%b","capabilities":{},'
    b'"clientInfo":{"name":"bench","version":"1"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
CALL = b'{"jsonrpc":"2.0","id":%%d,"method":"tools/call","params":{"name":"%b","arguments":{"text":"%b"%b}}}'


class AnswerError(Exception):
    """An answer is not the one to the call that was made."""


class Wire(Protocol):
    """One client's side of one connection, or of one HTTP connection of a client that needs many."""

    source: int
    sink: int

    def request(self, first: int, count: int) -> bytes:
        """Return the bytes of calls `first` to `first + count - 1`."""
        ...

    def send(self, number: int) -> None:
        """Write call `number` to a descriptor that blocks."""
        ...

    def receive(self) -> list[int]:
        """Read once and return the numbers of the calls whose answers are now whole; AnswerError when it closed."""
        ...


def payload(size: int) -> bytes:
    """Return `size` bytes of letters and digits, the same for every run and client."""
    return "".join(random.Random(size).choices(string.ascii_lowercase + string.digits, k=size)).encode()


def call(text: bytes, tool: str = "echo", delay_ms: int | None = None) -> bytes:
    """Return a pattern for calls of `tool`, to be filled with the call's number by `%`."""
    return CALL % (tool.encode(), text, b"" if delay_ms is None else b',"delay_ms":%d' % delay_ms)


class LineWire:
    """Newline-delimited JSON-RPC over two file descriptors, which may be the same.

    Attributes:
        generations: with `stamped`, the generation that gave each answer, in the order of the answers.
    """

    def __init__(self, source: int, sink: int, text: bytes, delay_ms: int | None = None, tool: str = "echo") -> None:
        if delay_ms is not None and len(text) > SMALL:
            raise ValueError(f"a call that asks for its generation carries at most {SMALL} bytes")
        self.source = source
        self.sink = sink
        self.text = text
        self.stamped = delay_ms is not None
        self.pattern = call(text, tool, delay_ms) + b"\n"
        self.opening: bytes | None = None
        self.before, _, self.after = self.pattern.partition(text)
        self.buffer = bytearray(READ)
        self.filled = 0
        self.generations: list[int] = []

    def open_with_delay(self, delay_ms: int) -> None:
        """Give the first call a delay of its own, so that many clients do not go in step."""
        self.opening = call(self.text, delay_ms=delay_ms) + b"\n"

    def handshake(self) -> None:
        """Carry out the MCP handshake on blocking descriptors.

        Raises:
            AnswerError: the other side refused it or went away.
        """
        os.write(self.sink, INITIALIZE % PROTOCOL + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            chunk = os.read(self.source, READ)
            if not chunk:
                raise AnswerError(f"the other side closed during the handshake, after {answer!r}")
            answer += chunk
        if b'"result"' not in answer:
            raise AnswerError(f"the handshake was refused: {answer[:200]!r}")
        os.write(self.sink, INITIALIZED + b"\n")

    def request(self, first: int, count: int) -> bytes:
        """Return the bytes of calls `first` to `first + count - 1`."""
        if self.opening is not None:
            opening, self.opening = self.opening, None
            rest = self.request(first + 1, count - 1) if count > 1 else b""
            return opening % first + rest
        if count == 1:
            return self.pattern % first
        return b"".join([self.pattern % number for number in range(first, first + count)])

    def send(self, number: int) -> None:
        """Write call `number` to a descriptor that blocks; a long text is not copied for it."""
        if len(self.text) <= SMALL:
            os.write(self.sink, self.request(number, 1))
            return
        parts = [memoryview(part) for part in (self.before % number, self.text, self.after)]
        while parts:
            written = os.writev(self.sink, parts)
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][written:]

    def receive(self) -> list[int]:
        """Read once and return the numbers of the calls whose answers are now whole; a growing line is searched once.

        Raises:
            AnswerError: an answer is an error, or does not carry the payload, or the other side closed.
        """
        buffer = self.buffer
        if len(buffer) - self.filled < READ:
            buffer += bytes(len(buffer))
        count = os.readv(self.source, [memoryview(buffer)[self.filled :]])
        if not count:
            raise AnswerError("the other side closed")
        before, self.filled = self.filled, self.filled + count
        end = buffer.rfind(b"\n", before, self.filled) + 1
        if not end:
            return []
        found = self._long(end) if len(self.text) > SMALL else self._short(bytes(memoryview(buffer)[:end]))
        rest = self.filled - end
        if rest:
            buffer[:rest] = memoryview(buffer)[end : self.filled]
        self.filled = rest
        return found

    def _short(self, data: bytes) -> list[int]:
        if self.stamped:
            return self._stamped(data)
        found = [int(number) for number in IDENT.findall(data)]
        if data.count(self.text) != len(found) or b'"error":' in data:
            raise AnswerError(f"not the answers that were expected: {data[:300]!r}")
        return found

    def _long(self, end: int) -> list[int]:
        found = []
        start = 0
        while start < end:
            stop = self.buffer.index(b"\n", start)
            head = self.buffer[start : start + ENDS]
            numbers = IDENT.findall(head + self.buffer[max(start, stop - ENDS) : stop])
            text = head.find(self.text[:16])
            if numbers:
                if text < 0 or not self.buffer.startswith(self.text, start + text):
                    raise AnswerError(f"call {numbers[0]!r} was answered without its payload")
                found.append(int(numbers[0]))
            start = stop + 1
        return found

    def _stamped(self, data: bytes) -> list[int]:
        found = STAMP.findall(data)
        if data.count(self.text) != len(found) or b'"error":' in data:
            raise AnswerError(f"not the answers that were expected: {data[:300]!r}")
        self.generations += [int(generation or 0) for _, generation in found]
        return [int(number) for number, _ in found]
