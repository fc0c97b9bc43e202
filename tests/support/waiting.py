"""Bounded waits for what has no event of its own, and the commands of the test workers.

Above: tests of every kind.  Below: nothing of the product.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

WORKERS = Path(__file__).parent.parent / "workers"
PATIENCE = 60.0
"""Seconds anything may take before the test fails."""
PAUSE = 0.02
"""Seconds between two looks."""

T = TypeVar("T")


async def eventually(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something to see, and return it."""
    async with asyncio.timeout(PATIENCE):
        while not (seen := look()):  # noqa: ASYNC110 - what happens in another process sets no event here
            await asyncio.sleep(PAUSE)
    return seen


def async_worker(version: str = "1") -> list[str]:
    """Return the command of the worker whose tools can be awaited."""
    return [sys.executable, str(WORKERS / "async_worker.py"), version]


def bad_worker(habit: str, *arguments: str) -> list[str]:
    """Return the command of a worker with a bad habit, such as `never-ready`."""
    return [sys.executable, "-S", str(WORKERS / "bad_worker.py"), habit, *arguments]


def alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
