"""A worker that asks its client: standard library only, one client, handshake era.

`ask` sends `sampling/createMessage` under an id of its own kind and answers with what its client said.  Other tools
tell who greeted it, what was set and subscribed; `note` logs a line first, `touch` says that a resource changed.
`--eager` makes it say so of each resource that is subscribed to, too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

told: dict[str, Any] = {"level": None, "subscribed": []}


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def receive() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def asked_back() -> Any:
    send(id="mine-1", method="sampling/createMessage", params={"messages": [], "maxTokens": 1})
    while True:
        message = receive()
        if message.get("id") == "mine-1":
            return message.get("result") or message.get("error")


def call(name: str) -> Any:
    if name == "ask":
        return asked_back()
    if name == "note":
        send(method="notifications/message", params={"level": "info", "data": "noted"})
    if name == "touch":
        send(method="notifications/resources/updated", params={"uri": "mem://one"})
    if name == "die":
        os._exit(9)
    return {**told, "pid": os.getpid(), "generation": int(os.environ["SWITCHOVER_GENERATION"])}


def answer(message: dict[str, Any]) -> dict[str, Any]:
    method, params = message["method"], message.get("params") or {}
    if method == "initialize":
        told["client"] = params
        capabilities = {"tools": {}, "logging": {}, "resources": {"subscribe": True}}
        info = {"name": "asking", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
    if method == "logging/setLevel":
        told["level"] = params["level"]
    elif method == "resources/subscribe":
        told["subscribed"].append(params["uri"])
        if "--eager" in sys.argv:
            send(method="notifications/resources/updated", params={"uri": params["uri"]})
    elif method == "resources/unsubscribe":
        told["subscribed"].remove(params["uri"])
    elif method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", "note", "touch")]}
    elif method == "resources/list":
        return {"resources": []}
    elif method == "resources/templates/list":
        return {"resourceTemplates": []}
    elif method == "tools/call":
        return {"content": [], "structuredContent": {"said": call(params["name"])}}
    return {}


while True:
    asked = receive()
    if "id" in asked and "method" in asked:
        send(id=asked["id"], result=answer(asked))
