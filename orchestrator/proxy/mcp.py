"""What the daemon says itself: the MCP methods whose answer belongs to the session, not to a worker."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, negotiate
from orchestrator.proxy.session import SessionValue

INITIALIZE = "initialize"
DISCOVER = "server/discover"
PING = "ping"
CANCELLED = "notifications/cancelled"
SWALLOWED = frozenset({"notifications/initialized", "notifications/roots/list_changed", "notifications/progress"})
"""Notifications of a client that end at the daemon: it did its own handshake and asks clients for nothing."""

LISTS = {
    "notifications/tools/list_changed": "tools",
    "notifications/resources/list_changed": "resources",
    "notifications/prompts/list_changed": "prompts",
}

Json = dict[str, Any]


class _Initialize(msgspec.Struct):
    version: Any = msgspec.field(default=None, name="protocolVersion")
    client: Any = msgspec.field(default=None, name="clientInfo")
    capabilities: Any = None


class _Request(msgspec.Struct):
    params: _Initialize = msgspec.field(default_factory=_Initialize)


def initialize(session: SessionValue, tail: bytes | memoryview, handshake: Json) -> Json:
    """Answer a client's `initialize` from a worker's handshake and note in the session what the client said.

    Args:
        session: changed: version, client and capabilities.
        tail: the client's request from after its id on.
        handshake: the worker's own `initialize` result.

    Returns:
        The result: the worker's server info, instructions and capabilities, `listChanged` always advertised because
        a switch can change every list.
    """
    try:
        asked = msgspec.json.decode(b"".join((b'{"id":0', tail)), type=_Request).params
    except msgspec.MsgspecError:
        asked = _Initialize()
    offered = handshake.get("protocolVersion")
    session.version = negotiate(asked.version, offered if isinstance(offered, str) else HANDSHAKE_VERSIONS[-1])
    session.client = asked.client if isinstance(asked.client, dict) else {}
    session.capabilities = asked.capabilities if isinstance(asked.capabilities, dict) else {}
    return {**handshake, "protocolVersion": session.version, "capabilities": advertised(handshake.get("capabilities"))}


def mark_state(state: str, generation: int) -> str:
    """Return a worker's `requestState` as clients get it: with the generation that alone understands it."""
    return f"{generation}~{state}"


def unmark_state(state: str) -> tuple[int, str] | None:
    """Take a `requestState` apart again; None when the daemon never gave it."""
    generation, mark, rest = state.partition("~")
    return (int(generation), rest) if mark and generation.isdecimal() else None


def discover(handshake: Json) -> Json:
    """Answer a client's `server/discover` from the worker's own result."""
    return {**handshake, "capabilities": advertised(handshake.get("capabilities"))}


def advertised(capabilities: object) -> Json:
    """Return a worker's capabilities as clients are told them."""
    told: Json = dict(capabilities) if isinstance(capabilities, dict) else {}
    for name in ("tools", "resources", "prompts"):
        if isinstance(told.get(name), dict):
            told[name] = {**told[name], "listChanged": True}
    return told
