"""The MCP server: every tool over one store.

Above it stands `__main__`, which opens the store and runs the server; below it the tools.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CancelScope
from mcp.server.mcpserver import MCPServer

from workers.reference.ending import Ending
from workers.reference.hands.settings import HandSettings
from workers.reference.modes import Gates, Modes
from workers.reference.store import Store
from workers.reference.tools.commands import CommandTools
from workers.reference.tools.files import FileTools
from workers.reference.tools.options import Options
from workers.reference.tools.outlook import OutlookTools
from workers.reference.tools.reviews import ReviewTools
from workers.reference.tools.status import Identity, StatusTools
from workers.reference.tools.tasks import TaskTools
from workers.reference.tools.toolbox import Now
from workers.reference.tools.web import WebTools
from workers.reference.world import World

NAME = "switchover-reference"
INSTRUCTIONS = (
    "A queue of tasks that agents work on. plan adds a task, plan_next shows what comes next, dispatch gives the next "
    "ready task to an agent, context tells it what to know, report_mo hands its work in with evidence, verify has "
    "critics judge it, plan_update changes a task by hand. cmd_run, fs_read and fs_write work in the work tree, "
    "web_fetch and screenshot look at the web."
)


def build(
    store: Store,
    identity: Identity,
    *,
    world: World,
    gates: Gates,
    hands: HandSettings,
    now: Now,
    ending: Ending | None = None,
) -> MCPServer[Any]:
    """Put the server together.

    Args:
        store: the task store; whoever opened it closes it.
        identity: what this process knows of itself.
        world: where it may work.
        gates: the feature flags, as they are for the subject of the call under way.
        hands: what the operator set about commands and browsers.
        now: returns the present time, with time zone.
        ending: counts the calls and learns what to close; None where nobody ends the process but itself.
    """
    modes = Modes(gates)
    options = Options(world.state_dir, modes)
    web = WebTools(world, lambda: modes.pooled_browsers, hands)

    @asynccontextmanager
    async def closing_browsers(_server: MCPServer[Any]) -> AsyncIterator[None]:
        if ending is not None:
            ending.opened(web.aclose)
        try:
            yield
        finally:
            with CancelScope(shield=True):
                await web.aclose()

    tools = [
        *TaskTools(store, modes, options, now).tools(),
        *OutlookTools(store, modes, options).tools(),
        *ReviewTools(store, modes, world, now).tools(),
        *StatusTools(store, modes, identity, web.status).tools(),
        *CommandTools(world, lambda: modes.strict_commands, hands).tools(),
        *FileTools(world).tools(),
        *web.tools(),
    ]
    server: MCPServer[Any] = MCPServer(
        NAME, version=identity.version, instructions=INSTRUCTIONS, tools=tools, lifespan=closing_browsers
    )
    if ending is not None:
        server.middleware.append(ending.counted)
    return server
