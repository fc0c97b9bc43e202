"""A proxy through which a browser's page goes, so that it reaches no address that `addresses` would refuse.

A page loads what it likes: pictures, frames, scripts, sockets, by redirects and by names whose addresses change.  All
of it passes here, is judged address by address, and is connected to the very address that was judged.  One guard
serves one operation and counts its bytes.  Above it stands `pages`, below it `addresses`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from workers.reference.hands.addresses import ForbiddenAddressError, Target, resolved, target
from workers.reference.hands.errors import HandError
from workers.reference.hands.settings import Network

MOST_BYTES: Final = 50 * 1024 * 1024
"""What one page may load; the heaviest tenth of the web loads about 10 MB (HTTP Archive, page weight)."""

_MOST_HEAD: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10.0
_CHUNK: Final = 64 * 1024
_DROPPED: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"}
)


class Guard:
    """One operation's way to the network.

    Attributes:
        url: what the browser is told to use as its proxy.
        troubles: why a host could not be reached, by host and port.
        forbidden: why the first one that was refused was refused.
        exhausted: whether more came than may.
    """

    def __init__(self, networks: tuple[Network, ...], most_bytes: int) -> None:
        self.url = ""
        self.troubles: dict[tuple[str, int], str] = {}
        self.forbidden: str | None = None
        self.exhausted = False
        self._networks = networks
        self._left = most_bytes
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the browser's."""
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
        try:
            # What a browser breaks off, what is no request, and our own `stop`.
            with suppress(OSError, EOFError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError):
                await self._request(reader, writer)
        finally:
            if task is not None:
                self._serving.discard(task)
            writer.close()

    def stop(self) -> None:
        """End all connections."""
        for task in tuple(self._serving):
            task.cancel()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what the browser wants, and connect it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        method, address, version = first.split(" ", 2)
        try:
            place = target(f"https://{address}/" if method == "CONNECT" else address)
            onward = await self._connected(place)
        except HandError as error:
            writer.write(f"HTTP/1.1 502 Refused\r\nContent-Length: {len(str(error).encode())}\r\n\r\n{error}".encode())
            await writer.drain()
            return
        try:
            body = None if method == "CONNECT" else _length(fields)
            if body is None:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                onward[1].write(_forwarded(method, place, version, fields))
            await self._relay((reader, writer), onward, body)
        finally:
            onward[1].close()

    async def _connected(self, place: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a place that may be reached, and remember why another one was not."""
        key = (place.host, place.port)
        try:
            with anyio.fail_after(_CONNECT_SECONDS):
                address = await resolved(place.host, place.port, self._networks)
                return await asyncio.open_connection(address, place.port)
        except ForbiddenAddressError as error:
            self.forbidden = self.forbidden or str(error)
            self.troubles[key] = str(error)
            raise
        except HandError as error:
            self.troubles[key] = str(error)
            raise
        except OSError as error:
            reason = error.strerror or "no connection in time"
            self.troubles[key] = f"{place.host} port {place.port} cannot be reached: {reason}"
            raise HandError(self.troubles[key]) from None

    async def _relay(
        self,
        browser: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        onward: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        body: int | None,
    ) -> None:
        """Copy both ways until the far side ends; `body` bytes at most go there, or any number when it is None."""
        asking = asyncio.create_task(self._copy(browser[0], onward[1], body))
        try:
            await self._copy(onward[0], browser[1])
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await asking

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int | None = None) -> None:
        while chunk := await source.read(_CHUNK if most is None else min(most, _CHUNK)):
            self._left -= len(chunk)
            if self._left < 0:
                self.exhausted = True
                return
            sink.write(chunk)
            await sink.drain()
            most = None if most is None else most - len(chunk)


@asynccontextmanager
async def guarding(networks: tuple[Network, ...], most_bytes: int = MOST_BYTES) -> AsyncIterator[Guard]:
    """Stand guard for one operation; every connection ends with it."""
    guard = Guard(networks, most_bytes)
    server = await asyncio.start_server(guard.serve, "127.0.0.1", 0, limit=_MOST_HEAD)
    guard.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield guard
    finally:
        server.close()
        guard.stop()


def _length(fields: list[str]) -> int:
    """Return how long a request's body is; a browser says so whenever there is one."""
    lengths = [field.partition(":")[2].strip() for field in fields if field.lower().startswith("content-length:")]
    return int(lengths[0]) if lengths else 0


def _forwarded(method: str, place: Target, version: str, fields: list[str]) -> bytes:
    """Write a request anew for the server itself; one request a connection, so that none goes astray."""
    kept = [field for field in fields if field.partition(":")[0].strip().lower() not in _DROPPED]
    path = place.url.raw_path.decode("ascii")
    return "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""]).encode("latin-1")
