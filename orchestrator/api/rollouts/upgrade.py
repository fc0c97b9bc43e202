"""`/v1/upgrade`: begin a rehearsal, follow it, end it.

Above: `app`.  Below: `orchestrator.upgrades` runs it, through `Rehearsals`.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath

from orchestrator.api.callers import actor
from orchestrator.api.models import Asking, Refused
from orchestrator.api.rollouts.upgrade_models import RUN_PATTERN, Asked, Begun, Cancelled, Progressed
from orchestrator.api.verbs import Verbs
from orchestrator.domain.generation import Spec
from orchestrator.rehearsal.recorded import Recorder

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}


class Rehearsals(Protocol):
    """Who runs rehearsals."""

    @property
    def recorder(self) -> Recorder:
        """Records live calls for a suite."""
        ...

    async def rehearse(self, asked: Asked, new: Spec, *, actor: str) -> str:
        """Begin one and return its id; raise RefusedError where that cannot be."""
        ...

    async def progress(self, run: str, after: int) -> Progressed:
        """Return what is known of a run since an event; raise RefusedError where there is none."""
        ...

    async def cancel(self, *, actor: str) -> str:
        """End the one under way; raise RefusedError where there is none."""
        ...


class UpgradeControl(Protocol):
    """What these routes need of the daemon."""

    verbs: Verbs

    @property
    def upgrades(self) -> Rehearsals:
        """Who runs rehearsals."""
        ...


def add(app: FastAPI, control: UpgradeControl) -> None:
    """Add the routes to the app."""

    @app.post("/v1/upgrade", responses=REFUSALS, tags=["upgrade"], summary="Rehearse a version beside the active one")
    async def rehearse(body: Asked, request: Request) -> Begun:
        new = await control.verbs.spec(tuple(body.command), body.cwd, body.env, body.source)
        run = await control.upgrades.rehearse(body, new, actor=actor(request))
        return Begun(id=run, message=f"rehearsal {run} has begun")

    @app.post("/v1/upgrade/cancel", responses=REFUSALS, tags=["upgrade"], summary="End the rehearsal under way")
    async def cancel(_body: Asking, request: Request) -> Cancelled:
        return Cancelled(message=await control.upgrades.cancel(actor=actor(request)))

    @app.get("/v1/upgrade/{run}", responses=REFUSALS, tags=["upgrade"], summary="How far a rehearsal is")
    async def progress(
        run: Annotated[str, InPath(pattern=RUN_PATTERN)], after: Annotated[int, Query(ge=0, le=1 << 31)] = 0
    ) -> Progressed:
        return await control.upgrades.progress(run, after)
