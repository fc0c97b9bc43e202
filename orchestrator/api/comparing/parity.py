"""`/v1/parity`: how the two states stand, and beginning and ending to follow.

Above: `app`.  Below: `orchestrator.paritying`, through `Parities`.
"""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import FastAPI, Request

from orchestrator.api.callers import actor
from orchestrator.api.comparing.parity_models import ParityBody, ParityDone, ParityStatus
from orchestrator.api.models import Asking, Refused
from orchestrator.api.verbs import Verbs
from orchestrator.domain.generation import Spec

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}


class Parities(Protocol):
    """Who follows writes."""

    def status(self) -> ParityStatus:
        """Say how it stands."""
        ...

    async def start(self, spec: Spec | None, actor: str) -> str:
        """Begin; without a spec with the canary's code; raise RefusedError where that cannot be."""
        ...

    async def stop(self, actor: str) -> str:
        """End; raise RefusedError where nothing is followed."""
        ...


class ParityControl(Protocol):
    """What these routes need of the daemon."""

    verbs: Verbs

    @property
    def parity(self) -> Parities:
        """Who follows writes."""
        ...


def add(app: FastAPI, control: ParityControl) -> None:
    """Add the routes to the app."""

    @app.get("/v1/parity", tags=["parity"], summary="Whether new code writes the same state, and since when")
    async def status() -> ParityStatus:
        return control.parity.status()

    @app.post("/v1/parity/start", responses=REFUSALS, tags=["parity"], summary="Have new code do write calls again")
    async def start(body: ParityBody, request: Request) -> ParityDone:
        spec = await control.verbs.spec(tuple(body.command), body.cwd, body.env, None) if body.command else None
        return ParityDone(message=await control.parity.start(spec, actor(request)))

    @app.post("/v1/parity/stop", responses=REFUSALS, tags=["parity"], summary="Follow nothing more")
    async def stop(_body: Asking, request: Request) -> ParityDone:
        return ParityDone(message=await control.parity.stop(actor(request)))
