"""The control plane's app, loaded when somebody first asks it for more than a probe.

FastAPI and the shapes of all verbs take a quarter of a second and 14 MB.  Neither the start pays for them nor a daemon
of which nobody has asked anything but whether it is well: the two probes are answered here until then.

Above: `planes` serves it.  Below: `app`, in a thread, so that calls go on; `probes` says what a probe is answered.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.closing import Closing
from orchestrator.api.probes import PROBES
from orchestrator.collector import lasting

if TYPE_CHECKING:
    from orchestrator.api.app import Control

TURN: Final = 0.0005
"""Seconds for which loading keeps the interpreter from calls; Python's own 5 ms would be felt by each of them."""


class LateApp:
    """Is the app once it is loaded, and until then whoever answers probes."""

    def __init__(self, control: Control, version: str, closing: Closing) -> None:
        """Build it over a daemon; `closing` ends the app's streams."""
        self._control = control
        self._version = version
        self._closing = closing
        self._app: ASGIApp | None = None
        self._loading = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._app is None:
            probe = PROBES.get(scope["path"]) if scope["method"] == "GET" else None
            if probe is not None:
                await _tell(send, *probe(self._control))
                return
        app = self._app or await self._load()
        await app(scope, receive, send)

    async def _load(self) -> ASGIApp:
        async with self._loading:  # who asks meanwhile waits for the one app
            if self._app is None:
                self._app = await anyio.to_thread.run_sync(self._build)
            return self._app

    def _build(self) -> ASGIApp:
        with _in_small_turns(), lasting():
            from orchestrator.api.app import build  # noqa: PLC0415 - this is what takes its time

            return build(self._control, self._version, self._closing)


async def _tell(send: Send, status: int, body: dict[str, str]) -> None:
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@contextlib.contextmanager
def _in_small_turns() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
