"""The notices' routes: who was told of a changed flag or could not be, and telling it again.

Above: `app`.  Below: `orchestrator.flags.notices`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Protocol

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field

from orchestrator.api.callers import actor
from orchestrator.api.flags.models import FlagRefused, Shown
from orchestrator.api.models import Asking, Refused
from orchestrator.flags.service import FlagsService

PAGE: Final = 50
"""Notices a page has."""
NUMBERS: Final = 1000
"""Notices that one request may name."""
UNREAD: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Refused},
    503: {"model": FlagRefused, "description": "the notices cannot be read, or written"},
}

Number = Annotated[int, Field(ge=1, le=2**62)]


class NoticeShown(Shown):
    """What one destination is, or was, to be told."""

    seq: int = Field(description="its number; pages end at one, and a retry names it")
    id: str = Field(description="name of the delivery, the same at every try")
    destination: str = Field(description="its kind, a webhook's host, and eight digits")
    flag: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int = Field(description="tries so far")
    created: float = Field(description="when the flag was changed, Unix seconds")
    due: float = Field(description="while pending the next try, else when it ended; Unix seconds")
    error: str = Field("", description="what the last try met")


class NoticeList(BaseModel):
    """A page of notices, newest first."""

    notices: list[NoticeShown]
    before: int | None = Field(description="ask for the next page with this; null on the last one")


class RetryBody(Asking):
    """Have failed notices delivered again."""

    numbers: list[Number] | None = Field(None, max_length=NUMBERS, description="which; all that failed without")


class Retried(BaseModel):
    """What a retry did."""

    count: int = Field(description="notices that are to be delivered again")
    message: str = Field(description="the same in words")


class NoticesControl(Protocol):
    """What these routes need of the daemon."""

    @property
    def flags(self) -> FlagsService:
        """The flags, whose notices they are."""
        ...


def add(app: FastAPI, control: NoticesControl) -> None:
    """Add the routes to the app."""

    @app.get("/v1/notices", tags=["flags"], responses=UNREAD, summary="Notices, newest first")
    async def notices(
        state: Literal["pending", "delivered", "failed"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
        before: Annotated[int | None, Query(ge=1, le=2**62, description="the last number of the page before")] = None,
    ) -> NoticeList:
        found = await control.flags.notices.page(limit, state=state, before=before)
        shown = [NoticeShown.model_validate(one) for one in found]
        return NoticeList(notices=shown, before=shown[-1].seq if len(shown) == limit else None)

    @app.post("/v1/notices/retry", tags=["flags"], responses=UNREAD, summary="Deliver failed notices again")
    async def retry(body: RetryBody, request: Request) -> Retried:
        count = await control.flags.notices.again(body.numbers, actor=actor(request), reason=body.reason)
        told = "no notice had failed" if not count else f"{count} to be delivered again, oldest first"
        return Retried(count=count, message=told)
