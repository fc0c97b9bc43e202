"""Readiness: a worker is ready when it has answered the MCP handshake and shown its lists."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.ports import Link
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, STATELESS_VERSION, Era

PAGES = 1000
"""Pages of one list read at most: a worker whose cursor never ends must not hold readiness up."""

CLIENT = {"name": "switchover", "version": "0.1.0"}


async def handshake(link: Link, era: Era, hello: dict[str, Any] | None = None) -> None:
    """Make a worker ready.

    Args:
        link: its pipes; `era`, `handshake` and the lists are filled in.
        era: how to open: `initialize`, or `server/discover` for a worker that refused that.
        hello: parameters of `initialize` when a client's own are to be used; the daemon's otherwise.

    Raises:
        RequestFailedError: it answered the opening with an error.
        StartError: it answered nonsense, or was lost.
    """
    link.era = era
    if era is Era.HANDSHAKE:
        offer = {"protocolVersion": HANDSHAKE_VERSIONS[-1], "capabilities": {}, "clientInfo": CLIENT}
        answer = await link.request("initialize", hello or offer)
    else:
        answer = await link.request("server/discover", {"_meta": stateless_meta()})
    if not isinstance(answer, dict):
        raise StartError("the worker's handshake answer is not an object")
    link.handshake = answer
    if era is Era.HANDSHAKE:
        link.notify("notifications/initialized")
    await learn(link)


LISTS = {
    "tools": (("tools/list", "tools"),),
    "resources": (("resources/list", "resources"), ("resources/templates/list", "resourceTemplates")),
    "prompts": (("prompts/list", "prompts"),),
}
"""For each kind of list: the methods that give it and the member of their results."""


async def learn(link: Link) -> None:
    """Read the lists a worker announced; one it cannot give counts as empty: it is as ready as any.

    Raises:
        StartError: it was lost meanwhile.
    """
    capabilities = link.handshake.get("capabilities")
    announced = capabilities if isinstance(capabilities, dict) else {}
    lists: dict[str, list[Any]] = {}
    for kind, sources in LISTS.items():
        if kind in announced:
            lists[kind] = [item for method, member in sources for item in await _pages(link, method, member)]
    link.learn(lists)


async def _pages(link: Link, method: str, member: str) -> list[Any]:
    items: list[Any] = []
    cursor: Any = None
    for _ in range(PAGES):
        params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if link.era is Era.STATELESS:
            params["_meta"] = stateless_meta()
        try:
            page = await link.request(method, params)
        except RequestFailedError:
            break
        if not isinstance(page, dict) or not isinstance(page.get(member), list):
            break
        items += page[member]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    return items


def stateless_meta() -> dict[str, Any]:
    """Return the `_meta` members that every request of the stateless era carries."""
    return {
        "io.modelcontextprotocol/protocolVersion": STATELESS_VERSION,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
