"""What the bridge reads of a line; everything else is passed on as it came.

Above: `conversation` and what belongs to it.  Below: `proxy.codec`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.domain.errors import Code
from orchestrator.proxy import codec

NUMBER_OR_STRING = frozenset(b'"-0123456789')
"""First bytes of the ids JSON-RPC allows."""

SUBSCRIPTION_META = "io.modelcontextprotocol/subscriptionId"
"""Member of `_meta` that names the `subscriptions/listen` request a notification belongs to (MCP 2026-07-28)."""

CANCELLED = "notifications/cancelled"

RESULT = b',"result":'
OWN_CODES = frozenset(int(code) for code in Code)
LONGEST_ID = 256
"""Bytes within which the short way of finding an answer's id looks for its end."""


class Params(msgspec.Struct, gc=False):
    """The members of any parameters that the bridge reads, as JSON text."""

    name: Raw | UnsetType = UNSET
    uri: Raw | UnsetType = UNSET
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")
    request: Raw | UnsetType = msgspec.field(default=UNSET, name="requestId")
    notifications: Raw | UnsetType = UNSET


class Why(msgspec.Struct, gc=False):
    """The `data` of the daemon's own errors."""

    retryable: bool = False
    generation: int | None = None
    reason: str = ""


class Failure(msgspec.Struct, gc=False):
    """A JSON-RPC error."""

    code: int = 0
    message: str = ""
    data: Any = None


T = TypeVar("T")


def read(line: bytes) -> codec.Message | None:
    """Read a message's envelope; None for a line that is no JSON-RPC message."""
    try:
        return codec.decode_message(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def lenient(text: Raw | UnsetType, shape: type[T]) -> T:
    """Read JSON text as a shape; what does not have that shape counts as empty."""
    if text is not UNSET:
        try:
            return msgspec.json.decode(text, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    return shape()


def params_of(message: codec.Message | None) -> Params:
    """Return what the bridge reads of a message's parameters."""
    return Params() if message is None else lenient(message.params, Params)


def failure_of(message: codec.Message) -> Failure:
    """Return a message's error."""
    return lenient(message.error, Failure)


def why_of(failure: Failure) -> Why:
    """Return what the daemon says about an error of its own; empty for a worker's error."""
    if failure.code not in OWN_CODES:
        return Why()
    try:
        return msgspec.convert(failure.data, Why)
    except msgspec.ValidationError:
        return Why()


def is_farewell(message: codec.Message) -> bool:
    """Tell whether an answer only says that the daemon is about to stop and takes nothing more.

    That is the one `no_worker` of the daemon's that names no generation.
    """
    failure = failure_of(message)
    why = why_of(failure)
    return failure.code == Code.NO_WORKER and why.retryable and why.generation is None


def id_of_result(line: bytes) -> bytes | None:
    """Return the id of a result as the daemon writes most of them, without looking at the rest of the line.

    The comma found is the one after the id: inside of a string, `,"result":` would have its quotes escaped.
    """
    if line.startswith(codec.PREFIX):
        comma = line.find(b",", codec.ID_AT, codec.ID_AT + LONGEST_ID)
        if comma > 0 and line.startswith(RESULT, comma):
            return line[codec.ID_AT : comma]
    return None


def is_id(text: Raw | UnsetType) -> bool:
    """Tell whether JSON text is an id that a request may have."""
    return text is not UNSET and bytes(text)[0] in NUMBER_OR_STRING


def tail_of(message: codec.Message) -> bytes:
    """Return what follows the id in a request."""
    return codec.request_tail("" if message.method is UNSET else message.method, message.params)


def request_line(call_id: bytes, tail: bytes) -> bytes:
    """Put an id before what follows it in a request."""
    return b"".join((codec.PREFIX, call_id, tail))


def notification(method: str, params: Raw | dict[str, Any] | None = None) -> bytes:
    """Build a notification, without newline."""
    return codec.notification_line(method, params)[:-1]


def refusal(call_id: bytes, code: Code, reason: str, *, retryable: bool) -> bytes:
    """Build one of the daemon's own errors, without newline; no generation is known here."""
    return codec.refusal_line(call_id, code, reason, retryable=retryable, generation=None)[:-1]
