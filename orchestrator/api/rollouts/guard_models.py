"""What the guard API takes and says, in the words of those who wrote against a canary planner's guard.

`v1` is the version that serves, `v2` the one on trial.  Above: `guard`.  Below: pydantic.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool

from orchestrator.api.models import Asking, Body, number
from orchestrator.api.rollouts.shown import LimitShown


def _percentage(weight: float) -> float:
    if not 0 <= weight <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"{weight:g} is not a percentage: give a whole number from 0 to 100")
    if weight != int(weight):
        raise ValueError(f"a weight is a whole number of percent, and {weight:g} is none")
    return weight


Percentage = Annotated[
    float,
    Field(allow_inf_nan=False),
    number("give a whole number from 0 to 100"),
    AfterValidator(_percentage),
]


class GuardConfig(Body):
    """Change the canary's share, the kill switch, or both."""

    canary_pct: Percentage | None = Field(None, description="percent of assignment keys on the canary, 0 to 100")
    kill_switch: StrictBool | None = Field(None, description="true: all traffic to previous if warm, else to active")
    updated_by: str = Field("", description="who asks, for the audit", max_length=200)
    reason: str = Field("", description="why, for the audit", max_length=1000)


class GuardRollback(Asking):
    """Go back, and let nothing begin until the kill switch is lifted."""

    updated_by: str = Field("", description="who asks, for the audit", max_length=200)


class ConfigNow(BaseModel):
    """What is in force."""

    canary_pct: float
    kill_switch: bool
    paused: bool = Field(description="whether the rollout's clock is stopped")
    revision: int


class VersionStats(BaseModel):
    """One version's figures since the present part of the rollout began."""

    generation: int | None
    samples: int = Field(description="calls that were judged")
    metrics: dict[str, float] = Field(description="by metric, in its unit; of a percentile such as `duration p95`")


class Evaluation(BaseModel):
    """What the evidence says."""

    action: str = Field(description="`rollback` or `paused` after a regression, else `none`")
    verdict: str = Field(description="regression, within_margin, not_yet, no_data, broken_telemetry or not_watching")
    breaches: list[str] = Field(description="each limit that is exceeded, in words")
    samples: int = Field(description="calls on trial")
    looked_at: float | None = Field(description="Unix seconds of the look")
    otherwise: str = Field("", description="what would have flipped the verdict")
    message: str


class Threshold(BaseModel):
    """One limit."""

    limit: str = Field(description="all of it in words")
    metric: str
    bound: str = Field(description="margin, relative (a share), most or least")
    value: float = Field(description="in the metric's unit")
    statistic: str = Field(description="mean, p50, p95 or p99; of which figure most and least speak")
    min_samples: int
    judge: str


class GuardStatus(BaseModel):
    """Everything the guard knows; asking changes nothing."""

    config: ConfigNow
    stats: dict[str, VersionStats] = Field(description="v1: the version that serves, v2: the one on trial")
    evaluation: Evaluation
    thresholds: list[Threshold]
    limits: list[LimitShown] = Field(description="what each limit said at the last look")


class GuardChanged(BaseModel):
    """What was changed."""

    message: str
    config: ConfigNow


class GuardHealth(BaseModel):
    """Whether the guard is at work."""

    status: str = Field(description="ok, or degraded")
    watching: str | None = Field(description="the epoch under watch")
    trouble: str | None
