"""The shapes of the flags' part of the control API: what is asked, and what comes back.

Above: `flags` (the routes), and the CLI.  Below: `orchestrator.flags.told`, whose values they
carry.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from orchestrator.api.models import Asking, Body, Refused

Json = Annotated[Any, Field(json_schema_extra={"description": "any JSON value"})]
Key = Annotated[str, Field(min_length=1, max_length=100)]


class Shown(BaseModel):
    """Base of what is told: read off the values of the flags room."""

    model_config = ConfigDict(from_attributes=True)


# --- what is asked -------------------------------------------------------------------------------


class Waiting(Asking):
    """What every change of flags may say."""

    expect_version: int | None = Field(None, ge=0, description="refuse unless this is the flags version")
    wait: bool = Field(default=False, description="answer once every reader has applied it, or the time is up")
    timeout: float | None = Field(
        None, gt=0, le=3600, description="seconds to wait; `flags.wait` of the configuration by default"
    )


class SetBody(Waiting):
    """Give flags values, all of them or none."""

    values: dict[Key, JsonValue] = Field(default_factory=dict, description="values of the flags' own types")
    texts: dict[Key, str] = Field(
        default_factory=dict, description="values as somebody types them, such as `1`, `true`, `0.5` or `wsjf`"
    )


class ResetBody(Waiting):
    """Bring flags back to their safe values."""

    keys: list[Key] | None = Field(None, description="which; all of them without")


class TargetBody(Waiting):
    """Say who gets what instead of a flag's value."""

    targeting: dict[str, JsonValue] = Field(description="deny, allow, forced, rules, percentage; see docs/flags.md")


class ExplainBody(Body):
    """Ask what a flag decides for a subject."""

    subject: str | None = Field(None, max_length=1000, description="the subject's key, such as `mission-42`")
    attributes: dict[str, JsonValue] = Field(default_factory=dict, description="what rules may look at")


class ImportBody(Waiting):
    """Bring flags to what an export says, all of them or none."""

    content: dict[str, JsonValue] = Field(description="what `GET /v1/flags/-/export` answered")


# --- what comes back -----------------------------------------------------------------------------


class FlagRefused(Refused):
    """A change of flags that was refused; nothing of it was done."""

    flag: str = Field("", description="the flag it failed on")
    allowed: str = Field("", description="what would be allowed, in words")


class PrerequisiteShown(Shown):
    """What must hold before a flag leaves its safe value."""

    flag: str
    values: list[Json]


class FlagShown(Shown):
    """Everything about one flag."""

    key: str
    type: str = Field(description='enum, bool, int, float, string or object; "" when its declaration cannot be read')
    values: list[Json] | None = Field(None, description="the values it may have, null for all of its type")
    default: Json = Field(None, description="its value while nobody set one")
    safe: Json = Field(None, description="its value when in doubt")
    on: Json = Field(None, description="the value it is meant to reach")
    value: Json = Field(None, description="its value now")
    is_set: bool = Field(default=False, description="whether somebody set it")
    targeting: dict[str, Any] | None = Field(None, description="who gets what instead")
    salt: str = Field("", description="what its buckets are salted with")
    hash_version: int = Field(1, description="version of its buckets' hash")
    prerequisites: list[PrerequisiteShown] = []
    risk: str = Field("", description="what the other values risk")
    owner: str = Field("", description="who is asked about it")
    description: str = Field("", description="what it does")
    expires: dt.date | None = Field(None, description="the day from which it should be gone")
    env: str | None = Field(None, description="a variable that forces it in one process")
    kill_switch: bool = Field(default=False, description="whether it makes all others answer their safe values")
    min_stable: float = Field(0.0, description="seconds a version has to run well before it moves")
    invalid: str | None = Field(None, description="why it cannot be used and answers its safe value")
    changed_at: float | None = Field(None, description="when value or targeting last changed, Unix seconds")
    read_at: float | None = Field(None, description="when a worker was last known to read it, Unix seconds")
    forced: dict[int, Json] = Field(
        default_factory=dict, description="processes whose environment forces it, and to what"
    )


class FlagList(BaseModel):
    """All flags."""

    version: int = Field(description="the flags version")
    trouble: str | None = Field(None, description="what is not as it should be")
    flags: list[FlagShown]


class DifferenceShown(Shown):
    """One flag's part in a change."""

    key: str
    before: Json = None
    after: Json = None
    targeting_before: dict[str, Any] | None = None
    targeting_after: dict[str, Any] | None = None


class ReaderShown(Shown):
    """A process that reads the flags."""

    pid: int
    generation: int = Field(description="0 when it said none")
    role: str
    view: str = Field(description="the view it reads, such as `live`")
    applied: int = Field(description="the flags version it has applied")
    since: float = Field(description="when it connected, Unix seconds")
    forced: dict[str, Json] = Field(default_factory=dict, description="flags its environment forces, and to what")


class SilentShown(Shown):
    """A worker that never said that it reads the flags."""

    pid: int
    generation: int
    role: str


class AppliedShown(Shown):
    """Who has applied a flags version."""

    version: int
    readers: list[ReaderShown]
    late: list[ReaderShown] = Field(description="those of them that have not applied it")
    silent: list[SilentShown] = Field(description="workers that never connected; they may read the page all the same")


class ChangedShown(Shown):
    """A change that was made, or found to be none."""

    version: int = Field(description="the flags version now in force")
    changes: list[DifferenceShown] = Field(description="what differs; empty when everything was so already")
    at: float = Field(description="Unix seconds")
    actor: str
    reason: str = ""
    cause: str = Field("person", description="what made it happen: person, timer, rollback, registry, ...")
    written: bool = Field(default=True, description="false when it takes effect but could not be written down")
    message: str = Field("", description="what was done, in words")
    applied: AppliedShown | None = Field(None, description="who has applied it, when that was waited for")


class Explained(BaseModel):
    """What a flag decides for a subject, and why."""

    key: str
    subject: str | None
    value: Json
    step: str = Field(description="which step of the evaluation decided")
    reason: str = Field(description="the same in OpenFeature's words")
    detail: str = Field(description="the same as a sentence")
    version: int = Field(description="the flags version that decided")
    forced: dict[int, Json] = Field(
        default_factory=dict, description="processes whose environment forces the flag, whatever is said here"
    )


class RememberedShown(Shown):
    """One change of one flag, from the history."""

    seq: int = Field(description="its number; pages of the history end at one")
    version: int
    key: str
    before: Json = None
    after: Json = None
    targeting_before: dict[str, Any] | None = None
    targeting_after: dict[str, Any] | None = None
    actor: str
    reason: str
    cause: str
    at: float = Field(description="Unix seconds")


class History(BaseModel):
    """A page of the history, newest first."""

    changes: list[RememberedShown]
    before: int | None = Field(description="ask for the next page with this; null on the last one")


class AsOfShown(Shown):
    """The flags as they stood once."""

    version: int
    at: float = Field(description="when this version was written, Unix seconds; 0 before the first write")
    values: dict[str, Json]
    targeting: dict[str, dict[str, Any]]


class FindingShown(Shown):
    """One thing somebody should look at."""

    key: str
    kind: str = Field(description="expired, expiring, unread, settled, invalid or undeclared")
    detail: str


class StaleReport(BaseModel):
    """Flags that have outlived their use."""

    findings: list[FindingShown]
