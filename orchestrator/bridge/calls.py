"""A client's requests that are not answered yet, and what becomes of one when the daemon is lost under it.

Above: `conversation`.  Below: `domain.protocol` knows which methods have no effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.bridge import messages
from orchestrator.domain.protocol import READ_ONLY_METHODS
from orchestrator.proxy import codec

INITIALIZE: Final = "initialize"
LISTEN: Final = "subscriptions/listen"
CALL: Final = "tools/call"

SESSION_METHODS: Final = frozenset({INITIALIZE, "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Requests that set something in the session: it is set anew after a loss, so doing it twice does no harm."""

SENDS: Final = 3
"""A call that was lost with this many daemons is not sent again; it may be what kills them."""


class Fate(Enum):
    """What becomes of a request whose daemon was lost."""

    SEND = "send again"
    ASK = "ask whether its tool is read-only"
    LOSE = "answer worker_lost"
    DROP = "nobody waits for it"


class Request(msgspec.Struct, eq=False):
    """One request of the client.

    Attributes:
        id: as the client wrote it.
        method: the JSON-RPC method.
        line: the request as it came, without newline.
        sends: daemons it has been sent to.
        sent: whether the present daemon has it.
        until: time (as the caller counts it) at which it is answered if no daemon has taken it by then.
        fallback: what it is answered with then; None for the bridge's own words.
        acknowledged: for `subscriptions/listen`: the client has seen the acknowledgement.
        cancelled: for `subscriptions/listen`: the client has ended it.
        asked: whether the daemon has asked the client something while it had this.
    """

    id: bytes
    method: str
    line: bytes
    sends: int = 0
    sent: bool = False
    until: float = math.inf
    fallback: bytes | None = None
    acknowledged: bool = False
    cancelled: bool = False
    asked: bool = False


def fate(request: Request) -> Fate:
    """Decide what becomes of a request whose daemon was lost after it was sent."""
    if request.cancelled:
        return Fate.DROP
    if request.method in SESSION_METHODS or request.method == LISTEN:
        return Fate.SEND
    if request.sends >= SENDS or request.asked:
        return Fate.LOSE
    if request.method in READ_ONLY_METHODS:
        return Fate.SEND
    return Fate.ASK if request.method == CALL else Fate.LOSE


class _Annotations(msgspec.Struct, gc=False):
    read_only: Any = msgspec.field(default=None, name="readOnlyHint")


class _Tool(msgspec.Struct, gc=False):
    name: str = ""
    annotations: _Annotations | None = None


class ToolPage(msgspec.Struct, gc=False):
    """A page of `tools/list`, as deep as the bridge reads it."""

    tools: list[_Tool] = []
    cursor: str | None = msgspec.field(default=None, name="nextCursor")

    def read_only(self) -> dict[str, bool]:
        """Return, for each tool, whether it says that it has no effect."""
        return {tool.name: tool.annotations is not None and tool.annotations.read_only is True for tool in self.tools}


def page_of(message: codec.Message) -> ToolPage:
    """Read an answer to `tools/list`; an error, or a list of another shape, vouches for no tool."""
    return messages.lenient(message.result, ToolPage)


def tool_of(request: Request) -> str:
    """Return the name of the tool that a `tools/call` calls, "" for none."""
    return messages.lenient(messages.params_of(messages.read(request.line)).name, str)


def meta_of(request: Request) -> bytes | None:
    """Return a request's `_meta` without its progress token, as JSON text; None where nothing is left of it.

    It has what decides about era and assignment key: a question asked with it goes where the call would go.
    """
    meta = messages.params_of(messages.read(request.line)).meta
    members = messages.lenient(meta, dict[str, Raw])
    members.pop("progressToken", None)
    return msgspec.json.encode(members) if members else None


def by_meta(requests: Iterable[Request]) -> dict[bytes | None, list[Request]]:
    """Group calls by whom their question would reach."""
    groups: dict[bytes | None, list[Request]] = {}
    for request in requests:
        groups.setdefault(meta_of(request), []).append(request)
    return groups


def list_tools(meta: bytes | None, cursor: str | None) -> bytes:
    """Build what follows the id in a `tools/list` request."""
    params: dict[str, Any] = {} if meta is None else {"_meta": Raw(meta)}
    if cursor is not None:
        params["cursor"] = cursor
    text: Raw | UnsetType = Raw(msgspec.json.encode(params)) if params else UNSET
    return codec.request_tail("tools/list", text)
