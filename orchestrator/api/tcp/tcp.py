"""The control plane's door over TCP: looks at host, page and token of every request before the app sees it.

Above: `doors` opens it.  Below: `proxy.http.access` for who may call, `over_tcp` for what is served, `pages` for
what browsers are told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.tcp import over_tcp
from orchestrator.api.tcp import pages as tcp_pages
from orchestrator.domain.access import Caller, TokenRefusedError
from orchestrator.proxy.http.access import Access
from orchestrator.telemetry.logging import get_logger

log = get_logger("api")

LONGEST: Final = 4 << 20
"""Bytes of a request's body; an export of many flags is far below."""
STREAM: Final = "/ofrep/v1/events"
"""The one path that a ticket in the address opens: an EventSource cannot send a token."""
UNKNOWN: Final = (
    "show a bearer token this server knows: `Authorization: Bearer TOKEN` "
    "(control.token_file, control.tokens, or one of POST /v1/tokens)"
)
WHO: Final = {"www-authenticate": 'Bearer realm="switchover"'}
INVALID: Final = {"www-authenticate": 'Bearer realm="switchover", error="invalid_token"'}

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served."""

    status: int
    reason: str
    headers: dict[str, str] | None = None


class TcpDoor:
    """Stands before the app.

    Attributes:
        access: who may call; replaced on a reload.
    """

    def __init__(self, app: ASGIApp, access: Access, admits: Callable[[str], str | None]) -> None:
        """Build it; `admits` tells whose ticket for the change stream a text is."""
        self.access = access
        self._app = app
        self._admits = admits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say why not."""
        page = self._listed_page(scope)
        if page is not None and tcp_pages.is_preflight(scope["method"], scope["headers"]):
            await _agree(send, tcp_pages.agreement(page, scope["headers"]))
            return
        send = send if page is None else _adding(send, tcp_pages.readable(page))
        judged = self._judge(scope)
        if isinstance(judged, Refusal):
            log.info("control request refused", peer=_peer(scope), path=scope["path"], status=judged.status)
            await JSONResponse({"reason": judged.reason}, judged.status, judged.headers)(scope, receive, send)
            return
        state = {**scope.get("state", {}), "caller": judged}
        who = (f"token:{judged.subject}", 0) if judged.subject else ("unknown", 0)
        await self._app({**scope, "state": state, "client": who}, receive, send)

    def _judge(self, scope: Scope) -> Caller | Refusal:
        headers: Headers = scope["headers"]
        return self._page(scope["path"], headers) or _body(headers) or self._caller(scope, headers)

    def _listed_page(self, scope: Scope) -> bytes | None:
        """Return the origin of a listed page that uses what it may, None for everybody else."""
        if not scope["path"].startswith(tcp_pages.PLACE) or self._page(scope["path"], scope["headers"]) is not None:
            return None
        (origin,) = _all(scope["headers"], b"origin") or (None,)
        return origin if tcp_pages.is_listed(origin, self.access.origins) else None

    def _page(self, path: str, headers: Headers) -> Refusal | None:
        hosts, origins = _all(headers, b"host"), _all(headers, b"origin")
        if len(hosts) != 1 or len(origins) > 1:
            return Refusal(400, "a request has exactly one Host header and at most one Origin")
        origin = origins[0] if origins else None
        if (refused := self.access.refused_page(hosts[0], origin, "control")) is not None:
            return Refusal(*refused)
        if path.startswith(tcp_pages.PLACE) or not tcp_pages.is_listed(origin, self.access.origins):
            return None
        return Refusal(403, f"pages of control.allowed_origins may use {tcp_pages.PLACE} and nothing else")

    def _caller(self, scope: Scope, headers: Headers) -> Caller | Refusal:
        method, path = scope["method"], scope["path"]
        if path in over_tcp.OPEN:
            return Caller("")
        shown = _all(headers, b"authorization")
        try:
            known = self.access.caller(shown[0]) if len(shown) == 1 else None
        except TokenRefusedError as error:
            return Refusal(401, str(error), INVALID)
        if known is None and path == STREAM:
            known = self._ticket(scope)
        if known is None:
            return Refusal(401, UNKNOWN, WHO)
        reason = over_tcp.refused(method, path, known)
        return known if reason is None else Refusal(403, reason)

    def _ticket(self, scope: Scope) -> Caller | None:
        tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [])
        subject = self._admits(tickets[0]) if len(tickets) == 1 else None
        return None if subject is None else Caller(subject)


async def _agree(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer a preflight."""
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _adding(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """Return what sends an answer with more headers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sending


def _all(headers: Headers, name: bytes) -> list[bytes]:
    return [value for known, value in headers if known == name]


def _body(headers: Headers) -> Refusal | None:
    declared = _all(headers, b"content-length")
    if _all(headers, b"transfer-encoding"):
        return Refusal(411, "say how long the body is: send `Content-Length`")
    if declared and declared[0].isdigit() and int(declared[0]) > LONGEST:
        return Refusal(413, f"the body is longer than {LONGEST} bytes")
    return None


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"
