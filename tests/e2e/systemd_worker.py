"""A worker whose one tool runs a command, so that a test sees what a worker may do under the units' sandbox.

Standard library only.  `--gate` makes it report itself to the events FIFO and then answer its handshake only once
somebody writes to the gate FIFO; `--stray` makes it leave a process behind that ignores SIGTERM.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SHARE = Path("/run/share")
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
TOOL = {"name": "run", "description": "Run a command.", "inputSchema": {"type": "object"}}


def stray() -> None:
    """Leave a process behind, in a session of its own, once it ignores SIGTERM."""
    child = subprocess.Popen([sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()


def wait_at_gate() -> None:
    """Say who is here, then wait until the test opens the gate."""
    (SHARE / "events").write_text(f"worker {os.getpid()}\n")
    with (SHARE / "gate").open() as gate:
        gate.readline()


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run `argv` and return its exit status and output as a tool result."""
    done = subprocess.run(arguments["argv"], capture_output=True, text=True, timeout=60, check=False)
    text = json.dumps({"status": done.returncode, "output": done.stdout + done.stderr})
    return {"content": [{"type": "text", "text": text}]}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one request."""
    match method:
        case "initialize":
            if "--gate" in sys.argv:
                wait_at_gate()
            version = params.get("protocolVersion", "2025-11-25")
            server = {"name": "systemd-worker", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            return run(params["arguments"])
        case _:
            return {}


def main() -> None:
    """Answer requests until stdin closes."""
    if "--stray" in sys.argv:
        stray()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            result = answer(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
