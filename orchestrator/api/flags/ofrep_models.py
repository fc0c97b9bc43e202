"""OFREP's shapes, for the OpenAPI document; the answers themselves are built in `ofrep_answers`.

Above: `ofrep`.  Below: pydantic.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Metadata = dict[str, bool | str | float | int]


class Evaluation(BaseModel):
    """A flag's evaluation."""

    key: str
    value: Any = Field(description="of the flag's own type; a float flag's always has a point")
    variant: str = Field(description="the value's name")
    reason: Literal["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"]
    metadata: Metadata = Field(description="which step decided, and why")


class Failure(BaseModel):
    """Why a flag was not evaluated."""

    key: str
    errorCode: Literal["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"]  # noqa: N815 - the protocol's name
    errorDetails: str  # noqa: N815 - likewise


class NotFound(BaseModel):
    """There is no such flag."""

    key: str
    errorCode: Literal["FLAG_NOT_FOUND"]  # noqa: N815 - the protocol's name
    errorDetails: str  # noqa: N815 - likewise


class BulkFailure(BaseModel):
    """Why nothing was evaluated."""

    errorCode: Literal["PARSE_ERROR", "INVALID_CONTEXT"]  # noqa: N815 - the protocol's name
    errorDetails: str  # noqa: N815 - likewise


class StreamEndpoint(BaseModel):
    """An address without its origin: the client knows under which it reaches us."""

    requestUri: str  # noqa: N815 - the protocol's name


class EventStream(BaseModel):
    """Where a client hears of changes."""

    type: Literal["sse"]
    endpoint: StreamEndpoint
    inactivityDelaySec: int  # noqa: N815 - the protocol's name


class BulkEvaluation(BaseModel):
    """All flags' evaluations."""

    flags: list[Evaluation | Failure]
    metadata: Metadata
    eventStreams: list[EventStream]  # noqa: N815 - the protocol's name


def request_body() -> dict[str, Any]:
    """Return the description of what is posted; it is read by hand, for mistakes have answers of the protocol's own."""
    context = {
        "type": "object",
        "properties": {"targetingKey": {"type": "string", "description": "whom flags are evaluated for"}},
        "additionalProperties": True,
    }
    schema = {"type": "object", "properties": {"context": context}}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}
