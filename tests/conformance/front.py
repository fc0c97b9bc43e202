"""The daemon as a front of the fixture: Streamable HTTP in front of stdio, as it is and while it is being switched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from typing import Final

from daemon import RunningDaemon
from suite import FORK_SERVER, START, ending

EVERY: Final = 20
"""Messages between two movements of traffic."""
LOOK: Final = 0.05
"""Seconds between two looks at how many there were; to ask without a pause would keep the daemon busy with that."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def through_the_daemon() -> AsyncIterator[str]:
    """The URL of a daemon that gives each session a worker of its own, so that workers may ask their clients."""
    async with _daemon() as (_, _, url):
        yield url


@contextlib.asynccontextmanager
async def through_the_daemon_switching() -> AsyncIterator[str]:
    """The same, with a switch or a switch back every 20 messages."""
    async with _daemon() as (daemon, worker, url):
        await asyncio.to_thread(daemon.verb, "canary", command=worker)
        switching = asyncio.ensure_future(_switch_for_ever(daemon))
        try:
            yield url
        finally:
            switching.cancel()
            await asyncio.wait([switching])
            if not switching.cancelled():
                switching.result()


@contextlib.asynccontextmanager
async def _daemon() -> AsyncIterator[tuple[RunningDaemon, list[str], str]]:
    """A daemon, its worker's command, and its URL."""
    port = _free_port()
    config = f'[worker]\nisolation = "session"\n[http]\nlisten = "127.0.0.1:{port}"\n'
    async with _fork_server() as worker:
        with RunningDaemon.start(worker, config=config) as daemon:
            yield daemon, worker, f"http://127.0.0.1:{port}/mcp"


@contextlib.asynccontextmanager
async def _fork_server() -> AsyncIterator[list[str]]:
    """The command of a fixture server that starts at once, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="forks-", dir="/tmp") as folder:
        path = f"{folder}/s"
        server = await asyncio.create_subprocess_exec(sys.executable, FORK_SERVER, "serve", path, stdout=-1)
        async with ending(server):
            assert server.stdout is not None
            async with asyncio.timeout(START):
                assert await server.stdout.readline() == b"ready\n"
            # -S -E: nothing to look for in site-packages, which takes longer than all the rest
            yield [sys.executable, "-S", "-E", FORK_SERVER, "worker", path]


async def _switch_for_ever(daemon: RunningDaemon) -> None:
    """Move all traffic each time another 20 calls have been answered."""
    moved, forth = 0, True
    while True:
        status = await asyncio.to_thread(daemon.status)
        answered = sum(generation["calls"] for generation in status["generations"])
        if answered - moved >= EVERY:
            await asyncio.to_thread(daemon.verb, "switch" if forth else "switch-back")
            moved, forth = answered, not forth
        await asyncio.sleep(LOOK)
