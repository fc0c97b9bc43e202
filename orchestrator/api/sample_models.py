"""What is said over `/v1/samples`.

Above: `samples`, and `orchestrator.sampling` who fills them.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.routing import Lane


class Posted(BaseModel):
    """One number that somebody measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$", description="its name, as a plan's limits have it")
    value: float = Field(allow_inf_nan=False, description="a finite number")
    generation: int | None = Field(default=None, ge=1, description="whose it is")
    lane: Lane | None = Field(default=None, description="or which lane's")
    key: str = Field(default="", max_length=256, description="or which assignment key's")
    at: float | None = Field(default=None, allow_inf_nan=False, description="Unix seconds, within the last hour")
    tool: str = Field(default="", max_length=128, description="the tool it is about")


class Taken(BaseModel):
    """What became of posted numbers."""

    taken: int = Field(description="how many")
    left_out: list[str] = Field(description="the others: their place in the list, from 0, and why")


class GenerationKept(BaseModel):
    """What the stored samples of one generation say together."""

    generation: int = Field(description="its number")
    calls: int = Field(description="calls whose sample is stored")
    failed: int = Field(description="of these: failed, lost or expired")
    p50_ms: float | None = Field(description="median duration")
    p95_ms: float | None = Field(description="duration that 95 % of the calls stay within")
    tokens: float | None = Field(description="mean of the tokens that calls reported")
    memory_bytes: float | None = Field(description="memory of its processes at the last look")


class Kept(BaseModel):
    """What is stored, and what is not."""

    generations: list[GenerationKept]
    stored: int = Field(description="samples written since the daemon started")
    passed: int = Field(description="not written on purpose: nothing was on trial")
    dropped: int = Field(description="lost: too many at once, or the file could not be written")
    rejected: int = Field(description="metrics of workers that were no finite numbers, or too many")
    trouble: str | None = Field(description="what is wrong with the file")

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]], **counted: Any) -> Self:
        """Return it from a summary's rows, in the order of `GenerationKept`."""
        names = tuple(GenerationKept.model_fields)
        return cls(generations=[GenerationKept(**dict(zip(names, row, strict=True))) for row in rows], **counted)
