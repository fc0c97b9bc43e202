"""How much may wait for a tool's noise to be known: a share of what the mirror may keep, so that others are compared.

A tool whose noise is never learned (it is called twice a day, or its second answers are lost) would else hold the queue
for good.  Above: `judging`.  Below: `messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.mirroring.messages import Job

OF_A_TOOL = 64
"""Pairs of one tool that may wait."""
SHARE = 4
"""One part in so many of the mirror's own bounds is for all that waits together."""


@dataclass(slots=True)
class Room:
    """What is free.

    Attributes:
        pairs: that may still wait, of all tools together.
        size: bytes of them.
    """

    pairs: int
    size: int

    def take(self, waiting: list[Job], job: Job) -> bool:
        """Have a pair wait behind others of its tool; False when there is no room."""
        size = _size(job)
        if len(waiting) >= OF_A_TOOL or self.pairs < 1 or self.size < size:
            return False
        waiting.append(job)
        self.pairs -= 1
        self.size -= size
        return True

    def clear(self, waiting: list[Job]) -> list[Job]:
        """Take a tool's pairs out; they wait no more."""
        out = waiting.copy()
        waiting.clear()
        self.pairs += len(out)
        self.size += sum(map(_size, out))
        return out


def share_of(pairs: int, size: int) -> tuple[int, int]:
    """Return how many pairs, and bytes of them, may wait where the mirror may keep `pairs` and `size`."""
    return max(1, pairs // SHARE), max(1, size // SHARE)


def _size(job: Job) -> int:
    return len(job.old) + len(job.new) + len(job.control)
