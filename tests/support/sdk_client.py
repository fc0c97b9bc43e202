"""The official Python SDK's client over `tools.sock`: its own sessions and types, on a transport of ours.

Above: tests with real clients.  Below: the SDK (`mcp`) and a Unix socket.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import SocketStream, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

LINE_BYTES = 1 << 26

Incoming = SessionMessage | Exception


class SocketTransport:
    """A transport as the SDK wants them: a context manager that gives a read and a write stream."""

    def __init__(self, place: Path | socket.socket) -> None:
        """Prepare to connect to `place`, or take a socket that is connected."""
        self._place = place
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> tuple[Any, Any]:
        return await self._stack.enter_async_context(_streams(self._place))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)


@contextlib.asynccontextmanager
async def _streams(place: Path | socket.socket) -> AsyncIterator[tuple[Any, Any]]:
    async with await _connected(place) as stream, anyio.create_task_group() as tasks:
        to_session, read = anyio.create_memory_object_stream[Incoming](0)
        write, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        tasks.start_soon(_receive, stream, to_session)
        tasks.start_soon(_send, stream, from_session)
        async with read, write:
            yield read, write
        tasks.cancel_scope.cancel()


async def _connected(place: Path | socket.socket) -> SocketStream:
    if isinstance(place, Path):
        return await anyio.connect_unix(place)
    return await UNIXSocketStream.from_socket(place)


async def _receive(stream: SocketStream, to_session: MemoryObjectSendStream[Incoming]) -> None:
    lines = BufferedByteReceiveStream(stream)
    with contextlib.suppress(anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with to_session:
            while True:
                line = await lines.receive_until(b"\n", LINE_BYTES)
                await to_session.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))


async def _send(stream: SocketStream, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with from_session:
        async for outgoing in from_session:
            text = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stream.send(text.encode() + b"\n")
