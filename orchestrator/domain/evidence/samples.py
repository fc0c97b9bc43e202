"""Samples: what one call, one look at a process or one outside measurement tells about a version.

Everybody who watches a rollout reads these values: the guard judges them, the store keeps them, `simulate` replays
them.  A call counts from its acceptance and is told of once, at the earlier of its end and its deadline; a lost worker
is a failed call of its lane.  Above: the proxy and the patrol make them, the guard and the store take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from orchestrator.domain.routing import Lane

REPORTED: Final = "io.switchover/metrics"
"""Member of a result's `_meta` in which a worker reports numbers of its call."""


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    """The tool said `isError`, or the worker answered with a JSON-RPC error."""
    LOST = "lost"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its client took it back: no failure, but it had taken so long already."""


FAILED: Final = frozenset({Outcome.ERROR, Outcome.LOST, Outcome.EXPIRED})


class Origin(StrEnum):
    """Who measured."""

    CALL = "call"
    PROCESS = "process"
    POSTED = "posted"
    PROMETHEUS = "prometheus"


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured once.

    Attributes:
        at: when the call was accepted, or the measurement made; Unix seconds on the daemon's steady clock.
        generation: the version that was measured.
        lane: the lane it held.
        origin: who measured.
        tool: the tool called, "" when it was no call.
        key: the assignment key, "" when it was no call.
        treated: whether it had what is on trial (the canary, or a flag's new value); None when nothing is.
        share: probability with which it was to have it, 0 to 1.
        outcome: how the call ended; None when it was no call.
        duration: milliseconds from acceptance to the end; None when it was no call.
        metrics: what the worker reported with the call, or what was measured; finite numbers.
    """

    at: float
    generation: int
    lane: Lane
    origin: Origin = Origin.CALL
    tool: str = ""
    key: str = ""
    treated: bool | None = None
    share: float = 0.0
    outcome: Outcome | None = None
    duration: float | None = None
    metrics: Mapping[str, float] = {}

    def value(self, metric: str) -> float | None:
        """Return a metric's value: `error` is 1 for a failed call, `duration` is in ms; None when it has none."""
        if metric == "error":
            return None if self.outcome is None else float(self.outcome in FAILED)
        if metric == "duration":
            return self.duration
        return self.metrics.get(metric)


class Pair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One read-only call that both versions answered: the answer that was given, and the mirrored one.

    Attributes:
        at: when the call was accepted; Unix seconds on the daemon's steady clock.
        tool: the tool called.
        key: the assignment key.
        old: the sample of the version that is the baseline.
        new: the sample of the version on trial.
        classes: the difference classes found, without doubles; empty when the answers are alike.
        decisions: which decisions of the two differ: `agent`, `steps`, `tools`, `dry_run`.
    """

    at: float
    tool: str
    key: str
    old: Sample
    new: Sample
    classes: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class SampleSink(Protocol):
    """Who is told of every sample, on the loop, as it is made; must not block and must not raise."""

    def sample(self, sample: Sample) -> None:
        """Take one in."""
        ...

    def pair(self, pair: Pair) -> None:
        """Take one in."""
        ...
