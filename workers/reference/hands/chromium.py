"""Starts real Chromium processes through Playwright, with the arguments that SANDBOX_MODE asks for.

Mode none starts each browser without Chromium's own sandbox (`--no-sandbox`, `--disable-setuid-sandbox`); mode pool
starts it with the sandbox, that is without these two.  When this worker is root the browser gets an ordinary user's
rights in both modes.  Above it stand `browsers` and `pages`, below it Playwright and `unprivileged`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from workers.reference.hands import unprivileged
from workers.reference.hands.errors import HandError
from workers.reference.hands.processes import kill_browser, kill_driver
from workers.reference.hands.settings import BROWSER_USER, CHROMIUM, HandSettings

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
"""What the browser is called by Debian, by Ubuntu and by Google."""
UNSANDBOXED: Final = ("--no-sandbox", "--disable-setuid-sandbox")
"""What mode none adds."""

_START_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 2.0
_ALWAYS: Final = (
    "--disable-quic",  # it would not go through a proxy
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # likewise
    "--disable-gpu",
    "--dns-prefetch-disable",
)
# Whatever a browser does outside a page's own context goes to the discard port, that is nowhere.
_NOWHERE: Final = "http://127.0.0.1:9"
_NO_SANDBOX_MESSAGES: Final = ("No usable sandbox", "Failed to move to new namespace", "zygote_host_impl_linux")


class ChromiumBrowser:
    """One running browser."""

    def __init__(self, browser: Browser, mark: str) -> None:
        self.browser = browser
        self._mark = mark

    @property
    def alive(self) -> bool:
        """Whether it is still there, as far as is known."""
        return self.browser.is_connected()

    async def answers(self) -> bool:
        """Ask it for its version: one that was killed or hangs does not tell."""
        with anyio.move_on_after(_ANSWER_SECONDS):
            try:
                session = await self.browser.new_browser_cdp_session()
                await session.send("Browser.getVersion")
                await session.detach()
            except Exception:  # noqa: BLE001 - whatever Playwright says, it does not answer
                return False
            return self.alive
        return False

    async def close(self) -> None:
        """End it: by asking, and if that takes too long by killing it."""
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
            try:
                await self.browser.close()
            except Exception:  # noqa: BLE001 - whatever Playwright says, the process is what counts
                scope.cancel()
        if scope.cancel_called:
            kill_browser(self._mark)


class ChromiumLauncher:
    """Starts browsers; one Playwright driver serves them all."""

    def __init__(self, settings: HandSettings, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """Keep what is needed.

        Args:
            settings: which browser, and whose rights it gets.
            folder: a private folder for what is needed to start one; made at the first start.
            environ: this worker's own variables.
        """
        self._settings = settings
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._driver: Playwright | None = None
        self._starting = anyio.Lock()

    async def launch(self, *, sandboxed: bool) -> ChromiumBrowser:
        """Start a browser.

        Args:
            sandboxed: whether Chromium's own sandbox is on.

        Raises:
            HandError: there is no browser or no Playwright, or it does not start; the message says what to do.
        """
        # A start that is given up half-way would leave a browser that nobody knows of.
        async with self._starting:
            with anyio.CancelScope(shield=True):
                launched = await self._launched(sandboxed=sandboxed)
        return launched

    async def _launched(self, *, sandboxed: bool) -> ChromiumBrowser:
        executable = self._executable()
        mark = f"--switchover-browser={secrets.token_hex(8)}"
        driver = await self._drive()
        try:
            browser = await driver.chromium.launch(
                executable_path=executable,
                args=[*_ALWAYS, mark, *(() if sandboxed else UNSANDBOXED)],
                chromium_sandbox=sandboxed,
                env=self._environment(),
                proxy={"server": _NOWHERE},
                timeout=_START_SECONDS * 1000,
            )
        except Exception as error:  # noqa: BLE001 - Playwright raises several kinds; all mean the same here
            await self._forget_driver(str(error))
            raise HandError(start_trouble(str(error), sandboxed=sandboxed)) from None
        return ChromiumBrowser(browser, mark)

    async def aclose(self) -> None:
        """Stop the driver, and with it whatever browser is left; one that does not stop in time is killed."""
        driver, self._driver = self._driver, None
        if driver is None:
            return
        with anyio.CancelScope(shield=True):
            stopping = asyncio.ensure_future(driver.stop())
            await asyncio.wait({stopping}, timeout=_CLOSE_SECONDS)
            if not stopping.done():
                kill_driver()
            with anyio.move_on_after(_CLOSE_SECONDS):
                await stopping

    async def _drive(self) -> Playwright:
        """Return the driver, started if need be."""
        if self._driver is None:
            try:
                from playwright.async_api import async_playwright  # noqa: PLC0415 - a tenth of a second, rarely needed
            except ImportError:
                raise HandError(
                    "Playwright is not installed, so there is no browser; run: pip install 'switchover[reference]'"
                ) from None
            self._driver = await async_playwright().start()
        return self._driver

    async def _forget_driver(self, message: str) -> None:
        """Give a driver up that is gone, so that the next start gets a new one."""
        if "onnection closed" in message or "has been closed" in message:
            self._driver = None

    def _executable(self) -> str:
        """Return what to start: the browser itself, or as root the program that becomes it with less rights."""
        found = executable(self._settings.chromium, self._environ.get("PATH"))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return found
        _require_user(self._settings.browser_user)
        words = [sys.executable, "-I", "-S", unprivileged.__file__, self._settings.browser_user, found]
        start = self._folder / "chromium"
        fresh = start.with_suffix(f".{os.getpid()}")
        fresh.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        fresh.chmod(0o700)
        fresh.replace(start)
        return str(start)

    def _environment(self) -> dict[str, str | float | bool]:
        """Return all variables that a browser sees: nothing of the worker's but the marks the daemon looks for."""
        marks = {name: value for name, value in self._environ.items() if name.startswith("SWITCHOVER_")}
        return {**marks, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self._folder)}


def executable(given: str | None, path: str | None) -> str:
    """Find the browser.

    Args:
        given: what the operator named, None to look for it.
        path: the folders to look in.

    Raises:
        HandError: there is none.
    """
    for name in (given,) if given else NAMES:
        if found := shutil.which(name, path=path):
            return str(Path(found).absolute())
    if given:
        raise HandError(f"{CHROMIUM} is {given!r}, which is no program that can be started; name Chromium's path")
    raise HandError(
        f"no browser is installed (looked for {', '.join(NAMES)}); on Debian run: apt-get install chromium, "
        f"or set {CHROMIUM} to its path"
    )


def start_trouble(message: str, *, sandboxed: bool) -> str:
    """Say why a browser did not start, from what Playwright said."""
    if sandboxed and any(known in message for known in _NO_SANDBOX_MESSAGES):
        return (
            "Chromium cannot sandbox itself here: this machine or container does not let ordinary users make user "
            "namespaces (look at user.max_user_namespaces, kernel.unprivileged_userns_clone and AppArmor); allow them, "
            "or keep SANDBOX_MODE at none"
        )
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return f"the browser did not start: {lines[0] if lines else 'no reason given'}"


def _require_user(name: str) -> None:
    """Refuse a user who does not exist, or is root."""
    try:
        if pwd.getpwnam(name).pw_uid != 0:
            return
    except KeyError:
        pass
    raise HandError(f"the browser may not run as {name!r}; set {BROWSER_USER} to an ordinary user, as in nobody")
