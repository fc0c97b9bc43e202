"""structlog alone, without what it takes along where that happens to be installed.

Above: `logging`, the only one that uses it.  Below: structlog.  It brings rich, for coloured tracebacks, and greenlet,
for the context of greenlets, as soon as it finds them, as it does beside the MCP SDK or Playwright.  Our lines need
neither: `log_line` words them and `render` colours them.  Together the two cost a daemon 6 MB and a tenth of its start.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _as_if_absent(*names: str) -> Iterator[None]:
    """Have an import of these packages fail while inside, unless they are there already."""
    barred = [name for name in names if name not in sys.modules]
    for name in barred:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python marks a name that cannot be imported
    try:
        yield
    finally:
        for name in barred:
            del sys.modules[name]


with _as_if_absent("rich", "greenlet"):
    import structlog

__all__ = ["structlog"]
