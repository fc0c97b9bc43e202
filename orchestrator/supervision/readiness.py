"""Readiness: a worker is ready when it has answered the MCP handshake and said which tools it has."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.ports import Link
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, STATELESS_VERSION, Era

PAGES = 1000
"""Pages of `tools/list` read at most: a worker whose cursor never ends must not hold readiness up."""

CLIENT = {"name": "switchover", "version": "0.1.0"}


async def handshake(link: Link, era: Era) -> None:
    """Make a worker ready.

    Args:
        link: its pipes; `era`, `handshake` and the tools' facts are filled in.
        era: how to open: `initialize`, or `server/discover` for a worker that refused that.

    Raises:
        RequestFailedError: it answered the opening with an error.
        StartError: it answered nonsense, or was lost.
    """
    link.era = era
    if era is Era.HANDSHAKE:
        offer = {"protocolVersion": HANDSHAKE_VERSIONS[-1], "capabilities": {}, "clientInfo": CLIENT}
        answer = await link.request("initialize", offer)
    else:
        answer = await link.request("server/discover", {"_meta": stateless_meta()})
    if not isinstance(answer, dict):
        raise StartError("the worker's handshake answer is not an object")
    link.handshake = answer
    if era is Era.HANDSHAKE:
        link.notify("notifications/initialized")
    await learn_tools(link)


async def learn_tools(link: Link) -> None:
    """Read a worker's tool list for its annotations; a worker without tools is as ready as any."""
    capabilities = link.handshake.get("capabilities")
    if not isinstance(capabilities, dict) or "tools" not in capabilities:
        return
    tools: list[Any] = []
    cursor: Any = None
    for _ in range(PAGES):
        params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if link.era is Era.STATELESS:
            params["_meta"] = stateless_meta()
        try:
            page = await link.request("tools/list", params)
        except RequestFailedError:
            return
        if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
            return
        tools += page["tools"]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    link.learn_tools(tools)


def stateless_meta() -> dict[str, Any]:
    """Return the `_meta` members that every request of the stateless era carries."""
    return {
        "io.modelcontextprotocol/protocolVersion": STATELESS_VERSION,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
