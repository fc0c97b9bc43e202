"""`subscriptions/listen` across two daemons: the second acknowledgement is not shown, what may have changed is.

Above: `conversation`.  Below: `messages`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from orchestrator.bridge import messages
from orchestrator.proxy import codec

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


class _Honoured(msgspec.Struct, gc=False):
    """What a daemon promises to tell (`params.notifications` of the acknowledgement)."""

    tools: bool = msgspec.field(default=False, name="toolsListChanged")
    resources: bool = msgspec.field(default=False, name="resourcesListChanged")
    prompts: bool = msgspec.field(default=False, name="promptsListChanged")
    uris: list[Any] = msgspec.field(default=[], name="resourceSubscriptions")


class _Meta(msgspec.Struct, gc=False):
    subscription: Raw = msgspec.field(default=Raw(b""), name=messages.SUBSCRIPTION_META)


def subscription_of(message: codec.Message) -> bytes:
    """Return the id of the `subscriptions/listen` request a notification belongs to, empty for none."""
    return bytes(messages.lenient(messages.params_of(message).meta, _Meta).subscription)


def changes(message: codec.Message) -> list[bytes]:
    """Return, for an acknowledgement, every notification it promises: nobody knows what happened before it."""
    params = messages.params_of(message)
    honoured = messages.lenient(params.notifications, _Honoured)
    tag = {"_meta": {messages.SUBSCRIPTION_META: Raw(subscription_of(message))}}
    lists = [name for name in ("tools", "resources", "prompts") if getattr(honoured, name)]
    return [
        *(messages.notification(f"notifications/{name}/list_changed", tag) for name in lists),
        *(messages.notification("notifications/resources/updated", {"uri": uri, **tag}) for uri in honoured.uris),
    ]
