"""A worker of the stateless era (MCP 2026-07-28), standard library only: it refuses `initialize`.

Arguments: names of the tools it lists.  `begin` asks for input and gives a state that only this generation takes back;
`emit` sends a notification to every listener; `who` names the generation.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

VERSION = "2026-07-28"
TAG = "io.modelcontextprotocol/subscriptionId"
GENERATION = os.environ.get("SWITCHOVER_GENERATION", "0")

listeners: list[Any] = []


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def notify(method: str, listener: Any, **params: Any) -> None:
    send(method=method, params={**params, "_meta": {TAG: listener}})


def call(name: str, params: dict[str, Any]) -> dict[str, Any]:
    if name == "begin":
        state = params.get("requestState")
        if state is None:
            return {"resultType": "input_required", "requestState": f"made by {GENERATION}"}
        if state != f"made by {GENERATION}":
            raise ValueError("that state is not mine")
    if name == "emit":
        for listener in listeners:
            notify("notifications/resources/updated", listener, uri="mem://one")
    structured = {"generation": int(GENERATION), "listeners": len(listeners)}
    return {"resultType": "complete", "content": [], "structuredContent": structured}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    method, params = asked["method"], asked.get("params", {})
    if method == "server/discover":
        capabilities = {"tools": {}, "resources": {}}
        return {"resultType": "complete", "supportedVersions": [VERSION], "capabilities": capabilities}
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in sys.argv[1:]]
        return {"resultType": "complete", "tools": tools, "ttlMs": 60_000, "cacheScope": "public"}
    if method in {"resources/list", "resources/templates/list"}:
        return {"resultType": "complete", "resources": [], "resourceTemplates": [], "ttlMs": 0, "cacheScope": "public"}
    if method == "tools/call":
        return call(params["name"], params)
    raise LookupError(method)


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("method") == "notifications/cancelled" and asked["params"]["requestId"] in listeners:
            listeners.remove(asked["params"]["requestId"])
        if "id" not in asked:
            continue
        if asked["method"] == "subscriptions/listen":
            listeners.append(asked["id"])
            notify("notifications/subscriptions/acknowledged", asked["id"], notifications={"toolsListChanged": True})
            continue
        try:
            send(id=asked["id"], result=answer(asked))
        except ValueError as error:
            send(id=asked["id"], error={"code": -32602, "message": str(error)})
        except LookupError as error:
            send(id=asked["id"], error={"code": -32601, "message": f"no method {error}"})


main()
