"""The rows of `samples.db`, and how many of them are kept.

Above stand `samples` and `memory_samples`; below is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class SampleRow(NamedTuple):
    """One sample, as `orchestrator.domain.evidence.samples` describes it; `metrics` is JSON text, `key` a digest."""

    at: float
    generation: int
    lane: str
    origin: str
    tool: str
    key: str
    treated: bool | None
    share: float
    outcome: str | None
    duration: float | None
    metrics: str
    rollout: str = ""


class PairRow(NamedTuple):
    """One call that two versions answered; `old`, `new`, `classes` and `decisions` are JSON text."""

    at: float
    tool: str
    key: str
    old: str
    new: str
    classes: str
    decisions: str
    rollout: str = ""


Row = SampleRow | PairRow


class LookRow(NamedTuple):
    """One look at the evidence; `look` is JSON text."""

    seq: int
    at: float
    epoch: str
    rollout: str
    verdict: str
    look: str


class SummaryRow(NamedTuple):
    """What the newest samples of a generation say together; durations in ms, None where nothing was measured."""

    generation: int
    calls: int
    failed: int
    p50: float | None
    p95: float | None
    tokens: float | None
    memory: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are wanted.

    Attributes:
        since: seconds since the Unix epoch, the first that counts.
        until: the first that does not.
        rollout: only those told while this one was under way; "" for all.
    """

    since: float = 0.0
    until: float = float("inf")
    rollout: str = ""


def rollout_of(epoch: str) -> str:
    """Return the rollout an epoch belongs to: what stands before its first slash."""
    return epoch.partition("/")[0]
