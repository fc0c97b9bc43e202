"""What the kit has to say to people, on stderr: a worker's lines there are logged, its stdout is the protocol's.

Below everything in the kit that follows a page.
"""

from __future__ import annotations

import sys
from contextlib import suppress


def say(sentence: str) -> None:
    """Write one line; nothing where the process has no stderr, or has closed it."""
    with suppress(OSError, ValueError, AttributeError):
        print(f"switchover_kit: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - this is where it is said
