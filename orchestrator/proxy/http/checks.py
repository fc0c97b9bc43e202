"""What is decided about a request from its head alone: served or not, with which status, and in which era.

Pure.  Above: `door`.  Below: `access`, `request`, `refusal`.
"""

from __future__ import annotations

from typing import Final

from orchestrator.domain.access import TokenRefusedError
from orchestrator.domain.errors import UNSUPPORTED_VERSION
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, STATELESS_VERSION, Era
from orchestrator.proxy.http.access import Access
from orchestrator.proxy.http.refusal import BAD_REQUEST, NOT_FOUND, Refusal
from orchestrator.proxy.http.request import Request, accepts, is_json

PATH: Final = b"/mcp"
METHODS: Final = frozenset({b"GET", b"POST", b"DELETE"})
VERSION: Final = b"mcp-protocol-version"
SESSION: Final = b"mcp-session-id"
INVALID_TOKEN: Final = b'WWW-Authenticate: Bearer realm="switchover", error="invalid_token"\r\n'
"""RFC 6750 section 3.1: expired, revoked, or of another kind."""

_HANDSHAKE: Final = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
_STATELESS: Final = STATELESS_VERSION.encode()


def screen(request: Request, access: Access, body_bytes: int) -> Refusal | None:
    """Decide whether a request is looked at; who sent it is noted in it.

    Args:
        request: its head; `caller` is filled in.
        access: who may call.
        body_bytes: longest body that is read.

    Returns:
        The first reason to refuse it, None when there is none.
    """
    return _refused_caller(request, access) or _refused_form(request, body_bytes)


def preflight(request: Request) -> bool:
    """Tell whether a browser asks what a page of another origin may send."""
    return request.method == b"OPTIONS" and b"origin" in request.headers


def era_of(request: Request) -> Era:
    """Tell the era of a request; without the header, or with a handshake version, it is the handshake's."""
    version = request.headers.get(VERSION)
    return Era.HANDSHAKE if version is None or version in _HANDSHAKE else Era.STATELESS


def refuse_version(request: Request) -> Refusal | None:
    """Refuse a GET or DELETE whose version has neither: the stateless era has only POST."""
    version = request.headers.get(VERSION)
    if version is None or version in _HANDSHAKE:
        return None
    if version == _STATELESS:
        return not_allowed(b"POST")
    return unsupported(version)


def unsupported(version: bytes, client_id: bytes = b"") -> Refusal:
    """Refuse a protocol version nobody here speaks."""
    requested = version.decode("latin-1")
    reason = f"protocol version {requested} is not supported; supported: {STATELESS_VERSION}, or a handshake"
    data = {"supported": [STATELESS_VERSION], "requested": requested}
    return Refusal(BAD_REQUEST, reason, UNSUPPORTED_VERSION, data, client_id)


def not_allowed(allowed: bytes) -> Refusal:
    """Refuse an HTTP method."""
    reason = f"this HTTP method is not served here; {allowed.decode()} is"
    return Refusal(405, reason, fields=b"Allow: %b\r\n" % allowed)


def _refused_caller(request: Request, access: Access) -> Refusal | None:
    if request.path != PATH:
        return Refusal(NOT_FOUND, "there is nothing here; MCP is served at /mcp")
    return _refused_page(request, access) or (None if preflight(request) else _refused_token(request, access))


def _refused_page(request: Request, access: Access) -> Refusal | None:
    headers = request.headers
    host, origin = headers.get(b"host"), headers.get(b"origin")
    if host is None or b"host" in request.repeated:
        return Refusal(BAD_REQUEST, "a request has exactly one Host header")
    if origin is not None and b"origin" in request.repeated:
        return Refusal(403, "a request has at most one Origin header")
    refused = access.refused_page(host, origin, "http")
    return None if refused is None else Refusal(*refused)


def _refused_token(request: Request, access: Access) -> Refusal | None:
    try:
        caller = access.caller(request.headers.get(b"authorization", b""))
    except TokenRefusedError as error:
        return Refusal(401, str(error), fields=INVALID_TOKEN)
    if caller is None:
        reason = "show a bearer token this server knows: `Authorization: Bearer TOKEN` (http.token_file, http.tokens)"
        return Refusal(401, reason, fields=b'WWW-Authenticate: Bearer realm="switchover"\r\n')
    request.caller = caller
    return None


def _refused_form(request: Request, body_bytes: int) -> Refusal | None:
    if request.declared > body_bytes:
        return too_long(body_bytes)
    if request.method == b"POST":
        return _refused_post(request)
    if request.method == b"GET" and not accepts(request.headers.get(b"accept", b""))[1]:
        return Refusal(406, "a GET is answered with a stream: send `Accept: text/event-stream`")
    return None if request.method in METHODS or preflight(request) else not_allowed(b"GET, POST, DELETE")


def _refused_post(request: Request) -> Refusal | None:
    if not is_json(request.headers.get(b"content-type", b"")) or b"content-type" in request.repeated:
        return Refusal(415, "a message is JSON: send `Content-Type: application/json`")
    if not all(accepts(request.headers.get(b"accept", b""))):
        return Refusal(406, "an answer may be either: send `Accept: application/json, text/event-stream`")
    return None


def too_long(body_bytes: int) -> Refusal:
    """Refuse a body over the limit."""
    return Refusal(413, f"the body is longer than {body_bytes} bytes (http.body_bytes)")
