"""`/v1/upgrade`: begin a rehearsal, follow it, end it.

Above: `app`.  Below: `orchestrator.upgrades` runs it, through `Rehearsals`.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from orchestrator.api.callers import actor
from orchestrator.api.models import Absolute, Asking, Refused, Text
from orchestrator.api.verbs import Verbs
from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Options

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}
RUN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Asked(Asking):
    """Begin a rehearsal."""

    command: list[Text] = Field(min_length=1, description="program and arguments of the new version")
    cwd: Absolute | None = Field(None, description="absolute working directory; the daemon's own by default")
    env: dict[Text, Text] = Field(default_factory=dict, description="variables on top of the daemon's own")
    source: Absolute | None = Field(None, description="directory of the new code, which is copied, built and tested")
    id: str | None = Field(None, description="the run's id; the time by default", pattern=RUN_PATTERN)
    suite: Absolute | None = Field(None, description="file with the calls (TOML)")
    allow_dirty: bool = Field(default=False, description="go on with changes that are not committed")
    skip_build: bool = Field(default=False, description="do not build")
    skip_tests: bool = Field(default=False, description="do not run the tests")
    keep_copy: bool = Field(default=False, description="leave copy and snapshots where they are")
    nightly: bool = Field(default=False, description="warnings do not change the exit status")

    def options(self) -> Options:
        """Return what was asked for, as the harness takes it."""
        return Options(self.allow_dirty, self.skip_build, self.skip_tests, self.keep_copy, self.nightly)


class Begun(BaseModel):
    """A rehearsal that has begun."""

    id: str
    message: str


class Progressed(BaseModel):
    """How far a rehearsal is."""

    id: str
    running: bool
    exit_code: int | None = Field(description="0 well, 4 with warnings, 1 failed; null while it runs")
    events: list[dict[str, Any]] = Field(description="what happened since: n, step, status, message, at")


class Cancelled(BaseModel):
    """A rehearsal that is being ended."""

    message: str


class Rehearsals(Protocol):
    """Who runs rehearsals."""

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
