"""`/events`: every change of a flag as it happens, for `flags watch`, pages and other programs.

Above: `app`.  Below: `orchestrator.flags.service` says what changed, `sse` writes it.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Final

from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse

from orchestrator.api import sse
from orchestrator.api.closing import Closing
from orchestrator.api.flags.flags import FlagsControl, in_words
from orchestrator.api.flags.models import ChangedShown
from orchestrator.flags.told import Changed

KIND: Final = "flags"
"""Type of these events."""


def add(app: FastAPI, control: FlagsControl, closing: Closing) -> None:
    """Add the route to the app."""

    @app.get(
        "/events",
        responses=sse.DOCUMENTED,
        response_class=StreamingResponse,
        tags=["flags"],
        summary="Every change of a flag as it happens (server-sent events)",
    )
    async def events(last_event_id: Annotated[str | None, Header(max_length=32)] = None) -> StreamingResponse:
        return sse.stream(functools.partial(_begin, control, number(last_event_id)), closing)


def _begin(control: FlagsControl, after: int | None) -> tuple[bytes, AsyncGenerator[bytes, None]]:
    """Say where the flags stand, then every change; a client that comes back is told if it missed any."""
    changes = control.flags.subscribe()
    version = control.flags.version
    if after == version:
        return b"", _events(changes)
    hello = {"type": "version", "version": version, "missed": after is not None}
    return sse.event(hello, number=version, kind=KIND), _events(changes)


async def _events(changes: AsyncIterator[Changed]) -> AsyncGenerator[bytes, None]:
    async for changed in changes:
        yield _event(changed)


def _event(changed: Changed) -> bytes:
    told = ChangedShown.model_validate(changed).model_copy(update={"message": in_words(changed)})
    data = {"type": "changed", **told.model_dump(mode="json", exclude={"applied"})}
    return sse.event(data, number=changed.version, kind=KIND)


def number(text: str | None) -> int | None:
    """Return the number in a `Last-Event-ID`, None without one; -1, which nothing has, when it is none of ours."""
    if text is None or not text.strip():
        return None
    return int(text) if text.isascii() and text.isdecimal() else -1
