"""The tools that look at the web: fetch an address, take a page's picture.

Above it stands `server`, below it the hands.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Annotated, Literal

from anyio import to_thread
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ImageContent
from pydantic import Field

from workers.reference.hands.browsers import Browsers
from workers.reference.hands.chromium import ChromiumBrowser, ChromiumLauncher
from workers.reference.hands.fetch import fetch
from workers.reference.hands.pages import Pages, View
from workers.reference.hands.processes import browser_processes
from workers.reference.hands.settings import HandSettings
from workers.reference.hands.text import readable
from workers.reference.results import Result
from workers.reference.tools.arguments import Truth
from workers.reference.tools.toolbox import answer, reading
from workers.reference.world import DryRunError, World

Url = Annotated[str, Field(description="The address, with http:// or https://.")]
Seconds = Annotated[float, Field(strict=True, ge=1, le=50, description="How long all of it may take.")]
SandboxMode = Literal["none", "pool"]


class WebFetched(Result):
    """Answer of `web_fetch`."""

    url: str = Field(description="The address that answered in the end.")
    status: int = Field(description="HTTP status.")
    media_type: str = Field(description="Kind of content, as in text/html; empty when it was not said.")
    title: str = Field(description="What the page calls itself; empty for anything but HTML.")
    text: str = Field(description="The content; of HTML the readable text.")
    truncated: bool = Field(description="Whether there is more text than was asked for.")
    redirects: list[str] = Field(description="The addresses that led there, first one first.")
    rendered: bool = Field(description="Whether a browser ran the page's scripts first.")


class Screenshot(Result):
    """Answer of `screenshot`; the picture follows as image content."""

    url: str = Field(description="Where the page came from in the end.")
    status: int = Field(description="HTTP status.")
    title: str
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    size: int = Field(description="Bytes of the picture.")
    sha256: str
    dialogs: int = Field(description="How many dialogs of the page were dismissed.")


class BrowserStatus(Result):
    """The browsers of this process."""

    mode: SandboxMode = Field(description="What SANDBOX_MODE says now.")
    processes: int = Field(description="How many processes all browsers have together.")
    browsers: int = Field(description="How many browsers run.")
    idle: int = Field(description="How many of them wait to be used again.")
    busy: int = Field(description="How many operations are under way.")
    started: int = Field(description="How many browsers were started so far.")
    lost: int = Field(description="How many of them ended by themselves or were killed.")


class WebTools:
    """web_fetch and screenshot."""

    def __init__(self, world: World, pooled: Callable[[], bool], settings: HandSettings) -> None:
        """Keep what is needed; no browser is started yet.

        Args:
            world: whether this is a dry run, and where private files may be.
            pooled: returns whether SANDBOX_MODE is pool; asked as each operation begins.
            settings: which browser, how many, and what may be reached.
        """
        self._world = world
        self._pooled = pooled
        self._settings = settings
        launcher = ChromiumLauncher(settings, world.state_dir / "browser")
        self.browsers: Browsers[ChromiumBrowser] = Browsers(launcher, pooled, settings.browsers, settings.idle_seconds)
        self._pages = Pages(self.browsers, settings.networks)

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            reading(self.web_fetch, "Fetch a web address", open_world=True),
            reading(self.screenshot, "Take a page's picture", open_world=True),
        ]

    async def web_fetch(
        self,
        url: Url,
        rendered: Annotated[Truth, Field(description="Let a browser run the page's scripts first.")] = False,  # noqa: FBT002 - a tool\'s arguments are named
        seconds: Seconds = 20,
        most_characters: Annotated[
            int, Field(strict=True, ge=1, le=200_000, description="How much text to return.")
        ] = 20_000,
    ) -> Annotated[CallToolResult, WebFetched]:
        """Fetch a web address and return its readable text."""
        self._require_network("web_fetch")
        if rendered:
            found = await self._rendered(url, seconds)
        else:
            found = await self._fetched(url, seconds)
        cut = {"text": found.text[:most_characters], "truncated": len(found.text) > most_characters}
        return answer(found.model_copy(update=cut))

    async def screenshot(
        self,
        url: Url,
        width: Annotated[int, Field(strict=True, ge=100, le=3840, description="Pixels.")] = 1280,
        height: Annotated[int, Field(strict=True, ge=100, le=2160, description="Pixels.")] = 800,
        full_page: Annotated[Truth, Field(description="Show the whole page, however high.")] = False,  # noqa: FBT002 - likewise
        seconds: Seconds = 30,
    ) -> Annotated[CallToolResult, Screenshot]:
        """Open a web page in a browser and take its picture (PNG)."""
        self._require_network("screenshot")
        taken = await self._pages.picture(url, View(width, height, whole=full_page), seconds)
        result = Screenshot(
            url=taken.shown.url,
            status=taken.shown.status,
            title=taken.title,
            width=taken.width,
            height=taken.height,
            size=len(taken.png),
            sha256=hashlib.sha256(taken.png).hexdigest(),
            dialogs=taken.shown.dialogs,
        )
        told = answer(result)
        picture = ImageContent(type="image", data=base64.b64encode(taken.png).decode(), mime_type="image/png")
        return told.model_copy(update={"content": [*told.content, picture]})

    def status(self) -> BrowserStatus:
        """Return what the browsers of this process are doing; for orchestrator_status."""
        tally = self.browsers.tally()
        found = browser_processes()
        return BrowserStatus(
            mode="pool" if self._pooled() else "none",
            processes=len(found),
            browsers=sum(process.is_main for process in found),
            idle=tally.idle,
            busy=tally.busy,
            started=tally.started,
            lost=tally.lost,
        )

    async def aclose(self) -> None:
        """Close every browser and what they share."""
        await self.browsers.aclose()

    async def _fetched(self, url: str, seconds: float) -> WebFetched:
        """Fetch without a browser."""
        found = await fetch(url, seconds, self._settings.networks)
        is_html = found.media_type in {"text/html", "application/xhtml+xml"}
        # The parser may take a second for a large page; other calls go on meanwhile.
        title, text = await to_thread.run_sync(readable, found.text) if is_html else ("", found.text)
        return WebFetched(
            url=found.url,
            status=found.status,
            media_type=found.media_type,
            title=title,
            text=text,
            truncated=False,
            redirects=list(found.redirects),
            rendered=False,
        )

    async def _rendered(self, url: str, seconds: float) -> WebFetched:
        """Fetch with a browser."""
        found = await self._pages.reading(url, seconds)
        return WebFetched(
            url=found.shown.url,
            status=found.shown.status,
            media_type=found.shown.media_type,
            title=found.title,
            text=found.text,
            truncated=False,
            redirects=[],
            rendered=True,
        )

    def _require_network(self, tool: str) -> None:
        """Refuse the network to a dry run."""
        if self._world.dry_run:
            raise DryRunError(
                f"{tool} is refused: this process is a dry run and the network lies outside its private state; "
                "call a worker whose role is serving"
            )
