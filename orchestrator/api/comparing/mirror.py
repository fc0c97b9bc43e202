"""`/v1/mirror`: how mirroring stands, and turning it on and off.

Above: `app`.  Below: `orchestrator.mirroring`, through `Mirrors`.
"""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import FastAPI, Request

from orchestrator.api.callers import actor
from orchestrator.api.comparing.mirror_models import MirrorBody, MirrorDone, MirrorStatus
from orchestrator.api.models import Refused
from orchestrator.domain.routing import Lane

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}


class Mirrors(Protocol):
    """Who mirrors."""

    def status(self) -> MirrorStatus:
        """Say how it stands."""
        ...

    def turn(self, target: Lane | None, share: float, actor: str) -> str:
        """Mirror to a lane, or (None) nothing; return what was done; raise RefusedError where that cannot be."""
        ...


class MirrorControl(Protocol):
    """What these routes need of the daemon."""

    @property
    def mirroring(self) -> Mirrors:
        """Who mirrors."""
        ...


def add(app: FastAPI, control: MirrorControl) -> None:
    """Add the routes to the app."""

    @app.get("/v1/mirror", tags=["mirror"], summary="What is mirrored, and how the answers differ")
    async def status() -> MirrorStatus:
        return control.mirroring.status()

    @app.post("/v1/mirror", responses=REFUSALS, tags=["mirror"], summary="Mirror calls that only read, or none")
    async def turn(body: MirrorBody, request: Request) -> MirrorDone:
        target = Lane(body.to) if body.on else None
        return MirrorDone(message=control.mirroring.turn(target, body.share, actor(request)))
