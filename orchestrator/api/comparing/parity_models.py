"""What is said about state parity over `/v1/parity`.  Without FastAPI: the daemon starts without waiting for it.

Above: `parity` serves it, `orchestrator.paritying` answers with it.  Below: pydantic.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from orchestrator.api.models import Absolute, Asking, Command, Text


class ParityBody(Asking):
    """Follow the writes from now on."""

    command: Command = Field(
        default_factory=list, description="program and arguments of the new code; the canary's when there are none"
    )
    cwd: Absolute | None = Field(None, description="absolute working directory; the daemon's own by default")
    env: dict[Text, Text] = Field(default_factory=dict, description="variables on top of the daemon's own")


class DifferenceShown(BaseModel):
    """One difference of the two states."""

    place: str
    kind: str
    old: str
    new: str


class PartingShown(BaseModel):
    """The first time the two states were not the same."""

    at: float
    after: int = Field(description="number of the last call after which they were the same")
    call: int = Field(description="number of the last call both had done when they were not")
    tool: str
    where: str
    differences: list[DifferenceShown]


class ParityStatus(BaseModel):
    """How the state that new code writes stands beside the one in service."""

    on: bool
    running: bool = Field(description="whether write calls are being followed now")
    command: list[str]
    clean_seconds: float = Field(description="for how long the states have been the same without a break")
    clean_since: float | None
    reason: str = Field(description='why the clock does not run, "" when it does')
    copied_at: float | None
    calls: int = Field(description="write calls since it began")
    compared_after: int | None = Field(
        description="number of the last call after which the states were the same; null where they never were"
    )
    breaks: int = Field(description="how often the clock was stopped")
    parting: PartingShown | None
    held: str = Field(description="what holds the new code to its copy")


class ParityDone(BaseModel):
    """What was done."""

    message: str
