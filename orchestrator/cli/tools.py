"""`switchover tools`: what the worker offers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.control import paths_of
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.mcp_client import McpClient
from orchestrator.cli.terminal import Cell, columns, has_colours, heading, is_terminal, show
from orchestrator.telemetry.render import BOLD, printable

HINTS: Final = {"readOnlyHint": "read-only", "idempotentHint": "idempotent", "destructiveHint": "destructive"}
"""The annotations shown; only what a tool says of itself, none of the protocol's defaults."""

TIMEOUT: Final = 60.0
"""Seconds for the list: a worker that is just being started has `worker.start_timeout` (30 s) for that."""


@click.command("tools")
@click.option("--json", "as_json", is_flag=True, help="Print the list as the worker gives it.")
@state_dir_option
def command(*, as_json: bool, state_dir: Path | None) -> None:
    """List the worker's tools, what they say they do to the world, and what they are for."""
    with McpClient(paths_of(state_dir).tools_socket, TIMEOUT) as client:
        tools = client.collect("tools/list", "tools") if "tools" in client.handshake.get("capabilities", {}) else []
    if as_json:
        show(json.dumps(tools, indent=2, ensure_ascii=False))
    elif tools:
        for line in table([tool for tool in tools if isinstance(tool, dict)], colour=has_colours(sys.stdout)):
            click.echo(line)
    else:
        click.echo("the worker offers no tools", err=True)


def table(tools: list[dict[str, Any]], *, colour: bool, width: int | None = None) -> list[str]:
    """Return aligned lines, one a tool under a heading.

    Args:
        tools: as in a result of `tools/list`.
        colour: whether to style them.
        width: columns to keep to; by default the terminal's, and no bound in a pipe.
    """
    rows = [[Cell(printable(str(tool.get("name", "")))), Cell(hints(tool)), Cell(purpose(tool))] for tool in tools]
    if width is None and is_terminal(sys.stdout):
        width = shutil.get_terminal_size().columns
    if width is not None:
        room = width - sum(max(len(row[index].text) for row in rows) + 2 for index in (0, 1))
        rows = [[*row[:2], Cell(_cut(row[2].text, max(room, 20)))] for row in rows]
    styled = [[Cell(row[0].text, BOLD), *row[1:]] for row in rows]
    return columns([heading("tool", "hints", "description"), *styled], colour=colour)


def hints(tool: dict[str, Any]) -> str:
    """Return what a tool says it does to the world, `-` when it says nothing."""
    annotations = tool.get("annotations")
    said = annotations if isinstance(annotations, dict) else {}
    return ", ".join(word for name, word in HINTS.items() if said.get(name) is True) or "-"


def purpose(tool: dict[str, Any]) -> str:
    """Return the first line of a tool's description."""
    lines = str(tool.get("description") or "").strip().splitlines()
    return printable(lines[0]) if lines else ""


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
