"""The MCP server: every tool over one store.

Above it stands `__main__`, which opens the store and runs the server; below it the tools.
"""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer

from workers.reference.store import Store
from workers.reference.tools.reviews import ReviewTools
from workers.reference.tools.status import Identity, StatusTools
from workers.reference.tools.tasks import TaskTools
from workers.reference.tools.toolbox import Now

NAME = "switchover-reference"
INSTRUCTIONS = (
    "A queue of tasks that agents work on. plan adds a task, plan_next shows what comes next, dispatch gives the next "
    "ready task to an agent, report hands the agent's work in with evidence, verify judges the evidence."
)


def build(store: Store, identity: Identity, now: Now) -> MCPServer[Any]:
    """Put the server together.

    Args:
        store: the task store; whoever opened it closes it.
        identity: what this process knows of itself.
        now: returns the present time, with time zone.
    """
    tools = [
        *TaskTools(store, now).tools(),
        *ReviewTools(store, now).tools(),
        *StatusTools(store, identity).tools(),
    ]
    return MCPServer(NAME, version=identity.version, instructions=INSTRUCTIONS, tools=tools)
