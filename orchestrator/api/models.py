"""The control API's shapes: what is sent to a verb and what comes back."""

from __future__ import annotations

import json
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestrator.domain.words import is_text

SHOWN: Final = 60
"""Characters shown of a name that nobody knows."""
MANY: Final = 5
"""Such names that are told; who sent more has mistaken the whole body."""


class Body(BaseModel):
    """Base of all request bodies: unknown members are refused, and those that are known are told."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: object) -> object:
        unknown = [name for name in given if name not in cls.model_fields] if isinstance(given, dict) else []
        if unknown:
            named = ", ".join(json.dumps(str(name)[:SHOWN]) for name in unknown[:MANY])
            raise ValueError(f"there is no {named} here; there is: {', '.join(cls.model_fields)}")
        return given


class Asking(Body):
    """What every verb may say."""

    reason: str = Field("", description="why, for the audit", max_length=1000)


def _for_the_kernel(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    if not is_text(text):
        raise ValueError("it holds half of a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(_for_the_kernel)]


def _of_a_program(command: list[str]) -> list[str]:
    if command and not command[0]:
        raise ValueError("its first text is empty and should name a program")
    return command


Command = Annotated[list[Text], AfterValidator(_of_a_program)]
"""A program and its arguments."""


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("it is not an absolute path")
    return path


Absolute = Annotated[Text, AfterValidator(_absolute)]


def number(advice: str) -> BeforeValidator:
    """Return what refuses what JSON's other types would be taken for: `true` is no number, and "5" is none either.

    Args:
        advice: the end of the refusal: which number to give.
    """

    def checked(value: object) -> object:
        if isinstance(value, bool | str):
            raise ValueError(f"{json.dumps(value)} is no number: {advice}")  # noqa: TRY004 - pydantic's
        return value

    return BeforeValidator(checked)


class CanaryBody(Asking):
    """Start a canary."""

    command: Command = Field(min_length=1, description="program and arguments")
    cwd: Absolute | None = Field(None, description="absolute working directory; the daemon's own by default")
    env: dict[Text, Text] = Field(default_factory=dict, description="variables on top of the daemon's own")
    source: Absolute | None = Field(None, description="directory to copy into the generation's private copy")
    replace: bool = Field(default=False, description="retire the present canary for it")
    allow_breaking: bool = Field(
        default=False, description="take it also when clients of the active generation would miss something"
    )


class WeightBody(Asking):
    """Set the canary's weight."""

    weight: int = Field(description="percent of assignment keys, 0 to 100")


class KillSwitchBody(Asking):
    """Turn the kill switch."""

    on: bool = Field(description="true: all traffic to previous if warm, else to active")


class Done(BaseModel):
    """A verb that was done."""

    revision: int = Field(description="revision of the routing table now in force")
    message: str = Field(description="what was done, in words")


class Refused(BaseModel):
    """A verb that was refused, or failed."""

    reason: str = Field(description="why, in words")


class Healthy(BaseModel):
    """An answer of /healthz and /readyz."""

    status: str
    reason: str = ""


class GenerationStatus(BaseModel):
    """One generation as `status` shows it."""

    number: int
    lane: str | None = Field(description="active, canary, previous, or null while it is being started or drained")
    standing: str = Field(description="starting, ready or down")
    note: str = Field("", description="why it is down")
    command: list[str]
    cwd: str
    fingerprint: str
    fingerprint_changed: bool = Field(description="its files differ from when the generation was made")
    server: str = Field("", description="name and version the worker gave in its handshake")
    protocol: str = Field("", description="protocol version it negotiated")
    pid: int | None = None
    uptime: float | None = Field(None, description="seconds since it became ready")
    restarts: int = 0
    in_flight: int = 0
    calls: int = 0
    errors: int = 0
    lost: int = Field(0, description="calls answered worker_lost")
    expired: int = Field(0, description="calls answered deadline_exceeded")
    replayed: int = Field(0, description="calls sent once more after their worker died")
    own: int = Field(0, description="calls that rehearsals made of it while it serves, no client's")
    p50_ms: float | None = None
    p95_ms: float | None = None
    others: int = Field(0, description="its further workers: for the other era of MCP, or for single sessions")
    processes: int = Field(0, description="processes of all its workers' trees")
    memory_bytes: int = Field(0, description="resident memory of them all")
    cpu_seconds: float = Field(0.0, description="processor time of them all")


class SwitchStatus(BaseModel):
    """The last movement of all traffic since the daemon started."""

    at: float = Field(description="Unix seconds")
    revision: int
    longest_gap_ms: float | None = Field(description="longest time between two completed calls around it")


class LateReader(BaseModel):
    """A process that has not applied the flags version yet."""

    pid: int
    generation: int
    applied: int = Field(description="flags version it has")


class FlagsInForce(BaseModel):
    """The flags as `status` shows them."""

    version: int
    readers: int = Field(description="processes that say which flags version they have applied")
    late: list[LateReader] = Field(description="those that have not applied the newest")
    trouble: str | None = Field(description="what keeps flags from working fully, null in health")


class ShadowDiffs(BaseModel):
    """The newest shadow comparison."""

    count: int = Field(description="differences that somebody has to look at")
    recorded_at: str = Field(description="when, in UTC")
    path: str = Field(description="of the details, in the state directory")
    in_a_row: int = Field(0, description="rehearsals in a row, this one the last, that had such differences")


class Queue(BaseModel):
    """What waits for somebody."""

    shadow_diffs: ShadowDiffs | None = Field(None, description="null while nothing was compared")
    shadow_diffs_error: str | None = Field(None, description="why the summary cannot be read, if there is one")


class Status(BaseModel):
    """Everything `switchover status` shows."""

    version: str
    pid: int
    uptime: float = Field(description="seconds")
    revision: int
    phase: str
    weight: int = Field(description="percent of assignment keys on the canary")
    kill_switch: bool
    lanes: dict[str, int]
    generations: list[GenerationStatus]
    sessions: int
    parked: int = Field(0, description="sessions whose own worker is stopped until their next call")
    in_flight: int
    waiting: int = Field(description="calls that wait for a worker")
    last_switch: SwitchStatus | None
    trouble: str | None = Field(description="what keeps the daemon from working fully, null in health")
    unmet: list[str] = Field(
        default_factory=list,
        description='what shared workers asked their client for; they can have it with worker.isolation = "session"',
    )
    flags: FlagsInForce | None = None
    queue: Queue = Field(default_factory=Queue)
    log_file: str
    tools_socket: str
    memory_bytes: int = Field(description="resident memory of the daemon itself")
