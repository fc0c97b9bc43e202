"""A worker that reads the live flags, in whichever era it is asked: the kit and the standard library only.

Tools: `open` answers always, `gated` is for a test to put behind a gate, `flag` answers the value of a flag.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from switchover_kit import flags

TAG = "io.modelcontextprotocol/subscriptionId"
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("open", "gated", "flag")]
INFO = {"name": "flags", "version": "1"}
CAPABILITIES: dict[str, Any] = {"tools": {}}

live = flags()


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def call(params: dict[str, Any]) -> dict[str, Any]:
    key = params.get("arguments", {}).get("key", "")
    told = {"pid": os.getpid(), "value": live.value(key), "version": live.version}
    return {"resultType": "complete", "content": [], "structuredContent": told}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "serverInfo": INFO}
    if method == "server/discover":
        return {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES}
    if method == "tools/list":
        return {"resultType": "complete", "tools": TOOLS, "ttlMs": 60_000, "cacheScope": "public"}
    return call(params) if method == "tools/call" else None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "subscriptions/listen":
        told = {"notifications": {"toolsListChanged": True}, "_meta": {TAG: asked["id"]}}
        send(method="notifications/subscriptions/acknowledged", params=told)
        continue
    result = answer(asked["method"], asked.get("params", {}))
    if result is None:
        send(id=asked["id"], error={"code": -32601, "message": f"no method {asked['method']}"})
    else:
        send(id=asked["id"], result=result)
