"""A version of a server that starts at once: some calls fail, at all times or only where a flag has its new value.

    python version_worker.py [--errors SHARE] [--with-flag FLAG=VALUE] [--seed N]

One tool, `work`, which reports tokens.  Above: the rollouts of `tests/e2e` that are killed in the middle.  Below: the
kit and the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from random import Random
from typing import Any

from switchover_kit import METRICS_KEY, flags

Json = dict[str, Any]
KEY = "io.switchover/key"
TOOLS = [{"name": "work", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
INFO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "works", "version": "1"}}


class Version:
    """What this version does with a call."""

    def __init__(self, errors: float, with_flag: str, seed: int) -> None:
        self._errors = errors
        self._flag, _, self._value = with_flag.partition("=")
        self._random = Random(seed)
        self._flags = flags()

    def call(self, params: Json) -> Json:
        """Answer a call; it fails by chance."""
        if self._is_bad(params.get("_meta", {}).get(KEY)) and self._random.random() < self._errors:
            return {"content": [{"type": "text", "text": "it failed"}], "isError": True}
        told = {"generation": int(os.environ["SWITCHOVER_GENERATION"])}
        return {"content": [], "structuredContent": told, "_meta": {METRICS_KEY: {"tokens": 100}}}

    def _is_bad(self, key: str | None) -> bool:
        return not self._flag or self._flags.value_for(self._flag, key) == self._value


def main() -> None:
    """Answer what comes on stdin until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--with-flag", default="")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    version = Version(asked.errors, asked.with_flag, asked.seed)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        answer: Json = {"jsonrpc": "2.0", "id": message["id"]}
        match message["method"]:
            case "initialize":
                answer["result"] = INFO
            case "tools/list":
                answer["result"] = {"tools": TOOLS}
            case "tools/call":
                answer["result"] = version.call(message["params"])
            case "ping":
                answer["result"] = {}
            case method:
                answer["error"] = {"code": -32601, "message": f"no method {method}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
