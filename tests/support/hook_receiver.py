"""A small HTTP server that takes webhooks: it keeps what it was sent and answers as it is told.

Above: tests of notices.  Below: asyncio's streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
HANG = b""
"""Take the request and never answer."""
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4\r\nmore\r\n" * 4
"""Begin an answer that never ends."""


def status(code: int, **headers: str) -> bytes:
    """Return an answer with a status and headers (`retry_after="1"`)."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {code} Whatever", "content-length: 0", *lines, "", ""]).encode()


@dataclass
class Posted:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The running server."""

    port: int = 0
    answers: list[bytes] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def until(self, count: int) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.posted) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        async with self.arrived:
            self.posted.append(Posted(first.split()[1], headers, body))
            self.arrived.notify_all()
        writer.write(self.answers.pop(0) if self.answers else OK)
        await writer.drain()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Run one on this machine; open it inside the test."""
    found = Receiver()
    server = await asyncio.start_server(found._serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for writer in tuple(found._open):
            writer.transport.abort()
        await server.wait_closed()
