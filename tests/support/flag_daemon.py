"""A running daemon with flags, gates and all doors open, for tests of what stands at them.

Above: integration tests.  Below: `daemon`, `flag_registry`.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from daemon import RunningDaemon
from flag_registry import declared
from waiting import WORKERS, eventually

TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's
OPERATOR = {"authorization": f"Bearer {TOKEN}"}
ANSWER = 60.0
"""Seconds an answer may take."""

FLAGS = """
[flags.tool-access]
type = "bool"
default = false
safe = false

[flags.limit]
type = "int"
default = 3
safe = 1

[flags.rate]
type = "float"
default = 2.0
safe = 0.0

[flags.theme]
type = "object"
default = { colour = "blue" }
safe = {}
"""

CONFIG = """
[flags]
file = "{registry}"
[control]
listen = "127.0.0.1:0"
tokens = ["ops:{token}"]
[access.tools]
gated = "tool-access"
"""


def flag_worker() -> list[str]:
    """Return the command of the worker that reads flags."""
    return [sys.executable, str(WORKERS / "flag_worker.py")]


def start(folder: Path, *options: str) -> RunningDaemon:
    """Start the daemon; its registry is written into `folder`."""
    config = CONFIG.format(registry=declared(folder, FLAGS), token=TOKEN)
    return RunningDaemon.start(flag_worker(), config=config, options=("--http", "127.0.0.1:0", *options))


async def control_url(daemon: RunningDaemon) -> str:
    """Return where it serves the control API over TCP."""
    lines = await eventually(lambda: daemon.log("control door open"))
    return str(lines[-1]["url"])


async def mcp_url(daemon: RunningDaemon) -> str:
    """Return where it serves MCP over HTTP."""
    lines = await eventually(lambda: daemon.log("http door open"))
    return str(lines[-1]["url"])


def over_tcp(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Make one request over TCP; return status and answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the test's own daemon
        url + path, data, {"content-type": "application/json", **headers}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER) as response:  # noqa: S310 - likewise
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def set_flags(daemon: RunningDaemon, **values: Any) -> None:
    """Set flags; a dash in a key is written as two underscores."""
    body = {"values": {key.replace("__", "-"): value for key, value in values.items()}}
    status, answer = daemon.control("POST", "/v1/flags", body)
    assert status == 200, answer


def target(daemon: RunningDaemon, key: str, targeting: Any) -> None:
    """Target a flag, or nobody."""
    method = "DELETE" if targeting is None else "PUT"
    status, answer = daemon.control(method, f"/v1/flags/{key}/targeting", targeting and {"targeting": targeting})
    assert status == 200, answer
