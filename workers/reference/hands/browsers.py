"""The browsers: a fresh one for each operation, or a few that are used again, as SANDBOX_MODE says.

The flag is read once as an operation begins, and that operation keeps its browser to its end.  A pooled browser that
comes back is kept only if the flag still says pool and it is alive; all idle ones are closed when they were not needed
for a while, or when the flag has changed.  At most so many browsers work at once, in either mode.  Above it stands
`pages`, below it a launcher: `chromium`, or a twin without processes in tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import anyio

from workers.reference.hands.errors import HandError

LOOK_SECONDS: Final = 1.0
"""How often idle browsers are looked at: how long one may outlive a change of the flag."""


class Running(Protocol):
    """A browser, as far as it is lent and ended."""

    @property
    def alive(self) -> bool:
        """Whether it is still there, as far as is known."""
        ...

    async def answers(self) -> bool:
        """Ask it whether it can work."""
        ...

    async def close(self) -> None:
        """End it, whatever it takes."""
        ...


B = TypeVar("B", bound=Running)
B_co = TypeVar("B_co", bound=Running, covariant=True)


class Launcher(Protocol[B_co]):
    """Starts browsers."""

    async def launch(self, *, sandboxed: bool) -> B_co:
        """Start one."""
        ...

    async def aclose(self) -> None:
        """Give up what all of them share."""
        ...


@dataclass(slots=True)
class Lent(Generic[B]):
    """A browser for the time of one operation.

    Attributes:
        browser: the browser.
        pooled: whether it may be used again.
        spoilt: set by the operation when the browser must not be used again.
    """

    browser: B
    pooled: bool
    spoilt: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the browsers so far.

    Attributes:
        started: how many were started.
        lost: how many ended by themselves, or were killed.
        idle: how many wait to be used again.
        busy: how many work.
    """

    started: int
    lost: int
    idle: int
    busy: int


class Browsers(Generic[B]):
    """Lends browsers."""

    def __init__(
        self,
        launcher: Launcher[B],
        pooled: Callable[[], bool],
        most: int,
        idle_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what is needed; nothing is started yet.

        Args:
            launcher: starts browsers.
            pooled: returns whether SANDBOX_MODE is pool.
            most: how many may work at once.
            idle_seconds: how long an unused one is kept.
            now: returns seconds that only increase.
        """
        self._launcher = launcher
        self._pooled = pooled
        self._most = most
        self._slots = anyio.Semaphore(most)
        self._idle_seconds = idle_seconds
        self._now = now
        self._idle: list[tuple[float, B]] = []
        self._started = 0
        self._lost = 0
        self._tender: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Lent[B]]:
        """Lend a browser for one operation; wait for one while as many work as may.

        Raises:
            HandError: none can be started.
        """
        async with self._slots:
            pooled = self._pooled()
            if not pooled:
                await self._close_idle(lambda _: True)
            lent = Lent(await self._found(pooled=pooled), pooled)
            try:
                yield lent
            except HandError:
                raise  # the page's fault, not the browser's
            except BaseException:
                lent.spoilt = True
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await self._returned(lent)

    def tally(self) -> Tally:
        """Return what became of the browsers so far."""
        return Tally(self._started, self._lost, len(self._idle), self._most - self._slots.value)

    async def tend(self) -> None:
        """Close the idle browsers that are dead, too old, or of a mode that is over."""
        if not self._pooled():
            await self._close_idle(lambda _: True)
        oldest = self._now() - self._idle_seconds
        await self._close_idle(lambda since: since <= oldest)

    async def aclose(self) -> None:
        """Close everything; operations under way lose their browser with the driver."""
        if self._tender is not None:
            self._tender.cancel()
        with anyio.CancelScope(shield=True):
            await self._close_idle(lambda _: True)
            await self._launcher.aclose()

    async def _found(self, *, pooled: bool) -> B:
        """Return an idle browser that answers, or a new one."""
        while pooled and self._idle:
            _, browser = self._idle.pop()
            if await self._sound(browser):
                return browser
            await self._lose(browser)
        browser = await self._launcher.launch(sandboxed=pooled)
        self._started += 1
        return browser

    async def _sound(self, browser: B) -> bool:
        """Ask an idle browser for a sign of life; it is in nobody's hands, so it must not get lost meanwhile."""
        try:
            return await browser.answers()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await browser.close()
            raise

    async def _returned(self, lent: Lent[B]) -> None:
        """Keep a browser that may be used again, end any other."""
        if not lent.browser.alive:
            await self._lose(lent.browser)
        elif lent.pooled and not lent.spoilt and self._pooled():
            self._idle.append((self._now(), lent.browser))
            if self._tender is None or self._tender.done():
                self._tender = asyncio.create_task(self._tend_while_idle())
        else:
            await lent.browser.close()

    async def _lose(self, browser: B) -> None:
        """Count a browser that ended by itself, and clear away what is left of it."""
        self._lost += 1
        await browser.close()

    async def _close_idle(self, chosen: Callable[[float], bool]) -> None:
        """Close idle browsers: those that `chosen` says by the time since which they are idle, and dead ones."""
        for entry in tuple(self._idle):
            since, browser = entry
            if entry not in self._idle:
                continue  # taken, or closed by somebody else, while we waited
            if not browser.alive:
                self._idle.remove(entry)
                await self._lose(browser)
            elif chosen(since):
                self._idle.remove(entry)
                await browser.close()

    async def _tend_while_idle(self) -> None:
        while self._idle:
            await asyncio.sleep(LOOK_SECONDS)
            await self.tend()
