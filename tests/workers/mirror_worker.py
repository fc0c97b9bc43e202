"""A worker that shows what reached it: every answer is the request itself, and every second word is about it.

Progress for a call that wants it, a log message, a question to the client when the call says `ask`: all of it is a
function of the request alone, so what a client hears from this worker directly and through the daemon can be compared
byte for byte.  Standard library only.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from typing import Any

Json = dict[str, Any]

CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "prompts": {"listChanged": True},
    "logging": {},
    "completions": {},
}
TOOLS = [{"name": "mirror", "inputSchema": {"type": "object"}}, {"name": "ask", "inputSchema": {"type": "object"}}]
LISTS = {"tools/list": "tools", "resources/list": "resources", "prompts/list": "prompts"}
UNKNOWN = -32601

waiting: deque[Json] = deque()
"""Requests that came while the client was being asked something."""


def say(message: Json) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def ask(number: Any, params: Any) -> Any:
    """Ask the client something and return its whole answer but the id."""
    say({"id": f"q{number}", "method": "sampling/createMessage", "params": {"messages": [], "about": params}})
    while "method" in (heard := json.loads(sys.stdin.readline())):
        waiting.append(heard)
    assert heard.pop("id") == f"q{number}"
    return heard


def without_token(params: Any) -> tuple[Any, Any]:
    """Take the progress token out of parameters; return it, or None, and the parameters that are left."""
    if not isinstance(params, dict) or not isinstance(params.get("_meta"), dict):
        return None, params
    meta = dict(params["_meta"])
    token = meta.pop("progressToken", None)
    return token, {**params, "_meta": meta}


def answer(message: Json) -> None:
    """Answer one request."""
    number, method = message["id"], message["method"]
    token, params = without_token(message.get("params"))
    if method == "initialize":
        told = {"protocolVersion": params["protocolVersion"], "capabilities": CAPABILITIES, "instructions": "look"}
        say({"id": number, "result": {**told, "serverInfo": {"name": "mirror", "version": "1", "x-more": [1, 2.5]}}})
        return
    if method in LISTS:
        say(
            {
                "id": number,
                "result": {LISTS[method]: TOOLS if method == "tools/list" else [], "_meta": {"seen": params}},
            }
        )
        return
    if method == "ping":
        say({"id": number, "result": {}})
        return
    if token is not None:
        for step in (0.5, 1):
            say({"method": "notifications/progress", "params": {"progressToken": token, "progress": step, "x": params}})
    if method.startswith("unknown/"):
        error = {"code": UNKNOWN, "message": f"no method {method}", "data": {"params": params}}
        say({"id": number, "error": error})
        return
    asked = isinstance(params, dict) and params.get("name") == "ask"
    reply = ask(number, params) if asked else None
    say(
        {
            "id": number,
            "result": {"content": [], "structuredContent": {"method": method, "saw": params}, "asked": reply},
        }
    )


def take(message: Json) -> None:
    """Answer a request and all that came meanwhile; a notification needs no answer."""
    waiting.append(message)
    while waiting:
        oldest = waiting.popleft()
        if "id" in oldest:
            answer(oldest)


def main() -> None:
    """Answer requests until stdin closes."""
    while line := sys.stdin.readline():
        take(json.loads(line))


if __name__ == "__main__":
    main()
