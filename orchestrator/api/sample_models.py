"""What is said over `/v1/samples`.

Above: `samples`, and `orchestrator.sampling` who fills them.  Below: `models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from orchestrator.api.models import Body, number
from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.plans.limits import MEASURED
from orchestrator.domain.routing import Lane


def rate_trouble(metric: str, value: float) -> str:
    """Return what is wrong with a value of a rate, "" when nothing is."""
    if 0 <= value <= 1:
        return ""
    return f"{metric} is a rate, and {value:g} is none: give a number from 0 to 1 (1 for what failed)"


class Posted(Body):
    """One number that somebody measured."""

    model_config = ConfigDict(frozen=True)

    metric: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$", description="its name, as a plan's limits have it")
    value: Annotated[float, number("give one as JSON writes it, such as 0.5")] = Field(
        allow_inf_nan=False, description="a finite number; of a rate from 0 to 1"
    )
    generation: int | None = Field(default=None, ge=1, description="whose it is")
    lane: Lane | None = Field(default=None, description="or which lane's")
    key: str = Field(default="", max_length=256, description="or which assignment key's")
    at: float | None = Field(default=None, allow_inf_nan=False, description="Unix seconds, within the last hour")
    tool: str = Field(default="", max_length=128, description="the tool it is about")

    @field_validator("value")
    @classmethod
    def _in_range(cls, value: float, info: ValidationInfo) -> float:
        """Refuse what a rate that the daemon measures, too, cannot be."""
        metric = info.data.get("metric", "")
        if MEASURED.get(metric) is Kind.RATE and (trouble := rate_trouble(metric, value)):
            raise ValueError(trouble)
        return value


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
