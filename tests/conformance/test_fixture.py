"""The fixture is the same server in both eras and over both transports, also in what the conformance suite never asks.

What passes here directly is what the daemon is later held to; so the fixture has to be right first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError
from suite import FIXTURE, fixture_over_http

pytestmark = [
    pytest.mark.requirement("CONF-1"),
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

LEGACY: Final = "legacy"
MODES: Final = (LEGACY, "2026-07-28")
WATCHED: Final = "test://watched-resource"
PATIENCE: Final = 60.0


class Person:
    """A client that answers whatever it is asked and remembers what it was told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    async def elicited(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        self.asked.append(params.mode)
        return types.ElicitResult(action="accept", content=None if params.mode == "url" else {"name": "Ada"})

    async def roots(self, context: Any) -> types.ListRootsResult:
        del context
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada")])

    async def told(self, message: Any) -> None:
        self.heard.put_nowait(getattr(message, "method", type(message).__name__))


@asynccontextmanager
async def connected(transport: str, mode: Any, person: Person) -> AsyncIterator[Client]:
    """An SDK client of a fixture of its own."""

    def client(server: str | StdioServerParameters) -> Client:
        return Client(
            server,
            mode=mode,
            elicitation_callback=person.elicited,
            list_roots_callback=person.roots,
            message_handler=person.told,
        )

    if transport == "stdio":
        async with client(StdioServerParameters(command=FIXTURE[0], args=list(FIXTURE[1:]))) as connection:
            yield connection
        return
    async with fixture_over_http() as url, client(url) as connection:
        yield connection


def text(result: types.CallToolResult) -> str:
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("mode", MODES)
async def test_tools_ask_the_client_in_every_era_over_every_transport(transport: str, mode: str) -> None:
    person = Person()
    async with asyncio.timeout(PATIENCE), connected(transport, mode, person) as client:
        greeting = await client.call_tool("test_input_required_result_elicitation", {})
        roots = await client.call_tool("test_list_roots", {})
        signed_in = await client.call_tool("test_elicitation_url", {})
    assert text(greeting) == "Hello, Ada!"
    assert text(roots) == "file:///home/ada"
    assert text(signed_in).startswith("Elicitation completed: action=accept")
    assert person.asked == ["form", "url"]


async def test_a_handshake_client_hears_of_what_it_subscribed_to_and_of_changed_lists() -> None:
    person = Person()
    async with asyncio.timeout(PATIENCE), connected("stdio", LEGACY, person) as client:
        await client.subscribe_resource(WATCHED)
        await client.call_tool("test_trigger_resource_update", {"uri": WATCHED})
        await client.call_tool("test_trigger_tool_change", {})
        await client.call_tool("test_trigger_prompt_change", {})
        heard = [await person.heard.get() for _ in range(3)]
        tools = {tool.name for tool in (await client.list_tools()).tools}
    assert heard == [
        "notifications/resources/updated",
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
    ]
    assert "test_dynamic_tool" in tools


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_stateless_client_hears_of_what_it_listens_to(transport: str) -> None:
    person = Person()
    async with (
        asyncio.timeout(PATIENCE),
        connected(transport, "2026-07-28", person) as client,
        client.listen(tools_list_changed=True, resource_subscriptions=[WATCHED]) as changes,
    ):
        await client.call_tool("test_trigger_prompt_change", {})
        await client.call_tool("test_trigger_resource_update", {"uri": WATCHED})
        await client.call_tool("test_trigger_tool_change", {})
        heard = [type(await anext(changes)).__name__ for _ in range(2)]
    assert heard == ["ResourceUpdated", "ToolsListChanged"]


@pytest.mark.parametrize(("mode", "code"), [(LEGACY, -32002), ("2026-07-28", types.INVALID_PARAMS)])
async def test_a_resource_that_is_not_there_is_refused_with_the_code_of_the_era(mode: str, code: int) -> None:
    async with asyncio.timeout(PATIENCE), connected("stdio", mode, Person()) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource("test://nowhere")
    assert (refused.value.code, refused.value.data) == (code, {"uri": "test://nowhere"})
