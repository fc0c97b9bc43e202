"""The control plane's routes: one endpoint a verb."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from orchestrator.api import notices, samples
from orchestrator.api.callers import actor
from orchestrator.api.closing import Closing
from orchestrator.api.comparing import mirror, parity, recording
from orchestrator.api.flags import events, flags, ofrep
from orchestrator.api.flags.ofrep import OfrepControl
from orchestrator.api.models import (
    Asking,
    CanaryBody,
    Done,
    Healthy,
    KillSwitchBody,
    Refused,
    Status,
    WeightBody,
)
from orchestrator.api.probes import Probed, health, readiness
from orchestrator.api.refusals import refusal
from orchestrator.api.rollouts import guard, rollout, upgrade
from orchestrator.api.rollouts.upgrade import UpgradeControl
from orchestrator.api.tcp import tokens
from orchestrator.api.verbs import RefusedError, Told, Verbs
from orchestrator.domain.errors import SettingsError

REFUSALS: dict[int | str, dict[str, type]] = {409: {"model": Refused}, 422: {"model": Refused}}


class Control(
    OfrepControl,
    UpgradeControl,
    mirror.MirrorControl,
    parity.ParityControl,
    samples.SamplesControl,
    guard.GuardControl,
    Probed,
    Protocol,
):
    """What the routes need of the daemon."""

    verbs: Verbs

    def status(self) -> Status:
        """Say how things stand."""
        ...

    def metrics(self) -> bytes:
        """Return the Prometheus text."""
        ...

    def request_stop(self, actor: str) -> None:
        """Begin to drain and stop."""
        ...

    def reload(self, actor: str) -> str:
        """Read the configuration again; return what changed, in words; raise SettingsError when it is bad."""
        ...


def build(control: Control, version: str, closing: Closing) -> FastAPI:
    """Build the app over a daemon; `closing` ends its streams."""
    app = FastAPI(title="Switchover control API", version=version, docs_url=None, redoc_url=None)
    _errors(app)
    _verbs(app, control)
    flags.add(app, control)
    notices.add(app, control)
    events.add(app, control, closing)
    ofrep.add(app, control, closing)
    tokens.add(app, control)
    upgrade.add(app, control)
    samples.add(app, control)
    recording.add(app, control)
    mirror.add(app, control)
    parity.add(app, control)
    rollout.add(app, control)
    guard.add(app, control)
    _lifecycle(app, control)
    _health(app, control)
    return app


def _done(told: Told) -> Done:
    return Done(revision=told.revision, message=told.message)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"reason": str(error)}, status_code=409)

    @app.exception_handler(HTTPException)
    async def unserved(_request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # noqa: PLR2004 - all that FastAPI says of a body it cannot even decode
            wrong = "the request is not valid: the body is no JSON in UTF-8, or nests too deep to be read"
            return JSONResponse({"reason": wrong}, status_code=422)
        return JSONResponse({"reason": str(error.detail)}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        field = getattr(request.scope.get("route"), "body_field", None)
        body = None if field is None else field.field_info.annotation
        problems = "; ".join(refusal(problem, body) for problem in error.errors())
        return JSONResponse({"reason": f"the request is not valid: {problems}"}, status_code=422)


def _verbs(app: FastAPI, control: Control) -> None:
    @app.post("/v1/canary", responses=REFUSALS, summary="Start a canary beside the active generation")
    async def canary(body: CanaryBody, request: Request) -> Done:
        told = await control.verbs.canary(
            tuple(body.command),
            cwd=body.cwd,
            env=body.env,
            source=body.source,
            replace=body.replace,
            allow_breaking=body.allow_breaking,
            actor=actor(request),
            reason=body.reason,
        )
        return _done(told)

    @app.post("/v1/canary/stop", responses=REFUSALS, summary="Drain and stop the canary, or give up its start")
    async def canary_stop(body: Asking, request: Request) -> Done:
        return _done(await control.verbs.drop_canary(actor=actor(request), reason=body.reason))

    @app.post("/v1/switch", responses=REFUSALS, summary="Move all traffic to the canary")
    async def switch(body: Asking, request: Request) -> Done:
        return _done(await control.verbs.switch(actor=actor(request), reason=body.reason))

    @app.post("/v1/switch-back", responses=REFUSALS, summary="Move all traffic back to the previous generation")
    async def switch_back(body: Asking, request: Request) -> Done:
        return _done(await control.verbs.switch_back(actor=actor(request), reason=body.reason))

    @app.post("/v1/weight", responses=REFUSALS, summary="Send a share of assignment keys to the canary")
    async def weight(body: WeightBody, request: Request) -> Done:
        return _done(await control.verbs.weight(body.weight, actor=actor(request), reason=body.reason))

    @app.post("/v1/kill-switch", responses=REFUSALS, summary="Turn the kill switch on or off")
    async def kill_switch(body: KillSwitchBody, request: Request) -> Done:
        return _done(await control.verbs.kill_switch(on=body.on, actor=actor(request), reason=body.reason))


def _lifecycle(app: FastAPI, control: Control) -> None:
    @app.get("/v1/status", summary="Lanes, generations, calls, the last switch")
    async def status() -> Status:
        return control.status()

    @app.post("/v1/stop", summary="Drain and stop the daemon")
    async def stop(_body: Asking, request: Request) -> Done:
        control.request_stop(actor(request))
        return Done(revision=control.status().revision, message="the daemon drains and stops")

    @app.post("/v1/reload", responses=REFUSALS, summary="Read the configuration again")
    async def reload(_body: Asking, request: Request) -> Done:
        try:
            message = control.reload(actor(request))
        except SettingsError as error:
            raise RefusedError(str(error)) from error
        return Done(revision=control.status().revision, message=message)


def _health(app: FastAPI, control: Control) -> None:
    @app.get("/healthz", summary="Whether the daemon's loop runs")
    async def healthz() -> Healthy:
        _, body = health(control)
        return Healthy(**body)

    @app.get("/readyz", responses={503: {"model": Healthy}}, summary="Whether calls can be served now")
    async def readyz() -> JSONResponse:
        status, body = readiness(control)
        return JSONResponse(body, status_code=status)

    @app.get("/metrics", response_class=PlainTextResponse, summary="Prometheus metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(control.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
