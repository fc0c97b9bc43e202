"""What is said about mirroring over `/v1/mirror`.  Without FastAPI, so that the daemon starts without waiting for it.

Above: `mirror` serves it, `orchestrator.mirroring` answers with it.  Below: pydantic.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from orchestrator.api.models import Asking


class MirrorBody(Asking):
    """Turn mirroring on or off."""

    on: bool
    to: Literal["canary", "previous"] = "canary"
    share: float = Field(100.0, ge=0, le=100, allow_inf_nan=False, description="percent of the calls that only read")


class ToolMirrored(BaseModel):
    """What mirroring one tool gave."""

    tool: str
    learned_from: int = Field(description="answers the tool's noise is known from, 0 while it is not")
    results: dict[str, int] = Field(description="pairs by the gravest class of difference, or equal")
    decisions: dict[str, int] = Field(description="pairs by the decision that differs")


class DecisionsShown(BaseModel):
    """Pairs by the agents that were chosen, and whether any decision differs."""

    agent_old: str
    agent_new: str
    changed: bool
    pairs: int


class MirrorStatus(BaseModel):
    """How mirroring stands; the counts are of the two generations that are compared, or were last."""

    on: bool
    to: str | None = Field(description="the lane that is asked as well")
    generation: int | None = Field(description="who holds it")
    share: float
    silent: str = Field(description='why nothing is mirrored now, "" when it is')
    sampled: int = Field(description="calls chosen")
    queued: int = Field(description="that wait to be mirrored")
    in_flight: int = Field(description="mirrored calls without an answer")
    comparing: int = Field(description="pairs that wait to be compared")
    learning: int = Field(description="of these, pairs that wait until their tool's noise is known")
    compared: int
    repeated: int = Field(description="calls asked twice of the older version, to learn its noise")
    dropped: dict[str, int] = Field(description="calls not compared, by reason")
    not_read_only: list[str] = Field(description="tools that say readOnlyHint in service but not at the target")
    tools: list[ToolMirrored]
    decisions: list[DecisionsShown]


class MirrorDone(BaseModel):
    """What was done."""

    message: str
