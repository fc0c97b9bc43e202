"""Which browser processes this worker has, as /proc shows them.

Above it stands `browsers`, below it the kernel.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DRIVER: Final = "run-driver"
_NAMES: Final = frozenset({"chromium", "chromium-browser", "chrome", "google-chrome"})


@dataclass(frozen=True, slots=True)
class BrowserProcess:
    """One process of a browser.

    Attributes:
        pid: its number.
        words: its command line.
    """

    pid: int
    words: tuple[str, ...]

    @property
    def is_main(self) -> bool:
        """Whether it is a browser's first process; all others have a type."""
        return not any(word.startswith("--type=") for word in self.words)


def browser_processes(root: int | None = None) -> list[BrowserProcess]:
    """Return all browser processes below `root`, which is this worker when nothing is said."""
    found = (BrowserProcess(pid, _words(pid)) for pid in _descendants(os.getpid() if root is None else root))
    return [process for process in found if process.words and Path(process.words[0]).name in _NAMES]


def kill_driver() -> None:
    """Kill Playwright's driver, by the word that Playwright starts it with."""
    for pid in _descendants(os.getpid()):
        if _DRIVER in _words(pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _descendants(root: int) -> list[int]:
    """Return all processes below one."""
    below: dict[int, list[int]] = defaultdict(list)
    for pid in _all():
        with suppress(OSError, IndexError, ValueError):
            # The name in parentheses may hold anything, the parent comes two fields behind it (proc(5)).
            below[int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])].append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        children = below.pop(waiting.pop(), [])
        waiting += children
        found += children
    return found


def kill_browser(mark: str) -> None:
    """Kill the browser whose command line holds the word `mark`."""
    for process in browser_processes():
        if process.is_main and mark in process.words:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)


def _all() -> Iterator[int]:
    """Yield the number of every process."""
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 - names are all we want


def _words(pid: int) -> tuple[str, ...]:
    """Return a process's command line, nothing for one that has just ended."""
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        # A process that renamed itself separates its words by spaces.
        return tuple(word for word in (line.split("\0") if "\0" in line.rstrip("\0") else line.split()) if word)
    return ()
