"""A client of `/mcp` that hides nothing: each request on a connection of its own, each answer as it came.

Above: integration tests of the HTTP door.  Below: asyncio streams and the parser of `http_peer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from http_peer import JSON, STATELESS_META, Response, parsed

PATIENCE = 60.0
"""Seconds any single wait may take before the test fails."""
READ = 1 << 16


class Exchange:
    """One connection, its requests and what has come back so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = b""
        self.ended = False
        self.writer = writer
        self._reader = reader

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    @property
    def responses(self) -> list[Response]:
        """What has come back, the last one perhaps not to its end."""
        return parsed(self.received)

    async def until(self, holds: Any) -> Response:
        """Read until something holds of the newest response, and return that."""
        async with asyncio.timeout(PATIENCE):
            while not (self.responses and holds(self.responses[-1])):
                data = await self._reader.read(READ)
                assert data, f"the daemon hung up after {self.received!r}"
                self.received += data
        return self.responses[-1]

    async def whole(self) -> Response:
        """Read until the newest response is whole."""
        return await self.until(lambda response: response.whole)

    async def messages(self, count: int) -> Response:
        """Read until the newest response has so many messages."""
        return await self.until(lambda response: len(response.messages) >= count)

    async def end(self) -> None:
        """Read until the daemon hangs up."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while data := await self._reader.read(READ):
                    self.received += data
        self.ended = True

    def close(self) -> None:
        """Hang up at once."""
        self.writer.transport.abort()


class HttpClient:
    """Speaks to one daemon; a session of the handshake era is begun by `open`."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        assert split.hostname is not None
        self.place = (split.hostname, split.port)
        self.session: str | None = None
        self._numbers = itertools.count(1)
        self._open: list[Exchange] = []

    async def connect(self) -> Exchange:
        """Make a connection."""
        reader, writer = await asyncio.open_connection(*self.place)
        exchange = Exchange(reader, writer)
        self._open.append(exchange)
        return exchange

    async def begin(self, method: str, message: Any = None, **headers: str | None) -> Exchange:
        """Send a request on a new connection; header names take `_` for `-`, None leaves one out."""
        exchange = await self.connect()
        body = b"" if message is None else message if isinstance(message, bytes) else json.dumps(message).encode()
        given = {**JSON, "mcp-session-id": self.session}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        head = "\r\n".join((f"{method} /mcp HTTP/1.1", f"Content-Length: {len(body)}", *lines))
        await exchange.send(head.encode() + b"\r\n\r\n" + body)
        return exchange

    async def request(self, method: str, message: Any = None, **headers: str | None) -> Response:
        """Send a request and return the whole response."""
        exchange = await self.begin(method, message, **headers)
        response = await exchange.whole()
        exchange.close()
        return response

    async def open(self, version: str = "2025-11-25") -> Response:
        """Begin a session."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        answer = await self.request("POST", {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert answer.status == 200, answer
        self.session = answer.headers["mcp-session-id"]
        done = await self.request("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert done.status == 202
        return answer

    def message(self, tool: str, arguments: Any = None, meta: Any = None) -> dict[str, Any]:
        """Return a call of a tool under a number of its own."""
        params = {"name": tool, "arguments": arguments or {}, **({"_meta": meta} if meta else {})}
        return {"jsonrpc": "2.0", "id": next(self._numbers), "method": "tools/call", "params": params}

    async def call(self, tool: str, arguments: Any = None, meta: Any = None) -> dict[str, Any]:
        """Call a tool; return the structured content of its answer, whichever way it comes."""
        response = await self.request("POST", self.message(tool, arguments, meta))
        answer = response.messages[-1] if response.events_expected else response.json
        assert "result" in answer, answer
        content: dict[str, Any] = answer["result"]["structuredContent"]
        return content

    async def begin_stateless(self, method: str, **params: Any) -> Exchange:
        """Send a request of the stateless era."""
        message = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method}
        message["params"] = {"_meta": STATELESS_META, **params}
        named = {"mcp_name": params["name"]} if "name" in params else {}
        return await self.begin("POST", message, mcp_protocol_version="2026-07-28", mcp_method=method, **named)

    def close(self) -> None:
        """Hang up everywhere."""
        for exchange in self._open:
            exchange.close()


@contextlib.asynccontextmanager
async def client(url: str, version: str | None = "2025-11-25") -> AsyncIterator[HttpClient]:
    """Give a client, with a session unless `version` is None; it hangs up at the end, and ends its session."""
    speaker = HttpClient(url)
    try:
        if version is not None:
            await speaker.open(version)
        yield speaker
        if speaker.session is not None:
            await speaker.request("DELETE")
    finally:
        speaker.close()
