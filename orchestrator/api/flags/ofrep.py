"""OFREP, by which any OpenFeature SDK reads these flags: one, all of them, and a stream that says when to ask again.

As https://github.com/open-feature/protocol has it (service/openapi.yaml 0.3.0, event streams of ADR-0008); there is no
rate limit, for a single 429 makes some clients stop evaluating.  Above: `app`.  Below: `ofrep_answers`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Final, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from orchestrator.api import sse
from orchestrator.api.callers import caller
from orchestrator.api.closing import Closing
from orchestrator.api.flags import ofrep_answers as answers
from orchestrator.api.flags.events import number
from orchestrator.api.flags.flags import FlagsControl
from orchestrator.api.flags.ofrep_models import BulkEvaluation, BulkFailure, Evaluation, Failure, NotFound, request_body
from orchestrator.api.tcp.tcp import STREAM
from orchestrator.api.tcp.tokens import TokensControl
from orchestrator.domain.flags.change import UnknownFlagError
from orchestrator.flags.told import Changed, FlagView

PREFIX: Final = "/ofrep/v1/evaluate/flags"
INACTIVITY: Final = 120
"""Seconds after which a page in the background closes its stream; the protocol's own default."""
REFETCH: Final = "refetchEvaluation"

SINGLE: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Failure}, 404: {"model": NotFound}}
BULK: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "nothing has changed for this context"},
    400: {"model": BulkFailure},
}


class OfrepControl(FlagsControl, TokensControl, Protocol):
    """What these routes need of the daemon."""


def add(app: FastAPI, control: OfrepControl, closing: Closing) -> None:
    """Add the routes to the app."""

    @app.exception_handler(answers.OfrepError)
    async def failed(_request: Request, error: answers.OfrepError) -> JSONResponse:
        return JSONResponse(error.body, error.status)

    router = APIRouter(tags=["OFREP"])
    _evaluating(router, control)
    _streaming(router, control, closing)
    app.include_router(router)


def _evaluating(router: APIRouter, control: OfrepControl) -> None:
    @router.post(f"{PREFIX}/", include_in_schema=False)
    @router.post(
        PREFIX, responses=BULK, response_model=BulkEvaluation, openapi_extra=request_body(),
        summary="Evaluate all flags for a context",
    )  # fmt: skip
    async def bulk(
        request: Request,
        if_none_match: Annotated[str | None, Header()] = None,
        flag_config_etag: Annotated[str | None, Query(alias="flagConfigEtag", description="of the event")] = None,  # noqa: ARG001 - the answer is always fresh
        flag_config_last_modified: Annotated[  # noqa: ARG001 - likewise
            str | None, Query(alias="flagConfigLastModified", description="of the event")
        ] = None,
    ) -> Response:
        context = answers.read_context(await request.body())
        version = control.flags.version
        flags = [_evaluated(control, flag, context) for flag in control.flags.views()]
        tag = answers.etag(flags)
        if answers.matches(if_none_match, tag):
            return Response(status_code=304, headers={"etag": tag})
        whole = {
            "flags": flags,
            "metadata": {"flagsVersion": version},
            "eventStreams": [_stream_for(control, request, version)],
        }
        return JSONResponse(whole, headers={"etag": tag, "cache-control": "no-cache"})

    # behind all others, for it takes whatever follows the prefix: a key with a slash is not found, as any other
    @router.post(
        f"{PREFIX}/{{key:path}}", responses=SINGLE, response_model=Evaluation, openapi_extra=request_body(),
        summary="Evaluate one flag for a context",
    )  # fmt: skip
    async def single(key: Annotated[str, Path(max_length=1000)], request: Request) -> JSONResponse:
        context = answers.read_context(await request.body(), key)
        try:
            flag = control.flags.view(key)
        except UnknownFlagError as error:
            raise answers.OfrepError("FLAG_NOT_FOUND", str(error), key) from error
        told = _evaluated(control, flag, context)
        return JSONResponse(told, 400 if "errorCode" in told else 200)


def _evaluated(control: OfrepControl, flag: FlagView, context: answers.Context) -> dict[str, Any]:
    decided = control.flags.decide(flag.key, context.subject, context.attributes)
    if answers.lacks_key(flag, decided, context):
        why = f"{flag.key} is divided by percentages; name a targetingKey in the context"
        return answers.failure("TARGETING_KEY_MISSING", why, flag.key)
    if decided.value is None:
        return answers.failure("GENERAL", decided.detail, flag.key)
    return answers.success(flag, decided)


# --- the change stream --------------------------------------------------------------------------


def _stream_for(control: OfrepControl, request: Request, version: int) -> dict[str, Any]:
    """Return where a client hears of what changes after a version.

    An EventSource shows no token and, when it connects first, no `Last-Event-ID`: the address carries a ticket and the
    version, or a change between this answer and the opening of the stream would be heard of by nobody.
    """
    asked = urlencode({"since": version, "ticket": control.access.ticket(caller(request))})
    return {"type": "sse", "endpoint": {"requestUri": f"{STREAM}?{asked}"}, "inactivityDelaySec": INACTIVITY}


def _streaming(router: APIRouter, control: OfrepControl, closing: Closing) -> None:
    @router.get(
        STREAM, responses=sse.DOCUMENTED, response_class=StreamingResponse,
        summary="Says when evaluations have to be fetched again (server-sent events)",
    )  # fmt: skip
    async def changes(
        last_event_id: Annotated[str | None, Header(max_length=32)] = None,
        ticket: Annotated[str | None, Query(description="from `eventStreams`; needed over TCP only")] = None,  # noqa: ARG001 - looked at by the door
        since: Annotated[
            str | None, Query(max_length=32, description="from `eventStreams`: the flags version that was evaluated")
        ] = None,
    ) -> StreamingResponse:
        seen = number(last_event_id)  # newer than the address, which an EventSource uses again when it comes back
        return sse.stream(functools.partial(_begin, control, number(since) if seen is None else seen), closing)


def _begin(control: OfrepControl, after: int | None) -> tuple[bytes, AsyncGenerator[bytes, None]]:
    """Tell a client at once that it missed a change since the version `after`, if it did; then of every change."""
    changes = control.flags.subscribe()
    version = control.flags.version
    missed = after is not None and after != version
    return _refetch(version) if missed else b"", _events(changes)


async def _events(changes: AsyncIterator[Changed]) -> AsyncGenerator[bytes, None]:
    async for changed in changes:
        yield _refetch(changed.version, changed.at)


def _refetch(version: int, at: float | None = None) -> bytes:
    data: dict[str, Any] = {"type": REFETCH, "etag": json.dumps(str(version))}
    return sse.event(data if at is None else {**data, "lastModified": int(at)}, number=version)
