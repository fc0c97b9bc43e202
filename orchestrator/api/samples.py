"""`/v1/samples`: what is stored, an export of it, and what others measured.

Above: `app`.  Below: `orchestrator.sampling` takes in and tells, through `Samples`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Protocol

from fastapi import Body, FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse

from orchestrator.api.models import Refused
from orchestrator.api.rollouts.desk import RolloutDesk
from orchestrator.api.sample_models import Kept, Posted, Taken, rate_trouble
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.rollouts.state import Rollout

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}
MOST: Final = 1000
"""Numbers in one request; more are posted in several."""
NDJSON: Final = "application/x-ndjson"
END: Final = 1e12
"""Unix seconds that no clock will show."""


class Samples(Protocol):
    """Who has the samples."""

    def take(self, posted: Sequence[Posted]) -> Taken:
        """Take in what others measured."""
        ...

    async def kept(self, since: float) -> Kept:
        """Sum up what is stored since then; raise RefusedError where nothing can be read."""
        ...

    async def export(self, since: float, until: float, rollout: str) -> AsyncIterator[bytes]:
        """Return the lines of a file of samples, in pieces; raise RefusedError where nothing can be read."""
        ...


class SamplesControl(Protocol):
    """What these routes need of the daemon."""

    @property
    def samples(self) -> Samples:
        """Who has the samples."""
        ...

    @property
    def rollouts(self) -> RolloutDesk:
        """Who knows which metrics the plan under way calls rates."""
        ...


Seconds = Annotated[float, Query(ge=0, le=END, allow_inf_nan=False)]


def add(app: FastAPI, control: SamplesControl) -> None:
    """Add the routes to the app."""

    @app.post("/v1/samples", responses=REFUSALS, tags=["samples"], summary="Take in what others measured")
    async def take(body: Annotated[list[Posted], Body(min_length=1, max_length=MOST)]) -> Taken:
        _refuse_rates(body, _rates(control.rollouts.state.rollout))
        return control.samples.take(body)

    @app.get("/v1/samples", responses=REFUSALS, tags=["samples"], summary="What the stored samples say together")
    async def kept(since: Seconds = 0.0) -> Kept:
        return await control.samples.kept(since)

    @app.get(
        "/v1/samples/export",
        responses={**REFUSALS, 200: {"content": {NDJSON: {}}, "description": "a header, then a sample or pair a line"}},
        response_class=StreamingResponse,
        tags=["samples"],
        summary="The stored samples and pairs, as lines of JSON",
    )
    async def export(
        since: Seconds = 0.0, until: Seconds = END, rollout: Annotated[str, Query(max_length=128)] = ""
    ) -> StreamingResponse:
        lines = await control.samples.export(since, until, rollout)
        if rollout and not await control.rollouts.knows(rollout):
            lines = await _with_samples(lines, rollout)
        return StreamingResponse(lines, media_type=NDJSON)


async def _with_samples(lines: AsyncIterator[bytes], rollout: str) -> AsyncIterator[bytes]:
    """Return the lines when they are more than a header: samples may be kept for longer than the history of rollouts.

    Raises:
        RefusedError: nobody knows the rollout.
    """
    head, first = await anext(lines, b""), await anext(lines, None)
    if first is None:
        raise RefusedError(f"nobody knows a rollout {rollout}: it is in no history, and no sample was told in it")

    async def all_of_them() -> AsyncIterator[bytes]:
        yield head
        yield first
        async for more in lines:
            yield more

    return all_of_them()


def _rates(rollout: Rollout | None) -> frozenset[str]:
    """Return the metrics that the plan under way calls rates."""
    if rollout is None or rollout.is_over:
        return frozenset()
    plan = rollout.plan
    judged = {limit.metric for limit in plan.limits if plan.kind_of(limit) is Kind.RATE}
    return frozenset(judged | {metric.name for metric in plan.metrics if metric.kind is Kind.RATE})


def _refuse_rates(posted: Sequence[Posted], rates: frozenset[str]) -> None:
    """Refuse all of what was posted where one is no rate: later it would only be broken telemetry."""
    for number, one in enumerate(posted):
        if one.metric in rates and (trouble := rate_trouble(one.metric, one.value)):
            raise HTTPException(422, f"the request is not valid: {number}.value: {trouble}")
