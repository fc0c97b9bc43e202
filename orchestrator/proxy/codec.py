"""One JSON-RPC message a line: what routing needs is decoded, the rest is copied as it came.

Large parts stay `msgspec.Raw`: they are checked to be JSON and forwarded byte for byte.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.domain.errors import INTERNAL_ERROR, Code
from orchestrator.domain.protocol import ATTRIBUTES_META, KEY_META, VERSION_META
from orchestrator.proxy.outbox import LONG

Buffer = bytes | bytearray | memoryview


class Message(msgspec.Struct, gc=False):
    """The envelope of any message, payloads untouched.

    Attributes:
        id: the id as it was written (`7`, `"a"`), so it can be given back with its exact type.
        method: for requests and notifications.
        params: JSON text of the parameters.
        result: JSON text of a result.
        error: JSON text of an error.
    """

    id: Raw | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Meta(msgspec.Struct, gc=False):
    """What routing reads of `params._meta`."""

    token: Raw | UnsetType = msgspec.field(default=UNSET, name="progressToken")
    key: str | UnsetType = msgspec.field(default=UNSET, name=KEY_META)
    attributes: Raw | UnsetType = msgspec.field(default=UNSET, name=ATTRIBUTES_META)
    version: str | UnsetType = msgspec.field(default=UNSET, name=VERSION_META)


class Params(msgspec.Struct, gc=False):
    """What routing reads of a request's parameters: a tool's or prompt's name, `_meta`, what a worker gave along.

    `augment` asks for the call to be made a task.
    """

    name: str | UnsetType = UNSET
    state: str | UnsetType = msgspec.field(default=UNSET, name="requestState")
    task: str | UnsetType = msgspec.field(default=UNSET, name="taskId")
    augment: Raw | UnsetType = msgspec.field(default=UNSET, name="task")
    meta: Meta | UnsetType = msgspec.field(default=UNSET, name="_meta")


class Request(msgspec.Struct, gc=False):
    """A client's line as most of them are, decoded once and only as deep as routing needs."""

    id: Raw | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Params | UnsetType = UNSET


class ResultHead(msgspec.Struct, gc=False):
    """What the daemon reads of a result: whether the tool failed, what the client will come back with, and `_meta`."""

    failed: bool = msgspec.field(default=False, name="isError")
    state: str | UnsetType = msgspec.field(default=UNSET, name="requestState")
    task: str | UnsetType = msgspec.field(default=UNSET, name="taskId")
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


class Reply(msgspec.Struct, gc=False):
    """A line from a worker, decoded once and only as deep as needed."""

    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    result: ResultHead | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Tag(msgspec.Struct, gc=False):
    """The member of `_meta` by which notifications refer to a subscription."""

    id: int | str | UnsetType = msgspec.field(default=UNSET, name="io.modelcontextprotocol/subscriptionId")


class Notified(msgspec.Struct, gc=False):
    """The members by which notifications refer to calls."""

    request: Raw | UnsetType = msgspec.field(default=UNSET, name="requestId")
    token: int | str | UnsetType = msgspec.field(default=UNSET, name="progressToken")
    uri: str | UnsetType = UNSET
    meta: Tag | UnsetType = msgspec.field(default=UNSET, name="_meta")


decode_message = msgspec.json.Decoder(Message).decode
decode_params = msgspec.json.Decoder(Params).decode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
decode_notified = msgspec.json.Decoder(Notified).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode

NO_PARAMS = Params()
PREFIX = b'{"jsonrpc":"2.0","id":'
"""How most peers begin a line that has an id; such a line needs its id replaced and nothing else looked at."""
ID_AT = len(PREFIX)
CALL = "tools/call"
OWN_CALL = "tools/call (own)"
"""What the ledger calls a tool call of the daemon's own program, so that it counts as no client's (see `own`)."""
CALL_HEAD = b',"method":"tools/call","params":'
NULL = b"null"
RESULT = b',"result":'
ERROR = b',"error":'
LONGEST_ID = 24
BRACE = ord("}")
LAST_CALL = b'{"method":"tools/call","params":'
"""How the TypeScript SDK begins a tool call, whose id it writes last."""
LAST_RESULT = b'{"result":'
"""How it begins an answer."""
LAST_ID = b',"jsonrpc":"2.0","id":'
"""What it writes between the payload and the id, with which the line ends."""


def plain_call(line: bytes) -> tuple[bytes, Params, bytes | memoryview] | None:
    """Read a tool call as most clients write it, without a second look at the line.

    The line must be `PREFIX`, digits, `CALL_HEAD`, one whole JSON value and `}`: such a line has no second id that a
    worker might answer instead of the one the daemon gives it.

    The same holds for a call whose id comes last: `LAST_CALL`, the value, `LAST_ID`, digits and `}`.

    Returns:
        The id as it is written, what routing reads of the parameters, and the tail: what follows the id, from the comma
        on, such that `PREFIX + any id + tail` is the request.  None when the line is anything else.
    """
    comma = line.find(b",", ID_AT, ID_AT + LONGEST_ID)
    written = line[ID_AT:comma]
    if not (written.isdigit() and line.startswith(PREFIX) and line.startswith(CALL_HEAD, comma) and line[-1] == BRACE):
        return _call_with_last_id(line) if line.startswith(LAST_CALL) else None
    tail = line[comma:] if len(line) < LONG else memoryview(line)[comma:]
    try:
        return written, decode_params(tail[len(CALL_HEAD) : -1]), tail
    except (msgspec.MsgspecError, RecursionError):
        return None


def _call_with_last_id(line: bytes) -> tuple[bytes, Params, bytes] | None:
    """Read a line that begins with `LAST_CALL`; see `plain_call`."""
    end = line.rfind(LAST_ID, -LONGEST_ID - len(LAST_ID))
    written = line[end + len(LAST_ID) : -1]
    if not (end > 0 and written.isdigit() and line[-1] == BRACE):
        return None
    params = line[len(LAST_CALL) : end]
    try:
        return written, decode_params(params), b"".join((CALL_HEAD, params, b"}"))
    except (msgspec.MsgspecError, RecursionError):
        return None


def tail_of(line: bytes) -> bytes:
    """Return the tail of any request's line, built anew from its method and parameters."""
    message = decode_message(line)
    return request_tail(message.method if message.method is not UNSET else "", message.params)


def lenient_params(params: Raw | UnsetType) -> Params:
    """Read what can be read of parameters in which a member routing knows has an unexpected type."""
    known = Params()
    members = {} if params is UNSET else _members_of(params)
    known.name = _text(members.get("name"))
    known.state = _text(members.get("requestState"))
    known.task = _text(members.get("taskId"))
    known.augment = members.get("task", UNSET)
    if "_meta" in members:
        meta = _members_of(members["_meta"])
        known.meta = Meta(
            token=meta.get("progressToken", UNSET),
            key=_text(meta.get(KEY_META)),
            attributes=meta.get(ATTRIBUTES_META, UNSET),
            version=_text(meta.get(VERSION_META)),
        )
    return known


def _members_of(part: Raw) -> dict[str, Raw]:
    """Return an object's members, none of what is no object."""
    try:
        return _decode_object(part)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _text(member: Raw | None) -> str | UnsetType:
    try:
        return UNSET if member is None else msgspec.json.decode(member, type=str)
    except msgspec.MsgspecError:
        return UNSET


def request_tail(method: str, params: Raw | UnsetType) -> bytes:
    """Build what follows the id in a request's line."""
    if params is UNSET:
        return b"".join((b',"method":', _encode(method), b"}"))
    return b"".join((b',"method":', _encode(method), b',"params":', params, b"}"))


def answer_parts(line: bytes, client_id: bytes) -> tuple[bytes, bytes | memoryview]:
    """Return a worker's answer with the client's own id in place of the daemon's, in two parts, without newline.

    Args:
        line: the answer, which has been found to be one whole JSON object: so what it ends with as `LAST_ID` says are
            members of this object, for neither can begin in a string.
        client_id: the client's own id as written.
    """
    if line.startswith(LAST_RESULT):
        end = line.rfind(LAST_ID, -LONGEST_ID - len(LAST_ID))
        if end > 0 and line[-1] == BRACE and line[end + len(LAST_ID) : -1].isdigit():
            return PREFIX + client_id, b"".join((b",", line[1:end] if end < LONG else memoryview(line)[1:end], b"}"))
    if line.startswith(PREFIX):
        comma = line.find(b",", ID_AT)
        if comma > 0:
            return PREFIX + client_id, line[comma:] if len(line) < LONG else memoryview(line)[comma:]
    message = decode_message(line)
    member, payload = (b"result", message.result) if message.error is UNSET else (b"error", message.error)
    return PREFIX + client_id, b"".join((b',"', member, b'":', b"null" if payload is UNSET else payload, b"}"))


def is_answer(line: bytes, of: bytes) -> bool:
    """Tell whether a line the daemon built is the answer to `of`, and not a message about it."""
    after = ID_AT + len(of)
    return (
        (line.startswith(RESULT, after) or line.startswith(ERROR, after))
        and line.startswith(of, ID_AT)
        and line.startswith(PREFIX)
    )


def with_token(params: Raw, token: int | bytes) -> Raw:
    """Return parameters whose `_meta.progressToken` (a request) is `token`."""
    members = _decode_object(params)
    meta = _decode_object(members["_meta"])
    meta["progressToken"] = Raw(token) if isinstance(token, bytes) else Raw(b"%d" % token)
    members["_meta"] = Raw(_encode(meta))
    return Raw(_encode(members))


def with_member(params: Raw, name: str, value: bytes | None) -> Raw:
    """Return parameters with one member replaced by JSON text, or without it."""
    members = _decode_object(params)
    if value is None:
        members.pop(name, None)
    else:
        members[name] = Raw(value)
    return Raw(_encode(members))


def with_meta(params: Raw | Buffer, name: str, value: bytes) -> Raw:
    """Return an object with one member of its `_meta` replaced by JSON text."""
    return Raw(b"".join(_meta_parts(params, name, value)))


def _meta_parts(params: Raw | Buffer, name: str, value: bytes) -> list[bytes | Raw]:
    """Return the same as parts to be joined, so that what is large among them is copied once."""
    members = _decode_object(params)
    meta = _decode_object(members["_meta"]) if bytes(members.get("_meta", NULL)) != NULL else {}
    meta[name] = Raw(value)
    members["_meta"] = Raw(_encode(meta))
    parts = [part for member, raw in members.items() for part in (b",", _encode(member), b":", raw)]
    return [b"{", *parts[1:], b"}"]


def keyed_tail(tail: bytes | memoryview, key: str, *, bare: bool) -> bytes | memoryview:
    """Return a tool call's tail with an assignment key in its `_meta`; one whose parameters are no object as it is.

    Args:
        tail: see `plain_call`.
        key: the key.
        bare: whether the parameters are known to have members, and no `_meta` among them: then nothing is read, and a
            long tail is copied once.
    """
    written = b'"%b":%b' % (KEY_META.encode(), _encode(key))
    after = len(CALL_HEAD)
    if bare and tail[after : after + 1] == b"{":
        made = b"".join((CALL_HEAD, b'{"_meta":{', written, b"},", tail[after + 1 :]))
    else:
        params = tail[after:-1] if tail[:after] == CALL_HEAD else b"{}"
        try:
            made = b"".join((CALL_HEAD, *_meta_parts(params, KEY_META, _encode(key)), b"}"))
        except (msgspec.MsgspecError, RecursionError):
            return tail
    return made if len(made) < LONG else memoryview(made)


def with_result_member(line: bytes, name: str, value: bytes) -> bytes:
    """Return a worker's answer with one member of its result replaced by JSON text."""
    message = decode_message(line)
    if message.result is UNSET or message.id is UNSET:
        return line
    return b"".join((PREFIX, message.id, b',"result":', with_member(message.result, name, value), b"}"))


def notification_line(method: str, params: Raw | dict[str, Any] | None = None) -> bytes:
    """Build a notification line, newline included."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = params
    return _encode(message) + b"\n"


def call_line(call_id: str, method: str, params: Any) -> bytes:
    """Build a request in the daemon's own name."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": call_id, "method": method}
    if params is not None:
        message["params"] = params
    return _encode(message) + b"\n"


def reply_line(written_id: bytes, member: str, payload: Raw | UnsetType) -> bytes:
    """Build the line of an answer from JSON text: `member` is `result` or `error`."""
    told = b"null" if payload is UNSET else payload
    return b"".join((PREFIX, written_id, b',"', member.encode(), b'":', told, b"}\n"))


def result_line(client_id: bytes, result: Any) -> bytes:
    """Build an answer in the daemon's own name."""
    return b"".join((PREFIX, client_id, b',"result":', _encode(result), b"}\n"))


def error_line(client_id: bytes, code: int, message: str, data: Any = None) -> bytes:
    """Build an error answer; `client_id` is `null` where no request can be named."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if data is not None:
        error["data"] = data
    return b"".join((PREFIX, client_id, b',"error":', _encode(error), b"}\n"))


def foreign_error_line(client_id: bytes, error: dict[str, Any]) -> bytes:
    """Build an error answer from a worker's own error object."""
    return b"".join((PREFIX, client_id, b',"error":', _encode(error), b"}\n"))


def refusal_line(client_id: bytes, code: Code, reason: str, *, retryable: bool, generation: int | None) -> bytes:
    """Build one of the daemon's own errors with its `data` (reason, retryable, generation)."""
    data = {"reason": reason, "retryable": retryable, "generation": generation}
    return error_line(client_id, code, f"{code.name.lower()}: {reason}", data)


def decode_result(line: Buffer) -> tuple[Any, dict[str, Any] | None]:
    """Decode an answer to the daemon's own request: its result, or its error object."""
    message = decode_message(line)
    if message.error is UNSET:
        return (None if message.result is UNSET else msgspec.json.decode(message.result)), None
    try:
        return None, msgspec.json.decode(message.error, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None, {"code": INTERNAL_ERROR, "message": "the worker's error is not an object"}
