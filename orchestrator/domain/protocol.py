"""Facts of MCP that both the proxy and supervision need: versions, methods, what is safe to send twice.

Source: the MCP specification, revisions 2024-11-05 to 2026-07-28 (https://modelcontextprotocol.io/specification).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Era(StrEnum):
    """The two wire eras of MCP; SDK servers are locked to one by their first message."""

    HANDSHAKE = "handshake"
    STATELESS = "stateless"


class Place(NamedTuple):
    """What one process serves.

    Attributes:
        generation: number of the generation.
        era: wire era.
        session: id of the one session it serves, "" when it serves all.
    """

    generation: int
    era: Era
    session: str = ""


HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Versions that begin with `initialize`, oldest first (they sort by date)."""

STATELESS_VERSION = "2026-07-28"

LIST_METHODS = frozenset({"tools/list", "resources/list", "resources/templates/list", "prompts/list"})

READ_ONLY_METHODS = LIST_METHODS | {
    "resources/read",
    "prompts/get",
    "completion/complete",
    "server/discover",
    "ping",
    "tasks/get",
    "tasks/list",
    "tasks/result",
}
"""Requests without effects by specification; a tool call is read-only only when the tool says `readOnlyHint`."""

VERSION_META = "io.modelcontextprotocol/protocolVersion"
"""Member of `_meta` that names the version with every request of the stateless era."""

METRICS_META = "io.switchover/metrics"
KEY_META = "io.switchover/key"
ATTRIBUTES_META = "io.switchover/attributes"
"""Member of a request's `_meta` in which a client says more of its subject; see `proxy.attributes`."""


def negotiate(requested: object, offered: str) -> str:
    """Choose the handshake version a client is answered with.

    Args:
        requested: `protocolVersion` as the client sent it (any JSON value).
        offered: the version the worker negotiated with the daemon.

    Returns:
        The client's own version when it is known and not newer than the worker's, else the worker's.
    """
    if isinstance(requested, str) and requested in HANDSHAKE_VERSIONS and requested <= offered:
        return requested
    return offered
