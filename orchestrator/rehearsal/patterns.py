"""Matches a pattern that somebody else wrote, in a time that is bounded: some take longer than the universe has.

Above: `least`.  Below: nothing.  The time is one of computing, heard as a signal by the main thread, where rehearsals
propose their suites; the standard library's matching lets signals through.
"""

from __future__ import annotations

import re
import signal
from typing import Final, NoReturn

SECONDS: Final = 0.1
"""Of computing, that one pattern may take with one text: a hundred thousand times what an ordinary one does."""


class TooLongError(Exception):
    """Matching a pattern takes too long."""


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern is found in a text; a pattern that is none is found nowhere.

    Raises:
        TooLongError: that takes too long.
    """
    before = signal.signal(signal.SIGVTALRM, _over)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        return re.search(pattern, text) is not None
    except (re.error, RecursionError, OverflowError, MemoryError):
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _over(_number: int, _frame: object) -> NoReturn:
    raise TooLongError
