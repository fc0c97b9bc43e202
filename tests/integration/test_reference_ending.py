"""SIGTERM under a call: the call is answered, then the worker ends, and its browsers with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from candidates import Forks
from mcp import Client
from mcp.types import CallToolResult
from sdk_client import SocketTransport
from waiting import alive, eventually
from web_site import html, website

from workers.reference.hands.processes import browser_processes

LIMIT = 60
"""Seconds that all of it may take; it takes about two."""


@pytest.mark.requirement("REF-10")
async def test_sigterm_lets_a_call_finish_and_then_ends_the_worker_and_its_browsers(
    forks: Forks, tmp_path: Path
) -> None:
    surroundings = {"SWITCHOVER_FLAG_SANDBOX_MODE": "pool", "SWITCHOVER_REFERENCE_NETWORKS": "127.0.0.0/8"}
    answered: list[CallToolResult] = []
    release = anyio.Event()

    async def slow(writer: Any) -> None:
        await release.wait()
        writer.write(html("<p>late"))
        await writer.drain()

    async def fetch(client: Client, url: str) -> None:
        answered.append(await client.call_tool("web_fetch", {"url": url, "rendered": True}))

    with anyio.fail_after(LIMIT), forks.streams([], tmp_path / "state", **surroundings) as streams:
        async with website({"/slow": slow}) as site, Client(SocketTransport(streams), mode="legacy") as client:
            pid = (await client.call_tool("health")).structured_content["pid"]  # type: ignore[index]
            async with anyio.create_task_group() as group:
                group.start_soon(fetch, client, site.url("/slow"))
                await eventually(lambda: site.asked["/slow"])
                browsers = [process.pid for process in browser_processes(pid)]
                os.kill(pid, signal.SIGTERM)
                assert (await client.call_tool("health")).structured_content, "it is still there"
                release.set()
            await eventually(lambda: not any(alive(process) for process in (pid, *browsers)))
    assert (answered[0].is_error, answered[0].structured_content["text"]) == (False, "late")  # type: ignore[index]
    assert len(browsers) > 1
