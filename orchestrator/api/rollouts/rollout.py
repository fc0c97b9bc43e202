"""`/v1/rollout`: begin, steer and follow a rollout, hear why, read what happened.

Above: `app`.  Below: `desk`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi import Path as PathParam

from orchestrator.api.callers import actor, is_remote
from orchestrator.api.models import Asking, Done, Refused
from orchestrator.api.rollouts.desk import RolloutDesk
from orchestrator.api.rollouts.models import DrillBody, RetryBody, RollbackBody, RolloutBegun, UpgradeBody
from orchestrator.api.rollouts.shown import (
    Drilled,
    Explained,
    Guide,
    HistoryPage,
    LooksPage,
    QuarantinedShown,
    RolloutNow,
)
from orchestrator.api.rollouts.upgrade_models import RUN_PATTERN
from orchestrator.api.rollouts.verbs import BegunRollout
from orchestrator.api.verbs import Told

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}
TAGS: Final[list[Any]] = ["rollout"]
NEWEST: Final = 1 << 53
"""Beyond any number that is given, and exact in JSON."""

Id = Annotated[str | None, Query(pattern=RUN_PATTERN, description="which rollout; the one under way, or the last one")]
Limit = Annotated[int, Query(ge=1, le=500)]
Before = Annotated[int | None, Query(ge=1, le=NEWEST)]


class RolloutControl(Protocol):
    """What these routes need of the daemon."""

    @property
    def rollouts(self) -> RolloutDesk:
        """Who carries rollouts out."""
        ...


def add(app: FastAPI, control: RolloutControl) -> None:
    """Add the routes to the app."""
    _looking(app, control)
    _beginning(app, control)
    _steering(app, control)


def _looking(app: FastAPI, control: RolloutControl) -> None:
    @app.get("/v1/rollout", tags=TAGS, summary="The rollout under way, or the last one")
    async def now(after: Annotated[int, Query(ge=0, le=NEWEST)] = 0) -> RolloutNow:
        return await control.rollouts.now(after)

    @app.get("/v1/rollout/why", responses=REFUSALS, tags=TAGS, summary="Why it ended, or stands where it does")
    async def why(rollout: Id = None) -> Explained:
        return await control.rollouts.explained(rollout)

    @app.get("/v1/rollout/looks", responses=REFUSALS, tags=TAGS, summary="The looks at its evidence, newest first")
    async def looks(rollout: Id = None, limit: Limit = 50, before: Before = None) -> LooksPage:
        return await control.rollouts.looks(rollout, limit, before)

    @app.get("/v1/rollout/history", responses=REFUSALS, tags=TAGS, summary="Rollouts and routing, newest first")
    async def history(limit: Limit = 50, before: Before = None) -> HistoryPage:
        return await control.rollouts.past.history(limit, before)

    @app.get("/v1/rollout/guide", responses=REFUSALS, tags=TAGS, summary="A plan's procedure, with its commands")
    async def guide(request: Request, plan: Annotated[str | None, Query(max_length=4096)] = None) -> Guide:
        _refuse_path(request, plan)
        return await control.rollouts.guide(plan)

    @app.get("/v1/quarantine", tags=TAGS, summary="Versions that were judged bad")
    async def quarantine() -> list[QuarantinedShown]:
        return (await control.rollouts.now()).quarantine

    @app.delete("/v1/quarantine/{fingerprint}", responses=REFUSALS, tags=TAGS, summary="Take a version out of it")
    async def release(
        request: Request,
        fingerprint: Annotated[str, PathParam(max_length=200, description="or how only this one begins")],
        reason: Annotated[str, Query(max_length=1000)] = "",
    ) -> Done:
        return _done(await control.rollouts.verbs.release(fingerprint, actor=actor(request), reason=reason))


def _beginning(app: FastAPI, control: RolloutControl) -> None:
    @app.post("/v1/rollout", responses=REFUSALS, tags=TAGS, summary="Begin to carry a plan out")
    async def begin(body: UpgradeBody, request: Request) -> RolloutBegun:
        if is_remote(request) and (body.command is not None or body.env or body.cwd or body.source):
            raise HTTPException(403, "over TCP no verb carries a command; a plan that only moves flags needs none")
        _refuse_path(request, body.plan)
        return _begun(await control.rollouts.verbs.upgrade(body, actor=actor(request)))

    @app.post("/v1/rollout/retry", responses=REFUSALS, tags=TAGS, summary="Run the last candidate again")
    async def retry(body: RetryBody, request: Request) -> RolloutBegun:
        return _begun(await control.rollouts.verbs.retry(body.id, actor=actor(request), reason=body.reason))


def _steering(app: FastAPI, control: RolloutControl) -> None:
    @app.post("/v1/rollout/promote", responses=REFUSALS, tags=TAGS, summary="Go to 100 % now")
    async def promote(body: Asking, request: Request) -> Done:
        return _done(await control.rollouts.verbs.promote(actor=actor(request), reason=body.reason))

    @app.post("/v1/rollout/pause", responses=REFUSALS, tags=TAGS, summary="Stop the clock; the guard stays on")
    async def pause(body: Asking, request: Request) -> Done:
        return _done(await control.rollouts.verbs.pause(actor=actor(request), reason=body.reason))

    @app.post("/v1/rollout/resume", responses=REFUSALS, tags=TAGS, summary="Go on")
    async def resume(body: Asking, request: Request) -> Done:
        return _done(await control.rollouts.verbs.resume(actor=actor(request), reason=body.reason))

    @app.post("/v1/rollout/abort", responses=REFUSALS, tags=TAGS, summary="End the rollout and go back")
    async def abort(body: Asking, request: Request) -> Done:
        return _done(await control.rollouts.verbs.abort(actor=actor(request), reason=body.reason))

    @app.post("/v1/rollback", responses=REFUSALS, tags=TAGS, summary="Go back, with or without a rollout")
    async def rollback(body: RollbackBody, request: Request) -> Done:
        told = await control.rollouts.verbs.rollback(
            actor=actor(request), reason=body.reason, lose_writes=body.lose_writes
        )
        return _done(told)

    @app.post("/v1/drill", responses=REFUSALS, tags=TAGS, summary="Rehearse a rollback on live routing and time it")
    async def drill(body: DrillBody, request: Request) -> Drilled:
        async def hung_up() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        return await control.rollouts.drill(body.hold, actor=actor(request), reason=body.reason, gone=hung_up)


def _refuse_path(request: Request, plan: str | None) -> None:
    """Have no caller over TCP read this machine's files."""
    if is_remote(request) and plan is not None and ("/" in plan or "." in plan):
        raise HTTPException(403, "over TCP a plan is named by its name, not by a file")


def _done(told: Told) -> Done:
    return Done(revision=told.revision, message=told.message)


def _begun(begun: BegunRollout) -> RolloutBegun:
    told = begun.told
    return RolloutBegun(id=begun.id, revision=told.revision, message=told.message, warnings=list(begun.warnings))
