"""Work with one page in a real browser: show it, take its picture, read its text, within bounds.

Each operation has a context of its own (no cookies, no storage of others), its own guard on the way to the network, and
one limit for all of its time.  Downloads are refused, dialogs dismissed, further windows closed.  Above it stands
`tools/web`, below it `browsers`, `chromium` and `guard`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from workers.reference.hands.addresses import resolved, target
from workers.reference.hands.browser_words import meaning
from workers.reference.hands.browsers import Browsers, Lent
from workers.reference.hands.chromium import ChromiumBrowser
from workers.reference.hands.errors import HandError
from workers.reference.hands.guard import MOST_BYTES, Guard, guarding
from workers.reference.hands.settings import Network

if TYPE_CHECKING:
    from playwright.async_api import Dialog, Page, Response

MOST_DIALOGS: Final = 20
"""A page that opens more does not mean to be read."""
MOST_NAVIGATIONS: Final = 20
"""As many redirects as a browser follows by itself (Fetch standard, HTTP-redirect fetch)."""
MOST_HEIGHT: Final = 10_000
"""Pixels of a picture of a whole page; Chromium draws no more than 16,384 at once."""
MOST_PICTURE: Final = 3 * 1024 * 1024
"""Bytes of a picture; as base64 it fits a line of 4 MiB."""
MOST_CHARACTERS: Final = 1_000_000
"""Characters of a page's text that are taken over from the browser."""

_CLOSE_SECONDS: Final = 3.0
_SPARE_SECONDS: Final = 0.5  # lets Playwright's own limits speak before ours does
_READ: Final = (
    """most => [document.title.slice(0, 1000), (document.body ? document.body.innerText : "").slice(0, most)]"""
)
_HEIGHT: Final = "() => Math.max(document.documentElement.scrollHeight, document.body ? document.body.scrollHeight : 0)"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page was when the work with it was done.

    Attributes:
        url: where the page came from in the end.
        status: HTTP status.
        media_type: what kind of content it is; empty when it was not said.
        dialogs: how many dialogs were dismissed.
    """

    url: str
    status: int
    media_type: str
    dialogs: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A page's picture.

    Attributes:
        shown: the page.
        title: what it calls itself.
        png: the picture.
        width: pixels.
        height: pixels.
    """

    shown: Shown
    title: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A page's text, as people would see it.

    Attributes:
        shown: the page.
        title: what it calls itself.
        text: its text.
    """

    shown: Shown
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """How a page is looked at.

    Attributes:
        width: pixels.
        height: pixels; of the window, not of the page.
        whole: whether the picture shows the whole page.
    """

    width: int = 1280
    height: int = 800
    whole: bool = False


@dataclass(slots=True)
class _Open:
    """An open page and what it did so far."""

    page: Page
    guard: Guard
    limit: float
    dialogs: int = 0
    navigations: int = 0
    excess: str = ""
    response: Response | None = None
    extra: list[Any] = field(default_factory=list)

    def shown(self) -> Shown:
        response = self.response
        status, kind = (response.status, response.headers.get("content-type", "")) if response else (200, "")
        return Shown(self.page.url, status, kind.partition(";")[0].strip(), self.dialogs)


class Pages:
    """Works with pages."""

    def __init__(
        self, browsers: Browsers[ChromiumBrowser], networks: tuple[Network, ...], most_bytes: int = MOST_BYTES
    ) -> None:
        """Keep what is needed.

        Args:
            browsers: lend browsers.
            networks: private networks that may be reached.
            most_bytes: what one page may load.
        """
        self._browsers = browsers
        self._networks = networks
        self._most = most_bytes

    async def picture(self, url: str, view: View, seconds: float) -> Picture:
        """Show a page and take its picture.

        Args:
            url: http or https.
            view: how to look at it.
            seconds: how long all of it may take.

        Raises:
            HandError: see `_work`; or the page or its picture is too large.
        """

        async def take(opened: _Open) -> Picture:
            height = math.ceil(await opened.page.evaluate(_HEIGHT)) if view.whole else view.height
            if height > MOST_HEIGHT:
                raise HandError(f"{url} is {height} pixels high; at most {MOST_HEIGHT} fit; leave full_page out")
            png = await opened.page.screenshot(full_page=view.whole, animations="disabled", timeout=_left(opened))
            if len(png) > MOST_PICTURE:
                raise HandError(
                    f"the picture of {url} has {len(png)} bytes, at most {MOST_PICTURE}; take a smaller one"
                )
            title = str(await opened.page.title())[:1000]
            return Picture(opened.shown(), title, png, view.width, max(height, view.height))

        return await self._work(url, view, seconds, take)

    async def reading(self, url: str, seconds: float) -> Reading:
        """Show a page and read its text, scripts run.

        Args:
            url: http or https.
            seconds: how long all of it may take.

        Raises:
            HandError: see `_work`.
        """

        async def read(opened: _Open) -> Reading:
            title, text = await opened.page.evaluate(_READ, MOST_CHARACTERS)
            return Reading(opened.shown(), str(title), str(text))

        return await self._work(url, View(), seconds, read)

    async def _work(self, url: str, view: View, seconds: float, task: Callable[[_Open], Awaitable[T]]) -> T:
        """Show a page and do something with it.

        Raises:
            HandError: the address is refused, nothing loads in time, the browser ends, or the page does what no page
                should: loads without end, redirects without end, opens dialogs without end, is a download.
        """
        limit = anyio.current_time() + seconds
        try:
            with anyio.fail_after(seconds):
                place = target(url)
                await resolved(place.host, place.port, self._networks)
                async with guarding(self._networks, self._most) as guard, self._browsers.lent() as lent:
                    return await self._shown(url, view, (seconds, limit - _SPARE_SECONDS), (guard, lent), task)
        except TimeoutError:
            raise HandError(f"{url} did not load within {seconds:g} s; try again or allow more") from None

    async def _shown(
        self,
        url: str,
        view: View,
        times: tuple[float, float],
        means: tuple[Guard, Lent[ChromiumBrowser]],
        task: Callable[[_Open], Awaitable[T]],
    ) -> T:
        """Load the page in a lent browser, do the task, and put what goes wrong into words."""
        guard, lent = means
        try:
            async with _context(lent, guard, view, times[1]) as opened:
                try:
                    opened.response = await opened.page.goto(url, wait_until="load", timeout=_left(opened))
                    _require_reached(opened, url)
                    done = await task(opened)
                except Exception as error:  # noqa: BLE001 - Playwright raises several kinds
                    raise _meant(error, opened, url, times[0]) from None
                _require_sane(opened, url)
                return done
        except HandError:
            raise
        except Exception as error:  # noqa: BLE001 - Playwright raises several kinds
            raise _meant(error, None, url, times[0]) from None


@asynccontextmanager
async def _context(lent: Lent[ChromiumBrowser], guard: Guard, view: View, limit: float) -> AsyncIterator[_Open]:
    """Open a page in a context of its own; a browser whose context does not close any more is not used again."""
    context = await lent.browser.browser.new_context(
        proxy={"server": guard.url},
        viewport={"width": view.width, "height": view.height},
        accept_downloads=False,
        service_workers="block",
    )
    try:
        opened = _Open(await context.new_page(), guard, limit)
        _watch(opened)
        yield opened
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
            with suppress(Exception):  # the browser may be gone; whoever lent it finds out
                await context.close()
        lent.spoilt = lent.spoilt or scope.cancelled_caught


def _watch(opened: _Open) -> None:
    """Dismiss dialogs, close further windows, and stop a page that does either, or goes on, without end."""
    page = opened.page

    async def dismiss(dialog: Dialog) -> None:
        opened.dialogs += 1
        with suppress(Exception):  # the page may be gone by now
            await (dialog.dismiss() if opened.dialogs <= MOST_DIALOGS else stop("opens one dialog after the other"))

    async def navigated(frame: Any) -> None:
        opened.navigations += frame == page.main_frame
        if opened.navigations > MOST_NAVIGATIONS:
            await stop("goes on from page to page without end")

    async def further(window: Page) -> None:
        with suppress(Exception):
            await window.close()

    async def stop(excess: str) -> None:
        opened.excess = opened.excess or excess
        with suppress(Exception):
            await page.close()

    page.on("dialog", dismiss)
    page.on("framenavigated", navigated)
    page.on("popup", further)


def _left(opened: _Open) -> float:
    """Return the milliseconds that are left, at least one: Playwright takes zero for no limit."""
    return max(1.0, (opened.limit - anyio.current_time()) * 1000)


def _require_sane(opened: _Open, url: str) -> None:
    """Refuse a page that did too much of something, whatever else came of it."""
    if opened.excess:
        raise HandError(f"{url} {opened.excess}; it was stopped")
    if opened.guard.exhausted:
        raise HandError(f"{url} loads more than this worker takes; it was stopped")


def _require_reached(opened: _Open, url: str) -> None:
    """Refuse the guard's own answer in a page's place."""
    place = target(opened.page.url) if opened.page.url.startswith("http") else None
    trouble = opened.guard.troubles.get((place.host, place.port)) if place else None
    if trouble:
        raise HandError(f"{url} cannot be shown: {trouble}")


def _meant(error: Exception, opened: _Open | None, url: str, seconds: float) -> HandError:
    """Put what went wrong into words."""
    if isinstance(error, HandError):
        return error
    if opened is not None:
        try:
            _require_sane(opened, url)
        except HandError as excess:
            return excess
        if opened.guard.troubles and "ERR_TUNNEL" in str(error):
            return HandError(f"{url} cannot be shown: {next(iter(opened.guard.troubles.values()))}")
    return HandError(meaning(str(error), url, seconds))
