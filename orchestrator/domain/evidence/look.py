"""A look at the evidence: what each limit says, what all say together, and what would have changed it.

A look is a value that is journalled, shown and replayed as it is; nobody judges twice.  Above: the guard makes looks,
the rollout machine acts on them, `why` tells of them.  Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What evidence says."""

    REGRESSION = "regression"
    """The version on trial is worse than a limit allows."""
    WITHIN_MARGIN = "within_margin"
    """Every limit that can be certified is; it may go on early."""
    NOT_YET = "not_yet"
    """Judged, and neither."""
    NO_DATA = "no_data"
    """Some limit has fewer samples than it needs, in one arm or both."""
    BROKEN_TELEMETRY = "broken_telemetry"
    """Samples arrive that cannot be believed: a metric stopped while calls go on, no number, outside its range."""


GRAVITY = (
    Verdict.REGRESSION,
    Verdict.BROKEN_TELEMETRY,
    Verdict.NO_DATA,
    Verdict.NOT_YET,
    Verdict.WITHIN_MARGIN,
)
"""Which one speaks for all limits: the first that any of them has."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison.

    Attributes:
        samples: how many values there are.
        units: how many of them were bet on (keys, or calls of tools that are assigned call by call).
        figure: the statistic that the limit speaks of, in the metric's unit; None without samples.
    """

    samples: int = 0
    units: int = 0
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class LimitLook:
    """What one limit says.

    Attributes:
        limit: the limit in words, such as `error worse by 0.05`.
        metric: whose it is.
        judge: `sequential` or `threshold`.
        verdict: what it says.
        trial: the side of what is on trial.
        baseline: the other side; empty where the limit compares with nothing.
        evidence: the e-value against "no worse" (sequential), or 0.
        needed: the e-value at which it would be a regression, or 0.
        within: the e-value for "within the margin", or 0.
        more: about how many calls or samples on trial are missing to an answer, None when that cannot be said.
        doubtful: what is seen lies beyond the limit, though not for sure.
        note: what a person should know: no guarantee, why there is no data, how often confirmed.
        applies: whether it has a say here: not where nothing can be compared, or nobody reports the metric.
        unit: of its metric, where the plan declares one.
        noun: what its metric comes with, of which `more` are missing: `call`, or `sample` where others measure it.
    """

    limit: str
    metric: str
    judge: str
    verdict: Verdict
    trial: Arm = Arm()
    baseline: Arm = Arm()
    evidence: float = 0.0
    needed: float = 0.0
    within: float = 0.0
    more: int | None = None
    doubtful: bool = False
    note: str = ""
    applies: bool = True
    unit: str = ""
    noun: str = "call"


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one epoch at one moment.

    Attributes:
        epoch: which epoch, `Watch.epoch`.
        number: 1, 2, ... in the epoch.
        at: Unix seconds on the daemon's steady clock.
        verdict: what all limits say together.
        trial: calls on trial since the epoch began.
        baseline: calls of the other side.
        limits: what each says.
        doubtful: some limit is.
        cause: one sentence on the limit that was exceeded, "" when none is.
        otherwise: what would have flipped the verdict, in words, "" when nothing sensible would.
        disagreement: share of mirrored calls whose answers differ, None without mirroring.
    """

    epoch: str
    number: int
    at: float
    verdict: Verdict
    trial: int = 0
    baseline: int = 0
    limits: tuple[LimitLook, ...] = ()
    doubtful: bool = False
    cause: str = ""
    otherwise: str = ""
    disagreement: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What the guard is to watch: one epoch.  Idempotent: asked for again, it goes on with what it has.

    Attributes:
        epoch: its name, unique for the rollout's life, such as `r-20261121-1/steps/2/1`.
        rollout: the rollout's id.
        part: `steps`, `bake`, `flags` or `retreat`.
        index: which one of these, from 0.
        alpha: how probable a mistake this epoch may make.
        share: probability with which a key has what is on trial, 0 to 1; 0 or 1: only pairs can be compared.
        weight: the canary's weight, percent, for limits that are tighter above one.
        trial: the generation on trial.
        baseline: the generation it is compared with; the same as `trial` in a flag stage.
        flag: the flag on trial in a flag stage, "" otherwise.
        judged: whether looks are taken at all (a step may be without analysis; then figures are only gathered).
    """

    epoch: str
    rollout: str
    part: str
    index: int
    alpha: float
    share: float
    weight: int
    trial: int
    baseline: int
    flag: str = ""
    judged: bool = True
