"""A request of the stateless era against its headers: what `_meta` must hold, and what is said twice must agree.

Pure.  The order of the checks is the specification's: the first failure is the answer.  Above: `stateless`.  Below:
`mirrored` for the arguments that are mirrored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.domain.errors import INVALID_PARAMS, METHOD_NOT_FOUND
from orchestrator.domain.protocol import STATELESS_VERSION, VERSION_META
from orchestrator.proxy.http.checks import VERSION, unsupported
from orchestrator.proxy.http.mirrored import decoded
from orchestrator.proxy.http.refusal import BAD_REQUEST, HEADER_MISMATCH, NOT_FOUND, STATUS, Refusal
from orchestrator.proxy.http.request import Request

CAPABILITIES_META: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_META: Final = "io.modelcontextprotocol/clientInfo"
METHOD: Final = b"mcp-method"
NAME: Final = b"mcp-name"

GONE: Final = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Requests of the handshake era that this one no longer knows."""

NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose object is mirrored as `Mcp-Name`, and the parameter that names it."""

TASKS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
"""Methods of the tasks extension; their `taskId` may be mirrored likewise, and not all clients do."""


class Meta(msgspec.Struct, gc=False):
    """What every request says of its sender."""

    version: Any = msgspec.field(default=UNSET, name=VERSION_META)
    capabilities: Raw | UnsetType = msgspec.field(default=UNSET, name=CAPABILITIES_META)
    client: Raw | UnsetType = msgspec.field(default=UNSET, name=CLIENT_META)


class Params(msgspec.Struct, gc=False):
    """What of the parameters is held against headers."""

    meta: Meta | UnsetType = msgspec.field(default=UNSET, name="_meta")
    name: Any = UNSET
    uri: Any = UNSET
    task: Any = msgspec.field(default=UNSET, name="taskId")
    arguments: Raw | UnsetType = UNSET


class Envelope(msgspec.Struct, gc=False):
    """A request as the checks see it."""

    params: Params | UnsetType = UNSET


_decode = msgspec.json.Decoder(Envelope).decode
_NOTHING = Params()


class _Error(msgspec.Struct, gc=False):
    code: int = 0


class _Failed(msgspec.Struct, gc=False):
    error: _Error | UnsetType = UNSET


_decode_failed = msgspec.json.Decoder(_Failed).decode


def params_of(body: bytes) -> Params:
    """Read the parameters of a request that has been found to be one; of odd ones nothing."""
    try:
        params = _decode(body).params
    except (msgspec.MsgspecError, RecursionError):
        return _NOTHING
    return _NOTHING if params is UNSET else params


def refuse(request: Request, method: str, client_id: bytes, params: Params) -> Refusal | None:
    """Decide whether a request may be forwarded, mirrored arguments aside.

    Args:
        request: its headers.
        method: the JSON-RPC method.
        client_id: its id as written.
        params: what `params_of` read.
    """
    meta = params.meta
    if meta is UNSET or meta.version is UNSET or meta.capabilities is UNSET:
        reason = f"params._meta needs {VERSION_META} and {CAPABILITIES_META}"
        return Refusal(BAD_REQUEST, reason, INVALID_PARAMS, client_id=client_id)
    wrong = _disagreement(request, method, params, meta)
    if wrong is not None:
        return Refusal(BAD_REQUEST, wrong, HEADER_MISMATCH, client_id=client_id)
    if meta.version != STATELESS_VERSION:
        return unsupported(str(meta.version).encode(), client_id)
    if method in GONE:
        reason = f"there is no {method} in {STATELESS_VERSION}"
        return Refusal(NOT_FOUND, reason, METHOD_NOT_FOUND, client_id=client_id)
    return None


def _disagreement(request: Request, method: str, params: Params, meta: Meta) -> str | None:
    """Say which header does not mirror the message, None when all do."""
    headers = request.headers
    for name in (VERSION, METHOD, NAME):
        if name in request.repeated:
            return f"the header {name.decode()} comes more than once"
    if not isinstance(meta.version, str) or headers.get(VERSION) != meta.version.encode():
        return f"the header MCP-Protocol-Version and _meta's {VERSION_META} differ"
    if headers.get(METHOD) != method.encode():
        return "the header Mcp-Method and the message's method differ"
    return _misnamed(method, params, headers.get(NAME))


def _misnamed(method: str, params: Params, value: bytes | None) -> str | None:
    """Say that `Mcp-Name` does not mirror what the message is about, None when it does."""
    if method in TASKS:
        wrong = value is not None and decoded(value) != params.task
        return "the header Mcp-Name and params.taskId differ" if wrong else None
    member = NAMED.get(method)
    if member is None:
        return None
    named = params.name if member == "name" else params.uri
    wrong = named is not UNSET and (value is None or decoded(value) != named)
    return f"the header Mcp-Name and params.{member} differ" if wrong else None


def status_of(rest: bytes | memoryview) -> int:
    """Return the HTTP status an answer travels with.

    Args:
        rest: the answer from after its id on, beginning with the comma.
    """
    start = bytes(rest[:10])
    if start == b',"result":':
        return 200
    try:
        error = _decode_failed(b"".join((b'{"id":0', rest))).error
    except (msgspec.MsgspecError, RecursionError):
        return 200
    return 200 if error is UNSET else STATUS.get(error.code, 200)
