"""A real Chromium against pages that behave and pages that do not: each answer or error comes within bounds."""

from __future__ import annotations

import base64
import ipaddress
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult, ImageContent
from waiting import eventually
from web_site import Site, answer, endless, html, redirect, silent, website

from workers.reference.hands import chromium
from workers.reference.hands.chromium import UNSANDBOXED
from workers.reference.hands.errors import HandError
from workers.reference.hands.pages import Pages
from workers.reference.hands.processes import BrowserProcess, browser_processes
from workers.reference.hands.settings import HandSettings, Network
from workers.reference.tools.web import WebTools
from workers.reference.world import World

LIMIT = 60
"""Seconds that one of these tests may take; a browser's start takes about half of one."""
LOCAL: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"),)

PAGES = {
    "/": html(
        "<title>Hello</title><body style='background:#00f'><script>document.write('<p>' + 6 * 7 + '</p>')</script>"
    ),
    "/tall": html("<div style='height:50000px'>tall</div>"),
    "/high": html("<title>High</title><div style='height:2000px'>high</div>"),
    "/silent": silent,
    "/endless": endless,
    "/spin": html("<script>for (;;) {}</script>"),
    "/late-spin": html("<body onload='setTimeout(() => { for (;;) {} }, 0)'>x"),
    "/loop": redirect("/loop"),
    "/script-loop": html("<script>location.href = '/script-loop?' + Math.random()</script>"),
    "/reload": html("<script>location.reload()</script>"),
    "/file": answer(b"x" * 10, Content_Type="application/octet-stream", Content_Disposition="attachment; filename=x"),
    "/alert": html("<script>alert(1); confirm('sure?'); prompt('who?')</script><p>after</p>"),
    "/alerts": html("<script>for (;;) alert('again')</script>"),
    "/leave": html("<script>onbeforeunload = () => 'stay'; open('/'); open('/')</script><p>stay</p>"),
    "/inward": redirect("http://10.0.0.1/"),
    "/inner": html("<img src='http://10.0.0.1/x.png'><iframe src='http://169.254.169.254/'></iframe><p>rest</p>"),
    "/crash": html("<p>x"),
    "/empty": answer(b"", "204 No Content"),
}


@asynccontextmanager
async def web(folder: Path, pooled: list[bool], **more: Any) -> AsyncIterator[WebTools]:
    """Return the tools, and end their browsers with the block."""
    settings = HandSettings(networks=LOCAL, **more)
    tools = WebTools(World(folder, folder, dry_run=False), lambda: pooled[0], settings)
    try:
        with anyio.fail_after(LIMIT):
            yield tools
    finally:
        await tools.aclose()
    assert not browser_processes()


async def read(tools: WebTools, url: str, seconds: float = 20) -> dict[str, Any]:
    """Fetch with a browser and return the answer."""
    result: CallToolResult = await tools.web_fetch(url, rendered=True, seconds=seconds)
    content: dict[str, Any] = result.structured_content
    return content


async def refused(tools: WebTools, url: str, seconds: float = 20) -> str:
    """Fetch what cannot be fetched and return why."""
    with pytest.raises(HandError) as error:
        await tools.web_fetch(url, rendered=True, seconds=seconds)
    return str(error.value).replace(url, "URL")


def owner(process: BrowserProcess) -> int:
    """Return whose rights a process has."""
    return Path(f"/proc/{process.pid}").stat().st_uid


def mains() -> list[BrowserProcess]:
    """Return the browsers that run."""
    return [process for process in browser_processes() if process.is_main]


def drivers() -> list[int]:
    """Return the drivers that run."""
    children = Path("/proc/self/task").glob("*/children")
    ours = {int(pid) for one in children for pid in one.read_text().split()}
    return [pid for pid in ours if b"run-driver" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.requirement("HAND-5")
async def test_mode_none_starts_a_fresh_unprivileged_browser_for_each_operation(tmp_path: Path) -> None:
    async with website(PAGES) as site, web(tmp_path, [False]) as tools:
        seen: list[BrowserProcess] = []

        async def look(writer: Any) -> None:
            seen.extend(mains())
            writer.write(html("<p>seen</p>"))
            await writer.drain()

        site.pages["/look"] = look
        assert (await read(tools, site.url("/look")))["text"] == "seen"
        assert (await read(tools, site.url("/look")))["text"] == "seen"
        assert len({process.pid for process in seen}) == 2
        for process in seen:
            assert set(UNSANDBOXED) <= set(process.words)
        assert tools.status().model_dump() == {
            "mode": "none", "processes": 0, "browsers": 0, "idle": 0, "busy": 0, "started": 2, "lost": 0,
        }  # fmt: skip


@pytest.mark.requirement("HAND-5")
async def test_a_driver_that_hangs_is_killed_at_the_end_and_its_browser_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with website(PAGES) as site:
        async with web(tmp_path, [True]) as tools:
            await read(tools, site.url("/"))
            (driver,) = drivers()
            monkeypatch.setattr(chromium, "_CLOSE_SECONDS", 0.5)
            os.kill(driver, signal.SIGSTOP)
        assert drivers() == []


@pytest.mark.requirement("HAND-5")
async def test_mode_pool_uses_one_sandboxed_browser_again_and_heals_when_it_is_killed(tmp_path: Path) -> None:
    async with website(PAGES) as site, web(tmp_path, [True]) as tools:
        for _ in range(2):
            page = await read(tools, site.url("/"))
            assert (page["title"], page["text"], page["status"], page["rendered"]) == ("Hello", "42", 200, True)
        status = tools.status()
        assert (status.started, status.browsers, status.idle, status.busy, status.mode) == (1, 1, 1, 0, "pool")
        assert status.processes > 1
        (main,) = mains()
        assert not set(UNSANDBOXED) & set(main.words)
        assert owner(main) != 0
        assert not any(
            "no-sandbox" in word
            for process in browser_processes()
            for word in process.words
            if word != "--no-zygote-sandbox"
        )
        os.kill(main.pid, signal.SIGKILL)
        await eventually(lambda: not mains())
        assert (await read(tools, site.url("/")))["text"] == "42"
        async with anyio.create_task_group() as group:
            group.start_soon(expect_loss, tools, site)
            await eventually(lambda: site.asked["/silent"])
            os.kill(mains()[0].pid, signal.SIGKILL)
        assert (await read(tools, site.url("/")))["text"] == "42"
        assert (tools.status().started, tools.status().lost) == (3, 2)


async def expect_loss(tools: WebTools, site: Site) -> None:
    """Read a page during which the browser is killed."""
    assert await refused(tools, site.url("/silent")) == "URL: the browser ended in the middle of it; ask again"


@pytest.mark.requirement("HAND-5")
async def test_a_flag_that_flips_under_way_breaks_nothing_and_the_old_modes_browsers_go(tmp_path: Path) -> None:
    pooled = [True]
    async with website(PAGES) as site, web(tmp_path, pooled) as tools:
        waiting = anyio.Event()

        async def slow(writer: Any) -> None:
            await waiting.wait()
            writer.write(html("<p>slow</p>"))
            await writer.drain()

        site.pages["/slow"] = slow
        found: list[dict[str, Any]] = []

        async def ask() -> None:
            found.append(await read(tools, site.url("/slow")))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await eventually(lambda: site.asked["/slow"])
            pooled[0] = False
            assert (await read(tools, site.url("/")))["text"] == "42"
            assert tools.status().busy == 1, "the operation under way still has its browser"
            waiting.set()
        assert found[0]["text"] == "slow"
        assert (tools.status().browsers, tools.status().idle) == (0, 0)


@pytest.mark.requirement("HAND-6")
async def test_pages_that_misbehave_get_a_clear_error_within_bounds(tmp_path: Path) -> None:
    async with website(PAGES) as site, web(tmp_path, [True]) as tools:
        late = "URL did not load within 1 s; try again or allow more"
        assert await refused(tools, site.url("/silent"), 1) == late
        assert await refused(tools, site.url("/spin"), 1) == late
        with pytest.raises(HandError, match="loads more than this worker takes; it was stopped"):
            await Pages(tools.browsers, LOCAL, most_bytes=1_000_000).reading(site.url("/endless"), 20)
        assert await refused(tools, site.url("/loop")) == "URL redirects without end"
        onwards = {"URL keeps going on to other pages", "URL goes on from page to page without end; it was stopped"}
        assert await refused(tools, site.url("/script-loop")) in onwards
        assert await refused(tools, site.url("/reload")) in onwards
        assert await refused(tools, site.url("/file")) == "URL is a download, not a page; nothing was kept"
        assert (
            await refused(tools, site.url("/empty")) == "URL has no page to show: the server sent none, or a download"
        )
        assert await refused(tools, site.url("/alerts")) == "URL opens one dialog after the other; it was stopped"
        assert await refused(tools, "http://127.0.0.1:9/") == (
            "URL names a port that belongs to another service, which no browser opens"
        )
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            assert "cannot be reached" in await refused(tools, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        assert "10.0.0.1, which is no public address" in await refused(tools, site.url("/inward"))
        assert (await read(tools, site.url("/missing")))["status"] == 404
        assert (await read(tools, site.url("/leave")))["text"] == "stay"
        assert (await read(tools, site.url("/inner")))["text"] == "rest"
        assert (await read(tools, site.url("/")))["text"] == "42"


@pytest.mark.requirement("HAND-6")
async def test_a_picture_is_a_png_of_the_size_asked_for(tmp_path: Path) -> None:
    async with website(PAGES) as site, web(tmp_path, [True]) as tools:
        result = await tools.screenshot(site.url("/alert"), width=320, height=200)
        picture = result.content[1]
        assert isinstance(picture, ImageContent)
        png = base64.b64decode(picture.data)
        assert struct.unpack(">II", png[16:24]) == (320, 200)
        assert result.structured_content is not None
        assert (result.structured_content["dialogs"], result.structured_content["size"]) == (3, len(png))
        whole = await tools.screenshot(site.url("/high"), width=200, height=200, full_page=True)
        assert whole.structured_content is not None
        assert (whole.structured_content["title"], whole.structured_content["height"]) == ("High", 2016)
        with pytest.raises(HandError, match="pixels high; at most 10000 fit; leave full_page out"):
            await tools.screenshot(site.url("/tall"), full_page=True)
        assert (await tools.screenshot(site.url("/tall"))).structured_content
