"""`subscriptions/listen` (stateless era): a call without an end, which outlives the worker it was sent to.

A movement of traffic sends the listener's request again to the generation that serves it now; its second
acknowledgement is swallowed, and what differs between the two lists is told under the client's own subscription id.
Above: `answers` and `dispatch` ask.  Below: `codec`.
"""

from __future__ import annotations

import math

import msgspec
from msgspec import UNSET, Raw

from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TAG = "io.modelcontextprotocol/subscriptionId"
WANTS = {"tools": "toolsListChanged", "resources": "resourcesListChanged", "prompts": "promptsListChanged"}
"""For each kind of list the member of the filter that asks for its changes."""


class _Filter(msgspec.Struct):
    notifications: dict[str, Raw] = {}


class _Request(msgspec.Struct):
    params: _Filter


def begin(call: Call) -> None:
    """Give a listener no deadline."""
    call.deadline = math.inf


def wants(call: Call, kind: str) -> bool:
    """Say whether a listener asked to hear of changes of a kind of list."""
    try:
        request = msgspec.json.decode(b"".join((b'{"id":0', call.tail)), type=_Request)
    except msgspec.MsgspecError:
        return False
    return request.params.notifications.get(WANTS[kind]) == Raw(b"true")


def tagged(line: bytes, call: Call) -> bytes:
    """Return a worker's notification with the listener's own subscription id, newline included."""
    message = codec.decode_message(line)
    params = message.params if message.params is not UNSET else Raw(b"{}")
    method = message.method if message.method is not UNSET else ""
    return codec.notification_line(method, codec.with_meta(params, TAG, call.client_id))


def changed(method: str, call: Call) -> bytes:
    """Build the notification that a list has changed for one listener."""
    return codec.notification_line(method, codec.with_meta(Raw(b"{}"), TAG, call.client_id))


def ended(line: bytes, call: Call) -> bytes:
    """Return a worker's final result with the listener's own subscription id, newline included."""
    result = codec.decode_message(line).result
    told = codec.with_meta(result if result is not UNSET else Raw(b"{}"), TAG, call.client_id)
    return b"".join((codec.PREFIX, call.client_id, b',"result":', told, b"}\n"))


def ending(call: Call) -> bytes:
    """Build the final result in the daemon's own name."""
    told = codec.with_meta(Raw(b'{"resultType":"complete"}'), TAG, call.client_id)
    return b"".join((codec.PREFIX, call.client_id, b',"result":', told, b"}\n"))
