"""A small web server on this machine whose pages misbehave in known ways.

Above: tests of what looks at the web.  Below: asyncio.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

Page = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""A whole answer, or what writes one."""


def html(body: str, status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer with a page."""
    return answer(body.encode(), status, **{"Content-Type": "text/html; charset=utf-8", **headers})


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str) -> bytes:
    """Return an answer that leads elsewhere."""
    return answer(b"", "302 Found", Location=location)


async def silent(_: asyncio.StreamWriter) -> None:
    """Accept the request and say nothing."""
    await asyncio.Event().wait()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Send a page that never ends, as fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>")
    while True:
        writer.write(b"word " * 10_000)
        await writer.drain()


def bomb(size: int) -> bytes:
    """Return a small answer that unpacks to `size` bytes."""
    return answer(gzip.compress(b"x" * size), Content_Type="text/plain", Content_Encoding="gzip")


class Site:
    """The server: pages by path, and how often each was asked for."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = dict(pages)
        self.asked: Counter[str] = Counter()
        self.port = 0

    def url(self, path: str) -> str:
        """Return a page's address."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                self.asked[path] += 1
                page = self.pages.get(path, html("<h1>nothing here</h1>", "404 Not Found"))
                if isinstance(page, bytes):
                    writer.write(page)
                    await writer.drain()
                else:
                    await page(writer)
        finally:
            writer.close()


@asynccontextmanager
async def website(pages: Mapping[str, Page]) -> AsyncIterator[Site]:
    """Serve pages until the end of the block."""
    site = Site(pages)
    serving: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with suppress(asyncio.CancelledError):
            await site.serve(reader, writer)
        serving.discard(task)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
