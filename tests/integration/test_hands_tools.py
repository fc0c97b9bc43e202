"""The tools of the hands as a client sees them: over the protocol, with their hints and their refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import TextContent

from workers.reference.hands.settings import HandSettings
from workers.reference.tools.commands import CommandTools
from workers.reference.tools.files import FileTools
from workers.reference.tools.web import WebTools
from workers.reference.world import World

pytestmark = pytest.mark.requirement("HAND-7")

LIMIT = 60
HINTS = {
    # name: read only, destructive, idempotent, open world
    "cmd_run": (False, False, False, False),
    "fs_read": (True, False, True, False),
    "fs_write": (False, True, True, False),
    "web_fetch": (True, False, True, True),
    "screenshot": (True, False, True, True),
}


@asynccontextmanager
async def connected(root: Path, *, dry_run: bool = False, state: Path | None = None) -> AsyncIterator[Client]:
    """Serve the tools on a work tree and connect the official client."""
    world = World(root, state or root, dry_run)
    web = WebTools(world, lambda: False, HandSettings())
    tools = [*CommandTools(world, lambda: True, HandSettings()).tools(), *FileTools(world).tools(), *web.tools()]
    with anyio.fail_after(LIMIT):
        async with Client(MCPServer("hands", tools=tools)) as client:
            yield client
    await web.aclose()


async def told(client: Client, tool: str, **arguments: object) -> str:
    """Call a tool that must refuse and return what it says."""
    result = await client.call_tool(tool, arguments)
    (block,) = result.content
    assert result.is_error
    assert isinstance(block, TextContent)
    return block.text


def is_empty(folder: Path) -> bool:
    """Tell whether nothing is in a folder."""
    return not list(folder.iterdir())


async def test_every_tool_says_truly_what_it_does(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == HINTS.keys()
    for tool in tools:
        hints = tool.annotations
        assert hints is not None
        assert tool.output_schema is not None
        found = (hints.read_only_hint, bool(hints.destructive_hint), hints.idempotent_hint, hints.open_world_hint)
        assert found == HINTS[tool.name]


async def test_what_is_written_is_seen_by_a_command_and_read_again(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        written = await client.call_tool("fs_write", {"path": "a/b.txt", "content": "hello\n"})
        seen = await client.call_tool("cmd_run", {"command": "cat a/b.txt"})
        read = await client.call_tool("fs_read", {"path": "a/b.txt"})
    assert written.structured_content is not None
    assert (written.structured_content["created"], written.structured_content["size"]) == (True, 6)
    assert seen.structured_content is not None
    assert seen.structured_content["stdout"] == "hello\n"
    assert read.structured_content is not None
    assert read.structured_content["content"] == "hello\n"


async def test_refusals_and_bad_arguments_are_told_in_one_sentence(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        assert (await told(client, "cmd_run", command="rm -rf .")).startswith(
            "Error executing tool cmd_run: [DANGER_GATES] rm"
        )
        assert "seconds: Input should be less than or equal to 120" in await told(
            client, "cmd_run", command="ls", seconds=999
        )
        assert "command: Input should be a valid string" in await told(client, "cmd_run", command=["ls"])
        assert "'../x' climbs out of its folder" in await told(client, "fs_read", path="../x")
        assert "there is no file x in the work tree" in await told(client, "fs_read", path="x")
        assert "content: Field required" in await told(client, "fs_write", path="x")
        assert "is no web address" in await told(client, "web_fetch", url="file:///etc/passwd")
        assert "which is no public address" in await told(client, "web_fetch", url="http://127.0.0.1/", rendered=True)
        assert "which is no public address" in await told(client, "screenshot", url="http://localhost/")
        assert "width: Input should be" in await told(client, "screenshot", url="http://x/", width=1)
    assert is_empty(tmp_path)


async def test_a_dry_run_refuses_by_the_tools_name_what_has_effects_outside_its_state(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    async with connected(root, dry_run=True, state=tmp_path / "state") as client:
        assert "fs_write is refused: this process is a dry run" in await told(client, "fs_write", path="x", content="y")
        assert "cmd_run is refused: this process is a dry run" in await told(client, "cmd_run", command="touch x")
        assert "web_fetch is refused: this process is a dry run" in await told(client, "web_fetch", url="http://x/")
        assert "screenshot is refused: this process is a dry run" in await told(client, "screenshot", url="http://x/")
        assert not (await client.call_tool("cmd_run", {"command": "ls"})).is_error
    assert is_empty(root)
