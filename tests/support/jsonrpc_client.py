"""A client of `tools.sock` that hides nothing: every line the daemon sends is kept and can be asked about.

Above: tests that look at ids, doubled answers and hang-ups.  Below: asyncio streams; no library that would forgive.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds any single wait may take before the test fails."""

LINE_BYTES = 1 << 27

Message = dict[str, Any]


class JsonRpcClient:
    """One connection.

    Attributes:
        stray: messages with an id nobody waited for: second answers, answers to cancelled calls, `"id": null`.
        notifications: notifications, in order.
        ended: set when the daemon has hung up.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stray: list[Message] = []
        self.notifications: list[Message] = []
        self.ended = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._news = asyncio.Condition()

    async def call(self, tool: str, arguments: Message | None = None, **how: Any) -> Message:
        """Call a tool and return the whole answering message; `how` is that of `begin`."""
        return await self.answer(self.begin(tool, arguments, **how))

    def begin(
        self, tool: str, arguments: Message | None = None, *, call_id: Any = None, meta: Message | None = None
    ) -> asyncio.Future[Message]:
        """Send a call of a tool; the future becomes its answer."""
        params: Message = {"name": tool, "arguments": arguments or {}}
        if meta is not None:
            params["_meta"] = meta
        return self.ask("tools/call", params, call_id=call_id)

    def ask(self, method: str, params: Message | None = None, *, call_id: Any = None) -> asyncio.Future[Message]:
        """Send a request; the future becomes its answer."""
        call_id = next(self._numbers) if call_id is None else call_id
        message: Message = {"jsonrpc": "2.0", "id": call_id, "method": method}
        if params is not None:
            message["params"] = params
        future = self.expect(call_id)
        self.write(json.dumps(message).encode() + b"\n")
        return future

    def expect(self, call_id: Any) -> asyncio.Future[Message]:
        """Return a future of the answer to this id, which must come back with this very type."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[json.dumps(call_id)] = future
        return future

    def notify(self, method: str, params: Message | None = None) -> None:
        """Send a notification."""
        self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}).encode() + b"\n")

    def reply(self, call_id: Any, result: Message) -> None:
        """Answer what a worker asked."""
        self.write(json.dumps({"jsonrpc": "2.0", "id": call_id, "result": result}).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the daemon has taken most of what was written."""
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()

    async def answer(self, future: asyncio.Future[Message]) -> Message:
        """Wait, with a bound, for an answer."""
        async with asyncio.timeout(PATIENCE):
            return await future

    async def strays(self, count: int) -> list[Message]:
        """Wait until there are `count` stray messages and return all."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.stray) >= count)
        return self.stray

    async def hang_up(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()
        await self.ended.wait()

    def write_eof(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()

    async def listen(self) -> None:
        """Take in what the daemon sends until it hangs up."""
        try:
            while line := await self._reader.readline():
                self._heard(_parsed(line))
                async with self._news:
                    self._news.notify_all()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionResetError("the daemon hung up before it answered"))
                    future.exception()

    def _heard(self, message: Message) -> None:
        if "id" not in message:
            self.notifications.append(message)
            return
        future = self._waiting.pop(json.dumps(message["id"]), None)
        if future is None or future.done():
            self.stray.append(message)
        else:
            future.set_result(message)


def _parsed(line: bytes) -> Message:
    """Read a line; of one that is nested deeper than Python goes, the id."""
    try:
        message: Message = json.loads(line)
    except RecursionError:
        return {"id": json.loads(line.split(b'"id":', 1)[1].split(b",", 1)[0]), "result": "too deep to read"}
    return message


@contextlib.asynccontextmanager
async def connected(socket: Path) -> AsyncIterator[JsonRpcClient]:
    """Connect to a daemon for as long as the block lasts."""
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_BYTES)
    client = JsonRpcClient(reader, writer)
    listening = asyncio.ensure_future(client.listen())
    try:
        yield client
    finally:
        writer.transport.abort()  # what a paused daemon has not taken is not waited for
        listening.cancel()
        await asyncio.wait([listening])
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def many(socket: Path, count: int) -> AsyncIterator[list[JsonRpcClient]]:
    """Connect `count` times."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(socket)) for _ in range(count)]


def told(answer: Message) -> Message:
    """Return the structured content of a good answer."""
    assert "result" in answer, answer
    content: Message = answer["result"]["structuredContent"]
    return content
