"""What speaks against a worker that lets deadlines pass, as values: each process has its own, no other's answers count.

Above: `fleet` asks for a sign of life when it is enough.  Below: nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.domain.ports import Link


class Suspicion(NamedTuple):
    """What speaks against one process.

    Attributes:
        link: whose.
        heard: when it last answered a call, monotonic seconds.
        expired: how many calls have met their deadline since.
    """

    link: Link
    heard: float
    expired: int


def after_deadline(before: Suspicion | None, link: Link) -> Suspicion:
    """Return what speaks against a process once one more of its calls met its deadline.

    Any answer between two deadlines, and a new process, begin anew.
    """
    if before is None or before.link is not link or before.heard != link.last_heard:
        return Suspicion(link, link.last_heard, 1)
    return before._replace(expired=before.expired + 1)
