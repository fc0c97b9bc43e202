"""What the daemon says itself: the MCP methods whose answer belongs to the session, not to a worker."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, negotiate
from orchestrator.proxy.session_value import SessionValue

INITIALIZE = "initialize"
DISCOVER = "server/discover"
PING = "ping"
CANCELLED = "notifications/cancelled"
INITIALIZED = "notifications/initialized"
SWALLOWED = frozenset({INITIALIZED, "notifications/roots/list_changed", "notifications/progress"})
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


SET_LEVEL = "logging/setLevel"
SUBSCRIBE = "resources/subscribe"
UNSUBSCRIBE = "resources/unsubscribe"
REMEMBERED = frozenset({INITIALIZE, SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE})
"""Requests whose effect belongs to the session: a worker that takes another's place is told again."""

LEVELS = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
"""The log levels there are; a worker refuses any other, and the one before stays in force."""


class _Setting(msgspec.Struct):
    level: Any = ""
    uri: Any = ""


class _SettingRequest(msgspec.Struct):
    params: _Setting = msgspec.field(default_factory=_Setting)


def remember(session: SessionValue, method: str, tail: bytes | memoryview) -> None:
    """Note in the session what a request of its client sets (`tail`: the request from its id on)."""
    if method == INITIALIZE:
        introduce(session, tail)
        return
    told = _setting(tail)
    if method == SET_LEVEL and isinstance(told.level, str) and told.level in LEVELS:
        session.log_level = told.level
    elif method != SET_LEVEL and isinstance(told.uri, str):
        session.subscriptions = [uri for uri in session.subscriptions if uri != told.uri]
        if method == SUBSCRIBE:
            session.subscriptions.append(told.uri)


def forget(session: SessionValue, tail: bytes | memoryview) -> None:
    """Drop a subscription that came to nothing."""
    gone = uri_of(tail)
    session.subscriptions = [uri for uri in session.subscriptions if uri != gone]


def setting_of(method: str, tail: bytes | memoryview) -> Json:
    """Return the parameters by which another worker can be told of the same setting."""
    told = _setting(tail)
    return {"level": told.level} if method == SET_LEVEL else {"uri": told.uri}


def uri_of(tail: bytes | memoryview) -> Any:
    """Return the resource that a request names."""
    return _setting(tail).uri


def _setting(tail: bytes | memoryview) -> _Setting:
    try:
        return msgspec.json.decode(b"".join((b'{"id":0', tail)), type=_SettingRequest).params
    except msgspec.MsgspecError:
        return _Setting()


def introduce(session: SessionValue, tail: bytes | memoryview) -> None:
    """Note in the session what its client said of itself in `initialize` (`tail`: the request from its id on)."""
    try:
        asked = msgspec.json.decode(b"".join((b'{"id":0', tail)), type=_Request).params
    except msgspec.MsgspecError:
        asked = _Initialize()
    session.asked_version = asked.version if isinstance(asked.version, str) else HANDSHAKE_VERSIONS[-1]
    session.client = asked.client if isinstance(asked.client, dict) else {}
    session.capabilities = asked.capabilities if isinstance(asked.capabilities, dict) else {}


def answer(method: str, session: SessionValue, handshake: Json) -> Json:
    """Answer a call that the daemon answers itself."""
    if method == INITIALIZE:
        return initialize(session, handshake)
    return discover(handshake) if method == DISCOVER else {}


def initialize(session: SessionValue, handshake: Json) -> Json:
    """Answer a client's `initialize` from a worker's handshake.

    Args:
        session: changed: the version it is answered with.
        handshake: the worker's own `initialize` result.

    Returns:
        The result: the worker's server info, instructions and capabilities, `listChanged` always advertised because
        a switch can change every list.
    """
    offered = handshake.get("protocolVersion")
    version = offered if isinstance(offered, str) else HANDSHAKE_VERSIONS[-1]
    session.version = negotiate(session.asked_version, version)
    return {**handshake, "protocolVersion": session.version, "capabilities": advertised(handshake.get("capabilities"))}


DIGITS = 18
"""Digits of a generation's number at most: SQLite's integers have no more."""


def mark_state(state: str, generation: int) -> str:
    """Return a worker's `requestState` as clients get it: with the generation that alone understands it."""
    return f"{generation}~{state}"


def unmark_state(state: str) -> tuple[int, str] | None:
    """Take a `requestState` apart again; None when the daemon never gave it."""
    generation, mark, rest = state.partition("~")
    return (int(generation), rest) if mark and is_generation(generation) else None


def is_generation(text: str) -> bool:
    """Tell whether text from outside can be a generation's number, and not one so long that reading it is an attack."""
    return len(text) <= DIGITS and text.isascii() and text.isdecimal()


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
