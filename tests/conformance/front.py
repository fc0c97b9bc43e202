"""The daemon as a front of the fixture: Streamable HTTP in front of stdio, as it is and while it is being switched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from daemon import RunningDaemon
from suite import FIXTURE

EVERY: Final = 20
"""Messages between two movements of traffic."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def through_the_daemon() -> AsyncIterator[str]:
    """The URL of a daemon that gives each session a worker of its own, so that workers may ask their clients."""
    async with _daemon() as (_, url):
        yield url


@contextlib.asynccontextmanager
async def through_the_daemon_switching() -> AsyncIterator[str]:
    """The same, with a switch or a switch back every 20 messages."""
    async with _daemon() as (daemon, url):
        await asyncio.to_thread(daemon.verb, "canary", command=list(FIXTURE))
        switching = asyncio.ensure_future(_switch_for_ever(daemon))
        try:
            yield url
        finally:
            switching.cancel()
            await asyncio.wait([switching])
            if not switching.cancelled():
                switching.result()


@contextlib.asynccontextmanager
async def _daemon() -> AsyncIterator[tuple[RunningDaemon, str]]:
    port = _free_port()
    config = f'[worker]\nisolation = "session"\n[http]\nlisten = "127.0.0.1:{port}"\n'
    with RunningDaemon.start(list(FIXTURE), config=config) as daemon:
        yield daemon, f"http://127.0.0.1:{port}/mcp"


async def _switch_for_ever(daemon: RunningDaemon) -> None:
    """Move all traffic each time another 20 calls have been answered."""
    moved, forth = 0, True
    while True:
        status = await asyncio.to_thread(daemon.status)
        answered = sum(generation["calls"] for generation in status["generations"])
        if answered - moved >= EVERY:
            await asyncio.to_thread(daemon.verb, "switch" if forth else "switch-back")
            moved, forth = answered, not forth
