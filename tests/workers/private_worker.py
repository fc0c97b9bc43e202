"""An MCP server whose one tool tells secrets and personal data in every way that answers do, and can log them.

They stand still and vary, are members and their names, stand in text and in lists.  `--more` makes it another version;
with `--log` it writes what it told to stderr.
Standard library only; one call at a time.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import Any

MAIL = "anna.schmidt@example.org"
NEW_MAIL = "dora.maar@example.org"
KEY = "sk-live-4eC39HqLyjWDarjtT1zdp7dc"
BEARER = "abcDEF123456ghiJKL789mnoPQR"
OTHERS = ("bert.brecht@example.com", "clara.zetkin@example.net")
MARKS = ("anna.schmidt", "4eC39HqLyjWDarjtT1zdp7dc", BEARER, "bert.brecht", "clara.zetkin", "dora.maar")
"""What nobody may find again."""


def told(*, more: bool) -> dict[str, Any]:
    """Return what the tool says."""
    other = random.choice(OTHERS)
    return {
        "email": NEW_MAIL if more else MAIL,
        "api_key": KEY,
        "headers": {"Authorization": f"Bearer {BEARER}"},
        "line": f"{other} asked with Bearer {BEARER} and {KEY}",
        "by_user": {MAIL: {"open": 2}, other: {"open": 1}},
        "recent": [{"who": MAIL, "key": KEY}, *({"who": other} for _ in range(random.randint(0, 2)))],
        **({"owner": MAIL, "contact": f"write to {MAIL}"} if more else {}),
    }


TOOL = {"name": "who", "description": "who", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer."""
    if message["method"] == "initialize":
        info = {"name": "private", "version": "1"}
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}}
    if message["method"] == "tools/list":
        return {"result": {"tools": [TOOL]}}
    if message["method"] != "tools/call":
        return {"error": {"code": -32601, "message": "unknown"}}
    said = told(more="--more" in sys.argv)
    if "--log" in sys.argv:
        print(f"answered {said['line']}", file=sys.stderr, flush=True)
    return {"result": {"content": [{"type": "text", "text": json.dumps(said)}], "structuredContent": said}}


def main() -> None:
    """Answer requests until stdin closes."""
    random.seed(os.getpid())
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}), flush=True)


if __name__ == "__main__":
    main()
