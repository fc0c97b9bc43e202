"""`POST /v1/tokens`: a signed token that carries gates, for a subject to whom all of them are open.

Above: `app`.  Below: `orchestrator.access.service` decides and signs.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field, JsonValue
from pydantic_core import PydanticCustomError

from orchestrator.access.service import AccessService
from orchestrator.api.callers import caller
from orchestrator.api.models import Body, Refused
from orchestrator.domain.access import AccessError, GatesDeniedError
from orchestrator.domain.flags.values import can_be_kept

CARRIED: Final = 4096
"""Bytes of attributes that a token carries at most: it is shown in a header, which servers bound (often to 8 KiB)."""


def _carried(attributes: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse what a token cannot carry."""
    if not can_be_kept(attributes, CARRIED):
        why = f"a token carries at most {CARRIED} bytes of JSON, with finite numbers and whole characters"
        raise PydanticCustomError("attributes", why)
    return attributes


Gate = Annotated[str, Field(min_length=1, max_length=100)]


class TokenBody(Body):
    """Ask for a token."""

    subject: str = Field(min_length=1, max_length=1000, description="whom it is for, such as `mission-42`")
    attributes: Annotated[dict[str, JsonValue], AfterValidator(_carried)] = Field(
        default_factory=dict, description=f"what rules may look at; at most {CARRIED} bytes, for the token carries them"
    )
    gates: list[Gate] = Field(default_factory=list, max_length=100, description="flags that have to be open")
    ttl: float | None = Field(
        None, ge=1, le=7 * 24 * 3600, description="seconds it counts; `access.token_ttl`, the longest, by default"
    )


class Token(BaseModel):
    """A signed token (JWT), and what it says."""

    token: str = Field(description="shown as `Authorization: Bearer TOKEN`")
    subject: str
    gates: dict[str, bool] = Field(description="the decisions it carries")
    flags_version: int = Field(description="the flags version that decided")
    issued: int = Field(description="Unix seconds")
    expires: int = Field(description="Unix seconds")
    jti: str = Field(description="its name in the log")


class Denied(Refused):
    """A token that was not made."""

    denied: dict[str, str] = Field(default_factory=dict, description="why, for each closed gate")


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    403: {"model": Denied, "description": "a gate is closed to the subject, or is not the caller's to ask for"},
    422: {"model": Refused},
}


class TokensControl(Protocol):
    """What this route needs of the daemon."""

    @property
    def access(self) -> AccessService:
        """Who makes tokens."""
        ...


def add(app: FastAPI, control: TokensControl) -> None:
    """Add the route to the app."""

    @app.exception_handler(AccessError)
    async def denied(_request: Request, error: AccessError) -> JSONResponse:
        gates = error.denied if isinstance(error, GatesDeniedError) else {}
        return JSONResponse(Denied(reason=str(error), denied=gates).model_dump(), 403)

    @app.post("/v1/tokens", responses=RESPONSES, tags=["access"], summary="Make a token that carries gates")
    async def token(body: TokenBody, request: Request) -> Token:
        issued = control.access.issue(caller(request), body.subject, body.attributes, body.gates, body.ttl)
        claims = issued.claims
        return Token(
            token=issued.token,
            subject=claims["sub"],
            gates=claims["gates"],
            flags_version=claims["flags_version"],
            issued=claims["iat"],
            expires=claims["exp"],
            jti=claims["jti"],
        )
