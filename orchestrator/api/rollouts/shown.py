"""How a rollout is shown over `/v1/rollout`.  Without FastAPI, so that the daemon starts without waiting for it.

Above: `rollout` serves it, `report` makes it, the verbs read it.  Below: pydantic.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class CauseShown(BaseModel):
    """Why something was done."""

    what: str
    words: str
    by: str
    at: float = Field(description="Unix seconds")
    metric: str = ""
    flag: str = ""
    step: str = ""


class PausedShown(BaseModel):
    """A stopped clock."""

    cause: CauseShown
    left: float | None = Field(description="seconds of the part that were left, null when it had no end")
    over: bool = Field(description="going on means to go on to the next part")


class HoldShown(BaseModel):
    """What the hold that it waits at was answered last."""

    answer: str = Field(description="why the command, the webhook or the comparison of states did not agree")
    at: float
    asked: int = Field(description="how often so far")
    words: str = Field(description="all of it in a sentence")


class ArmShown(BaseModel):
    """One side of a comparison."""

    samples: int
    units: int
    figure: float | None


class LimitShown(BaseModel):
    """What one limit says."""

    limit: str
    metric: str
    judge: str
    verdict: str
    trial: ArmShown
    baseline: ArmShown
    evidence: float = Field(description="e-value against `no worse`, 0 where a threshold judges")
    needed: float = Field(description="e-value at which it is a regression")
    within: float
    more: int | None = Field(description="about how many of `noun` are missing on trial to an answer")
    unit: str = Field("", description="of its metric, where the plan declares one")
    noun: str = Field("call", description="what its metric comes with: `call`, or `sample` where others measure it")
    doubtful: bool
    note: str
    applies: bool
    words: str = Field(description="all of it in a sentence")


class LookShown(BaseModel):
    """One look at the evidence."""

    epoch: str
    number: int
    at: float
    verdict: str
    trial: int = Field(description="calls on trial since the epoch began")
    baseline: int
    limits: list[LimitShown]
    doubtful: bool
    cause: str
    otherwise: str = Field(description="what would have flipped the verdict")
    disagreement: float | None


class StageShown(BaseModel):
    """One flag's stage."""

    flag: str
    to: Any
    soak: float = Field(description="seconds")
    state: str = Field(description="to_come, waiting, half, whole, moved, skipped, reset or theirs")
    cause: str = Field("", description="why it went wrong, if it did")


class RolloutShown(BaseModel):
    """One rollout."""

    id: str
    plan: str
    description: str
    actor: str
    reason: str
    phase: str
    part: str
    where: str = Field(description="what it is doing, or how it ended, in words")
    step: str = Field(description="such as `step 2 of 3 (25 %)`")
    step_number: int = Field(description="1, 2, ...; 0 outside the plan's steps")
    steps: int
    over: bool
    asked: float
    entered: float = Field(description="when the part began, Unix seconds; so are all moments")
    due: float | None
    left: float | None = Field(description="seconds until the part is over, null when somebody decides that")
    deadline_left: float | None = Field(description="seconds until the plan's deadline")
    frozen: bool
    waiting: bool = Field(description="its time is over and it waits for data")
    baseline: int
    candidate: int | None
    command: list[str] | None
    fingerprint: str
    weight: int = Field(description="percent of keys that are to go to the version on trial")
    weight_actual: float | None = Field(description="percent of the calls that went there since the part began")
    calls: int = Field(description="calls routed since the part began")
    rehearsal: str = Field("", description="how far its rehearsal is, in words; empty while none runs")
    unanswered: list[str] = Field([], description="queries of its plan that Prometheus gave nothing for last, and why")
    hold: HoldShown | None = Field(None, description="null unless it waits at a hold that was asked already")
    paused: PausedShown | None
    cause: CauseShown | None
    look: LookShown | None
    flags: list[StageShown]
    quarantined: bool


class QuarantinedShown(BaseModel):
    """A version that was judged bad."""

    fingerprint: str
    rollout: str = Field(description="by which rollout, empty when by hand")
    cause: CauseShown


class HappenedShown(BaseModel):
    """Something that happened, in words."""

    n: int = Field(description="increases with time, also over a restart")
    at: float
    actor: str
    reason: str
    rollout: str
    revision: int
    words: list[str]


class RolloutNow(BaseModel):
    """The rollout under way, or the last one."""

    rollout: RolloutShown | None
    now: float = Field(description="the daemon's steady clock, Unix seconds")
    quarantine: list[QuarantinedShown]
    events: list[HappenedShown] = Field(description="what happened lately, oldest first")
    trouble: str | None


class HistoryPage(BaseModel):
    """What happened, newest first."""

    steps: list[HappenedShown]
    before: int | None = Field(description="ask for older ones with this, null at the end")


class LooksPage(BaseModel):
    """Looks, newest first."""

    looks: list[LookShown]
    before: int | None = Field(description="ask for older ones with this, null at the end")


class Explained(BaseModel):
    """Why a rollout ended, or stands where it does."""

    id: str
    lines: list[str]
    rollout: RolloutShown


class Guide(BaseModel):
    """What a plan does, and which commands carry it out."""

    plan: str
    lines: list[str]


class Drilled(BaseModel):
    """A rollback that was rehearsed on live routing."""

    message: str
    left: int = Field(description="the generation traffic was taken from")
    refuge: int = Field(description="the generation it went to")
    milliseconds: float = Field(description="from the request to the last call that was routed to the one it left")
    calls_meanwhile: int = Field(description="calls routed elsewhere while it lasted")
    stray_calls: int = Field(description="calls routed to it after that; always 0 in health")
    in_flight: int = Field(description="calls that were still being answered there at the move")
