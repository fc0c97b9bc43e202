"""Which sessions' own workers may be parked: stopped while their client is idle, and started again by its next call.

A parked session loses what its worker kept in memory, so that parking is asked for (`worker.session_idle`).  A session
is not parked while something of it lives in the process and cannot be told to the next one, or would be missed:

* a call without an answer, also one that waits for its worker;
* a question of the worker's that the client has not answered;
* a task whose outcome was not fetched, for as long as it is kept;
* a subscription to a resource, of which a parked worker could tell no news;
* something the daemon itself has asked the worker, such as its lists.

Pure.  Above: `others` parks.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 5.0
"""Seconds between two looks at the longest, so that a setting that was reloaded holds soon."""
SHORTEST = 0.05
"""Seconds between two looks at the shortest."""


class Standing(NamedTuple):
    """How long a session's workers have had nothing to do.

    Attributes:
        session: its id.
        since: when the last call was answered, or the newest worker was ready, whichever is later; monotonic seconds.
        held: what keeps it from being parked, "" when nothing does.
    """

    session: str
    since: float
    held: str = ""


def due(standings: Iterable[Standing], now: float, idle: float | None) -> tuple[list[str], float]:
    """Decide who is parked now.

    Args:
        standings: the sessions that have workers of their own.
        now: monotonic seconds.
        idle: seconds after which an idle session is parked; None or 0 for never.

    Returns:
        The ids of the sessions to park, longest idle first, and in how many seconds to look again.
    """
    if not idle:
        return [], LONGEST
    free = sorted((one for one in standings if not one.held), key=lambda one: one.since)
    ripe = [one.session for one in free if now - one.since >= idle]
    left = [one.since + idle - now for one in free[len(ripe) :]]
    return ripe, min(LONGEST, max(SHORTEST, min([*left, idle])))
