"""The flags' routes: looked at, set, reset, targeted, explained, remembered, carried elsewhere.

What concerns no single flag stands under `/v1/flags/-/`, for `-` is no flag's name.  Above: `app`.  Below:
`orchestrator.flags.service`, the one who changes flags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.callers import actor
from orchestrator.api.flags.models import (
    AppliedShown,
    AsOfShown,
    ChangedShown,
    ExplainBody,
    Explained,
    FindingShown,
    FlagList,
    FlagRefused,
    FlagShown,
    History,
    ImportBody,
    RememberedShown,
    ResetBody,
    SetBody,
    StaleReport,
    TargetBody,
    Waiting,
)
from orchestrator.api.models import Refused
from orchestrator.domain.flags.change import FlagRefusedError, FlagsMovedError, UnknownFlagError
from orchestrator.flags.book import FlagsNotReadError, FlagsNotWrittenError
from orchestrator.flags.service import FlagsService
from orchestrator.flags.told import Changed
from orchestrator.settings import Flags

UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": FlagRefused, "description": "there is no such flag"},
    422: {"model": Refused},
}
REFUSALS: Final[dict[int | str, dict[str, Any]]] = UNKNOWN | {
    409: {"model": FlagRefused, "description": "refused, with the reason"},
    412: {"model": FlagRefused, "description": "the flags version is another one"},
    503: {"model": FlagRefused, "description": "it cannot be written down"},
}
KEPT: Final[dict[int | str, dict[str, Any]]] = UNKNOWN | {
    503: {"model": FlagRefused, "description": "the history cannot be read"}
}
PAGE: Final = 50
"""Changes a page of the history has."""

FlagKey = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
Before = Annotated[int | None, Query(ge=1, le=2**62, description="the last number of the page before")]
Limit = Annotated[int, Query(ge=1, le=1000)]


class FlagsControl(Protocol):
    """What these routes need of the daemon."""

    @property
    def flags(self) -> FlagsService:
        """The flags."""
        ...

    @property
    def flag_settings(self) -> Flags:
        """What the configuration says about them."""
        ...


def add(app: FastAPI, control: FlagsControl) -> None:
    """Add the routes to the app."""
    _errors(app)
    for routes in (_looking, _changing, _remembered, _carried):
        router = APIRouter(prefix="/v1/flags", tags=["flags"])
        routes(router, control)
        app.include_router(router)


def _errors(app: FastAPI) -> None:
    def answering(status: int) -> Callable[[Request, Exception], JSONResponse]:
        def answer(_request: Request, error: Exception) -> JSONResponse:
            said = (str(error), getattr(error, "flag", ""), str(getattr(error, "allowed", "")))
            # What was sent is repeated, half characters included, which no answer can hold.
            reason, flag, allowed = (text.encode("utf-8", "backslashreplace").decode() for text in said)
            told = FlagRefused(reason=reason, flag=flag, allowed=allowed)
            return JSONResponse(told.model_dump(), status)

        return answer

    statuses = {
        FlagRefusedError: 409,
        UnknownFlagError: 404,
        FlagsMovedError: 412,
        FlagsNotWrittenError: 503,
        FlagsNotReadError: 503,
    }
    for kind, status in statuses.items():
        app.add_exception_handler(kind, answering(status))


def _looking(router: APIRouter, control: FlagsControl) -> None:
    @router.get("", response_model=FlagList, summary="All flags with their values")
    async def flags() -> Response:
        service = control.flags
        shown = [FlagShown.model_validate(view) for view in service.views()]
        whole = FlagList(version=service.version, trouble=service.trouble, flags=shown)
        # As bytes, since FastAPI would check and convert it once more: thousands of flags would hold the loop up.
        return Response(whole.model_dump_json(), media_type="application/json")

    @router.get("/-/readers", summary="Processes that read the flags, and how far they are")
    async def readers() -> AppliedShown:
        return AppliedShown.model_validate(await control.flags.applied())

    @router.get("/-/stale", summary="Flags that have outlived their use")
    async def stale() -> StaleReport:
        settings = control.flag_settings
        found = control.flags.findings(settings.stale_after, settings.remind_before)
        return StaleReport(findings=[FindingShown.model_validate(one) for one in found])

    @router.get("/{key}", responses=UNKNOWN, summary="One flag")
    async def flag(key: FlagKey) -> FlagShown:
        return FlagShown.model_validate(control.flags.view(key))

    @router.post("/{key}/explain", responses=UNKNOWN, summary="What a flag decides for a subject, and why")
    async def explain(key: FlagKey, body: ExplainBody) -> Explained:
        view = control.flags.view(key)
        decided = control.flags.explain(key, body.subject, body.attributes)
        return Explained(
            key=key,
            subject=body.subject,
            value=decided.value,
            step=decided.step,
            reason=decided.reason,
            detail=decided.detail,
            version=control.flags.version,
            forced=dict(view.forced),
        )


def _changing(router: APIRouter, control: FlagsControl) -> None:
    @router.post("", responses=REFUSALS, summary="Set flags, all of them or none")
    async def set_values(body: SetBody, request: Request) -> ChangedShown:
        values = {**control.flags.parse(body.texts), **body.values}
        if not values:
            raise FlagRefusedError("nothing is to be set; name a flag and its value")
        changed = await control.flags.set(
            values, actor=actor(request), reason=body.reason, expect_version=body.expect_version
        )
        return await _told(control, changed, body)

    @router.post("/-/reset", responses=REFUSALS, summary="Bring flags back to their safe values")
    async def reset(body: ResetBody, request: Request) -> ChangedShown:
        changed = await control.flags.reset(
            body.keys, actor=actor(request), reason=body.reason, expect_version=body.expect_version
        )
        return await _told(control, changed, body)

    @router.put("/{key}/targeting", responses=REFUSALS, summary="Say who gets what instead of a flag's value")
    async def target(key: FlagKey, body: TargetBody, request: Request) -> ChangedShown:
        changed = await control.flags.target(
            key, body.targeting, actor=actor(request), reason=body.reason, expect_version=body.expect_version
        )
        return await _told(control, changed, body)

    @router.delete("/{key}/targeting", responses=REFUSALS, summary="Give everybody a flag's value again")
    async def untarget(key: FlagKey, request: Request, asked: Annotated[Waiting, Query()]) -> ChangedShown:
        changed = await control.flags.target(
            key, None, actor=actor(request), reason=asked.reason, expect_version=asked.expect_version
        )
        return await _told(control, changed, asked)


def _remembered(router: APIRouter, control: FlagsControl) -> None:
    @router.get("/-/history", responses=KEPT, summary="Changes of all flags, newest first")
    async def history(limit: Limit = PAGE, before: Before = None) -> History:
        return _page(await control.flags.history(None, limit=limit, before=before), limit)

    @router.get("/{key}/history", responses=KEPT, summary="Changes of one flag, newest first")
    async def of_one(key: FlagKey, limit: Limit = PAGE, before: Before = None) -> History:
        return _page(await control.flags.history(key, limit=limit, before=before), limit)

    @router.get("/-/at", responses=KEPT, summary="The flags as they stood at a version or a time")
    async def at(
        version: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        seconds: Annotated[float | None, Query(ge=0, le=1e12, allow_inf_nan=False, description="Unix seconds")] = None,
    ) -> AsOfShown:
        if (version is None) is (seconds is None):
            raise UnknownFlagError("name either a version or a time: ?version=41, or ?seconds=1792000000")
        found = await control.flags.at(version=version, seconds=seconds)
        if found is None:
            raise UnknownFlagError(
                f"there is no flags version {version} yet; the present one is {control.flags.version}"
            )
        return AsOfShown.model_validate(found)


def _carried(router: APIRouter, control: FlagsControl) -> None:
    @router.get("/-/export", summary="Values and targeting of all flags, to be imported elsewhere")
    async def export() -> dict[str, Any]:
        return control.flags.export()

    @router.post("/-/import", responses=REFUSALS, summary="Bring flags to what an export says, all of them or none")
    async def bring(body: ImportBody, request: Request) -> ChangedShown:
        changed = await control.flags.import_(
            body.content, actor=actor(request), reason=body.reason, expect_version=body.expect_version
        )
        return await _told(control, changed, body)


async def _told(control: FlagsControl, changed: Changed, asked: Waiting) -> ChangedShown:
    """Say what was done; if it was asked for, once every reader has applied it or the time is up."""
    told = ChangedShown.model_validate(changed).model_copy(update={"message": in_words(changed)})
    if asked.wait:
        timeout = asked.timeout if asked.timeout is not None else control.flag_settings.wait
        applied = await control.flags.applied(changed.version, timeout)
        told.applied = AppliedShown.model_validate(applied)
    return told


def in_words(changed: Changed) -> str:
    """Say what a change did."""
    if not changed.changes:
        return f"nothing to change; the flags version is {changed.version}"
    named = ", ".join(difference.key for difference in changed.changes)
    kept = "" if changed.written else "; it is not written down yet, and a restart before it is would forget it"
    return f"changed {named}; the flags version is {changed.version}{kept}"


def _page(found: Sequence[Any], limit: int) -> History:
    changes = [RememberedShown.model_validate(one) for one in found]
    return History(changes=changes, before=changes[-1].seq if len(changes) == limit else None)
