"""An MCP server whose tools, all said to read only, reach out of their snapshot in every way a dry run has to stop.

`--break FILE` makes it write that file into its state on start, and refuse to start where it is there already: a
version whose state an older one cannot bear; `--rename` behind it, that it moves the rows of a table, which older ones
take for empty then.  Standard library only; one call at a time.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["SWITCHOVER_WORKER_STATE"])


def write(path: str) -> str:
    """Write a file somewhere, relative to the state; by way of a link when it is named so."""
    place = STATE / path
    if path.startswith("link:"):
        place = STATE / "link"
        place.symlink_to(path.removeprefix("link:"))
    place.write_text("x")
    return f"wrote {path}"


def change(what: str, path: str) -> str:
    """Change something about a file."""
    {"chmod": lambda: os.chmod(path, 0o700), "unlink": lambda: os.unlink(path),  # noqa: PTH101, PTH108 - as C does it
     "rename": lambda: os.rename(STATE / "mine", path), "utime": lambda: os.utime(path, (1, 1)),  # noqa: PTH104
     "mkdir": lambda: os.mkdir(path), "truncate": lambda: os.truncate(path, 0)}[what]()  # noqa: PTH102  # fmt: skip
    return f"{what} {path}"


def connect(host: str, port: int) -> str:
    """Connect over TCP."""
    with socket.create_connection((host, port), timeout=2):
        return "connected"


def datagram(host: str, port: int) -> str:
    """Send a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"x", (host, port))
    return "sent"


def unix(path: str) -> str:
    """Connect to a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(path)
    return "connected"


def listen() -> str:
    """Listen on this machine and talk to oneself."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        return "heard myself"


def kill(pid: int) -> str:
    """End another process."""
    os.kill(pid, 9)
    return "killed"


def database() -> str:
    """Use a database as a worker does."""
    with sqlite3.connect(STATE / "own.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (n)")
        connection.execute("INSERT INTO t VALUES (1)")
    return "stored"


TOOLS = {one.__name__: one for one in (write, change, connect, datagram, unix, listen, kill, database)}
DESCRIBED = [
    {"name": name, "description": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    for name in TOOLS
]


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer."""
    method, params = message["method"], message.get("params") or {}
    if method == "initialize":
        info = {"name": "escaping", "version": "1"}
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}}
    if method == "tools/list":
        return {"result": {"tools": DESCRIBED}}
    if method != "tools/call":
        return {"error": {"code": -32601, "message": "unknown"}}
    try:
        text, failed = TOOLS[params["name"]](**params.get("arguments", {})), False
    except OSError as error:
        text, failed = os.strerror(error.errno or 0), True
    return {"result": {"content": [{"type": "text", "text": text}], "isError": failed}}


def main() -> None:
    """Answer requests until stdin closes."""
    if sys.argv[1:2] == ["--break"]:
        broken = STATE / sys.argv[2]
        if broken.exists() and sys.argv[3:] == ["--refuse"]:
            sys.exit("this state belongs to a later version")
        if sys.argv[3:] == ["--leave"]:
            broken.write_text("x")
        if sys.argv[3:] == ["--rename"]:
            with sqlite3.connect(STATE / "own.db") as connection:
                connection.execute("ALTER TABLE t RENAME TO later")
                connection.execute("CREATE TABLE t (n)")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}), flush=True)


if __name__ == "__main__":
    main()
