"""Streams of server-sent events (WHATWG HTML, section 9.2): framing, a sign of life, and an end when the daemon ends.

Above: the routes that stream.  Below: whatever yields the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

from fastapi.responses import StreamingResponse

from orchestrator.api.closing import Closing

KEEP_ALIVE: Final = 15.0
"""Seconds without an event after which a comment is sent: proxies cut connections that are silent for a minute."""
RETRY: Final = 1000
"""Milliseconds a client waits before it connects again."""
HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

EVENT: Final = {
    "type": "object",
    "description": "one event; `data` is JSON",
    "required": ["id", "event", "data"],
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "a stream of events", "content": {"text/event-stream": {"schema": EVENT}}}
}

Begin = Callable[[], tuple[bytes, AsyncGenerator[bytes, None]]]
"""Subscribes: returns the first bytes, b"" for none, and the events after them."""


def event(data: dict[str, Any], *, number: int, kind: str = "message") -> bytes:
    """Write one event.

    Args:
        data: its payload.
        number: its id, by which a client resumes.
        kind: its type.
    """
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def stream(begin: Begin, closing: Closing) -> StreamingResponse:
    """Answer with events as they come.

    Args:
        begin: subscribes, and returns what to say first and what to say then.
        closing: ends it.
    """
    return StreamingResponse(_paced(begin, closing), media_type="text/event-stream", headers=HEADERS)


async def _paced(begin: Begin, closing: Closing) -> AsyncIterator[bytes]:
    """Yield events, comments while there are none, and nothing more once the daemon ends."""
    first, events = begin()
    coming: asyncio.Future[Any] | None = asyncio.ensure_future(anext(events))
    ending: asyncio.Future[Any] = asyncio.ensure_future(closing.wait())
    try:
        yield f"retry: {RETRY}\n\n".encode() + first
        while not ending.done():
            coming = coming or asyncio.ensure_future(anext(events))
            await asyncio.wait({coming, ending}, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                try:
                    yield coming.result()
                except StopAsyncIteration:
                    return
                coming = None
            elif not ending.done():
                yield b":\n\n"
    finally:
        await _drop(ending, coming)
        await events.aclose()


async def _drop(*waiting: asyncio.Future[Any] | None) -> None:
    for one in waiting:
        if one is not None and not one.done():
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await one
