"""`/v1/shadow/record`: have live calls that only read recorded for a suite, see how far it is, fetch them.

What was recorded is only answered to POST, which over TCP is not served.  Above: `app`.  Below:
`orchestrator.rehearsal.recorded`.
"""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from pydantic import BaseModel, Field

from orchestrator.api.models import Asking, Refused
from orchestrator.api.rollouts.upgrade import UpgradeControl
from orchestrator.api.verbs import RefusedError
from orchestrator.proxy.recording import Recording
from orchestrator.rehearsal.recorded import RecordingError
from orchestrator.rehearsal.suite import MOST_CALLS

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}
DAY = 86_400.0


class RecordBody(Asking):
    """Begin a recording."""

    calls: int = Field(100, ge=1, le=MOST_CALLS, description="different calls, after which it is over")
    seconds: float = Field(60.0, gt=0, le=DAY, description="after which it is over")


class StopBody(Asking):
    """End a recording."""

    leave: bool = Field(default=False, description="only end it; whoever began it fetches what was recorded")


class RecordingShown(BaseModel):
    """How far a recording is."""

    running: bool
    left: float = Field(description="seconds it still has")
    distinct: int = Field(description="different calls so far")
    seen: int = Field(description="calls that only read")
    passed: int = Field(description="other calls, which are not recorded")


class CallShown(BaseModel):
    """One recorded call."""

    tool: str
    arguments: dict[str, Any]
    times: int = Field(description="how often it was made")


class LeftOutShown(BaseModel):
    """Calls that are not recorded."""

    tool: str
    reason: str
    times: int


class Recorded(RecordingShown):
    """A recording that is over."""

    calls: list[CallShown] = Field(description="those made most often first")
    left_out: list[LeftOutShown]


def add(app: FastAPI, control: UpgradeControl) -> None:
    """Add the routes to the app."""

    @app.post("/v1/shadow/record", responses=REFUSALS, tags=["upgrade"], summary="Record live calls that only read")
    async def record(body: RecordBody) -> RecordingShown:
        try:
            control.upgrades.recorder.begin(body.calls, body.seconds)
            return RecordingShown(**_shown(control.upgrades.recorder.recording()))
        except RecordingError as error:
            raise RefusedError(str(error)) from error

    @app.get("/v1/shadow/record", responses=REFUSALS, tags=["upgrade"], summary="How far the recording is")
    async def shown() -> RecordingShown:
        try:
            return RecordingShown(**_shown(control.upgrades.recorder.recording()))
        except RecordingError as error:
            raise RefusedError(str(error)) from error

    @app.post("/v1/shadow/record/stop", responses=REFUSALS, tags=["upgrade"], summary="End the recording, fetch it")
    async def stop(body: StopBody) -> Recorded:
        try:
            recording = control.upgrades.recorder.stop() if body.leave else control.upgrades.recorder.end()
        except RecordingError as error:
            raise RefusedError(str(error)) from error
        if body.leave:
            return Recorded(**_shown(recording), calls=[], left_out=[])
        calls, left_out = await anyio.to_thread.run_sync(control.upgrades.recorder.sifted, recording)
        return Recorded(
            **{**_shown(recording), "running": False},
            calls=[CallShown(tool=one.tool, arguments=one.arguments, times=one.times) for one in calls],
            left_out=[LeftOutShown(tool=one.tool, reason=one.reason, times=one.times) for one in left_out],
        )


def _shown(recording: Recording) -> dict[str, Any]:
    return {
        "running": recording.left > 0,
        "left": recording.left,
        "distinct": len(recording.calls),
        "seen": recording.seen,
        "passed": recording.passed,
    }
