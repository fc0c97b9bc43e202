"""The clock "clean since": how long two states have been the same without a break.  Pure.

It runs from the first time they were found the same, and any difference, and any call of which nobody knows what it
changed, stops it.  Above: `orchestrator.paritying` keeps it on the disk.  Below: `values`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from orchestrator.parity.values import Difference

NEVER: Final = -1
"""Stands for a call after which the states were the same, when they never were."""


class Parting(msgspec.Struct, frozen=True):
    """Where two states parted.

    Attributes:
        at: when that was found, Unix seconds.
        call: number of the last write call both had done by then.
        after: number of the last one after which they had been the same, the first bad one is between; `NEVER`.
        tool: the tool of `call`.
        differences: how they differ.
    """

    at: float
    call: int
    after: int
    tool: str
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        """Name the call."""
        if self.after < 0:
            done = f"after call {self.call}" if self.call else "before any call"
            return f"they differed at the first look already, {done}"
        if self.call == self.after:
            return f"they differ without a call, after call {self.call}"
        if self.call == self.after + 1:
            return f"they parted with call {self.call} ({self.tool})"
        return f"they parted with one of the calls {self.after + 1} to {self.call} (the last one: {self.tool})"


class Clean(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of two states.

    Attributes:
        since: since when they have been the same, Unix seconds; None when they are not, or nobody knows.
        same: number of the last call after which they were the same, `NEVER` where they were not yet.
        reason: why the clock does not run, "" when it does.
        parting: the first difference since the states were copied.
        breaks: how often the clock was stopped.
        apart: whether the last comparison found a difference, and nothing since left that open.
    """

    since: float | None = None
    same: int = NEVER
    reason: str = "not compared yet"
    parting: Parting | None = None
    breaks: int = 0
    apart: bool = False

    def equal(self, call: int, now: float) -> Clean:
        """They are the same after a call."""
        since = now if self.since is None else self.since
        return msgspec.structs.replace(self, since=since, same=call, reason="", apart=False)

    def parted(self, parting: Parting) -> Clean:
        """They are not."""
        if self.apart:
            return self  # they differ still
        first = self.parting if self.parting is not None else parting
        return msgspec.structs.replace(
            self, since=None, reason=str(parting), parting=first, breaks=self._breaks, apart=True
        )

    def unknown(self, reason: str) -> Clean:
        """Nobody knows any more."""
        return msgspec.structs.replace(self, since=None, reason=reason, breaks=self._breaks, apart=False)

    @property
    def _breaks(self) -> int:
        return self.breaks + (self.since is not None)

    def seconds(self, now: float) -> float:
        """Return for how long they have been the same, 0 when they are not."""
        return 0.0 if self.since is None else max(0.0, now - self.since)
