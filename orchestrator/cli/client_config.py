"""How MCP clients are told to start `switchover connect`, each in the format it documents.

Above: the verb `connect`.  Below: `settings.paths`, the rule by which the daemon is found.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.settings.paths import locate

Json = dict[str, Any]

STDIO: Final = {"type": "stdio"}

CLIENTS: Final[Mapping[str, tuple[str, Json]]] = {
    "claude": ("mcpServers", {}),
    "cursor": ("mcpServers", STDIO),
    "vscode": ("servers", STDIO),
    "json": ("", {}),
}
"""For each client: the member of its file that holds the servers, and what an entry has besides its command.

Claude Desktop: claude_desktop_config.json, Claude Code: .mcp.json (https://modelcontextprotocol.io/docs,
https://code.claude.com/docs/en/mcp).  Cursor: ~/.cursor/mcp.json (https://cursor.com/docs/context/mcp).  VS Code:
.vscode/mcp.json (https://code.visualstudio.com/docs/copilot/reference/mcp-configuration).
"""


@dataclass(frozen=True, slots=True)
class Start:
    """How a client starts the bridge.

    Attributes:
        command: absolute path of a program.
        args: its arguments.
        env: variables it needs besides the client's own.
    """

    command: str
    args: list[str]
    env: dict[str, str] = field(default_factory=dict)


def start_of(state_dir: Path | None, wait: float | None, environ: Mapping[str, str], program: str) -> Start:
    """Return how to start a bridge that finds the daemon which the same options find here.

    A client does not share this shell's environment: what it decided here is written down.

    Args:
        state_dir: as given on the command line.
        wait: seconds, None for the default.
        environ: this process's environment.
        program: what this process was started as (`sys.argv[0]`).

    Raises:
        SettingsError: see `settings.locate`.
    """
    paths = locate(state_dir, environ)
    anywhere = {name: environ[name] for name in ("HOME",) if name in environ}
    words = [*_program(program), "connect"]
    if state_dir is not None or paths.state_dir != locate(None, anywhere).state_dir:
        words += ["--state-dir", str(paths.state_dir)]
    if wait is not None:
        words += ["--wait", f"{wait:g}"]
    env = {} if paths.runtime_dir == paths.state_dir / "run" else {"RUNTIME_DIRECTORY": str(paths.runtime_dir)}
    return Start(words[0], words[1:], env)


def rendered(client: str, name: str, start: Start) -> str:
    """Return a client's configuration as JSON text.

    Args:
        client: one of `CLIENTS`.
        name: what the client calls the server.
        start: how the client starts it.
    """
    member, besides = CLIENTS[client]
    entry: Json = {**besides, "command": start.command, "args": start.args}
    if start.env:
        entry["env"] = start.env
    whole = {member: {name: entry}} if member else {"name": name, **entry}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _program(program: str) -> list[str]:
    """Return an absolute command that starts this executable again, wherever the client's PATH leads."""
    started_as = Path(program).absolute()
    installed = Path(sys.executable).with_name("switchover")
    for path in (started_as, installed):
        if path.name == "switchover" and path.is_file():
            return [str(path)]
    return [sys.executable, "-m", "orchestrator"]
