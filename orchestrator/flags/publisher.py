"""The pages: one for the live flags, one for each pinned view, all with a heartbeat.

Above: `service` publishes.  Below: the kit's `PageWriter` and the file system.  A page that cannot be written is said
and tried again with the next publication: its readers serve safe values meanwhile, the daemon goes on.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from switchover_kit.page import PageError, PageReader, PageWriter

from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

LIVE: Final = "live"
"""The view of the live flags, the one `SWITCHOVER_FLAGS` names for serving workers."""
PUSH: Final = ".sock"
"""What a view's push socket is called after its page."""


class Publisher:
    """Writes pages in one directory.

    Attributes:
        folder: where the pages are.
        trouble: why the live page cannot be written, None when it can.
    """

    def __init__(self, folder: Path) -> None:
        """Publish in `folder`, which is made when it is missing."""
        self.folder = folder
        self.trouble: str | None = None
        self._pages: dict[str, PageWriter] = {}

    def seen_before(self) -> int:
        """Return the flags version that readers of an earlier daemon's page have seen, 0 when there is none."""
        try:
            return PageReader.open(self.path(LIVE)).read().version
        except PageError:
            return 0

    def sweep(self) -> None:
        """Remove the pinned views that a killed daemon left."""
        with contextlib.suppress(OSError):  # a directory that is none, or cannot be made, is said when publishing
            for leftover in self.folder.iterdir():
                if leftover.name != LIVE and not leftover.is_dir():
                    leftover.unlink(missing_ok=True)

    def path(self, view: str) -> Path:
        """Return where a view's page is."""
        return self.folder / view

    def publish(self, view: str, version: int, payload: bytes) -> Path:
        """Make this the content of a view's page, which its readers see with their next read; return the page's path.

        Raises:
            OSError: a pinned view's page cannot be made; the live one's trouble is only said.
            PageError: likewise.
        """
        try:
            page = self._pages.get(view)
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if page is None:
                self._pages[view] = PageWriter.create(self.path(view), payload, version=version)
            else:
                page.keep()
                page.publish(version, payload)
        except (OSError, PageError) as error:
            if view != LIVE:
                raise
            self.trouble = f"the flags page cannot be written, workers serve old or safe values: {error}"
            log.error("flags page not written", path=str(self.path(view)), version=version, reason=str(error))  # noqa: TRY400
        else:
            if view == LIVE and self.trouble is not None:
                log.info("flags page written again", version=version)
                self.trouble = None
        return self.path(view)

    def withdraw(self, view: str) -> bool:
        """Close a view's page and remove it; return whether there was one."""
        page = self._pages.pop(view, None)
        if page is None:
            return False
        page.close()
        self.path(view).unlink(missing_ok=True)
        return True

    @property
    def views(self) -> list[str]:
        """The views that have a page."""
        return list(self._pages)

    def beat(self) -> None:
        """Say on every page that the daemon is alive; one that somebody removed is made anew."""
        for view, page in self._pages.items():
            page.beat()
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if page.keep():
                    log.warning("flags page was removed by somebody and is made anew", path=str(self.path(view)))
            except (OSError, PageError) as error:
                why = f"the flags page was removed and cannot be made anew, new workers serve safe values: {error}"
                self.trouble = why if view == LIVE else self.trouble

    def close(self) -> None:
        """Say on every page that the daemon stops in good order: readers serve safe values from now on."""
        for view in self.views:
            if view == LIVE:  # it stays, so that who opens it later is told, and the next daemon sees its version
                self._pages.pop(view).close()
            else:
                self.withdraw(view)
