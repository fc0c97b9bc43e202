"""A tiny MCP server for tests: standard library only, many calls at once, and tools that do what tests need seen.

`--version X` is what it calls itself, in `serverInfo` and in every result's text (`version X: ...`), so that an answer
tells which generation gave it.  `--start-delay S` makes it answer its handshake S seconds late.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

LISTS = {
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


class ToolError(Exception):
    """A tool failed; the answer carries `isError`."""


def tool(name: str, description: str, arguments: Json | None = None, **hints: bool) -> Json:
    """Describe a tool; `arguments` are its JSON schema properties."""
    schema = {"type": "object", "properties": arguments or {}}
    described: Json = {"name": name, "description": description, "inputSchema": schema}
    return {**described, "annotations": hints} if hints else described


SECONDS = {"seconds": {"type": "number"}}
TOOLS = [
    tool("echo", "Return the text.\nNothing else happens.", {"text": {"type": "string"}}, readOnlyHint=True),
    tool("slow", "Answer after some seconds.", SECONDS, readOnlyHint=True),
    tool("die", "End this process by SIGKILL, unanswered.", destructiveHint=True),
    tool("fail", "Answer with isError.", {"text": {"type": "string"}}, readOnlyHint=True),
    tool("pid", "Return this process's id.", readOnlyHint=True),
    tool(
        "count",
        "Add a line to a file, then answer after some seconds with how many lines it has.",
        {"path": {"type": "string"}, "key": {"type": "string"}, **SECONDS},
        destructiveHint=False,
    ),
]


class Worker:
    """Answers requests; each tool call on a thread of its own."""

    def __init__(self, version: str, start_delay: float) -> None:
        self.version = version
        self.start_delay = start_delay
        self.cancelled: dict[str, threading.Event] = {}
        self.writing = threading.Lock()
        self.counting = threading.Lock()
        self.tools: dict[str, Callable[[Json, threading.Event], tuple[str, Json]]] = {
            "echo": self.echo,
            "slow": self.slow,
            "die": self.die,
            "fail": self.fail,
            "pid": self.pid,
            "count": self.count,
        }

    # --- the tools: each returns its text and its structured content ------------------------------

    def echo(self, arguments: Json, _cancelled: threading.Event) -> tuple[str, Json]:
        """Return the text."""
        return str(arguments.get("text", "")), {}

    def slow(self, arguments: Json, cancelled: threading.Event) -> tuple[str, Json]:
        """Answer after `seconds`."""
        seconds = float(arguments.get("seconds", 1.0))
        cancelled.wait(seconds)
        return f"{seconds:g} s", {}

    def die(self, _arguments: Json, _cancelled: threading.Event) -> tuple[str, Json]:
        """End without a word."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("SIGKILL does not return")

    def fail(self, arguments: Json, _cancelled: threading.Event) -> tuple[str, Json]:
        """Fail as a tool fails."""
        raise ToolError(str(arguments.get("text", "this tool always fails")))

    def pid(self, _arguments: Json, _cancelled: threading.Event) -> tuple[str, Json]:
        """Return the process id."""
        return f"pid {os.getpid()}", {"pid": os.getpid(), "version": self.version}

    def count(self, arguments: Json, cancelled: threading.Event) -> tuple[str, Json]:
        """Note one execution in the file: `key` on a line of its own, written before anything can go wrong."""
        path = Path(arguments.get("path") or Path(os.environ["SWITCHOVER_WORKER_STATE"]) / "count")
        with self.counting, path.open("a+") as file:
            file.write(f"{arguments.get('key', '')}\n")
            file.flush()
            file.seek(0)
            lines = len(file.readlines())
        cancelled.wait(float(arguments.get("seconds", 0.0)))
        return f"count {lines}", {"count": lines, "version": self.version}

    # --- the protocol -----------------------------------------------------------------------------

    def send(self, message: Json) -> None:
        """Write one line."""
        line = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n"
        with self.writing:
            sys.stdout.write(line)
            sys.stdout.flush()

    def call(self, number: Any, params: Json) -> None:
        """Answer one tool call, unless it was cancelled meanwhile."""
        cancelled = self.cancelled.setdefault(json.dumps(number), threading.Event())
        try:
            text, structured = self.tools[params["name"]](params.get("arguments") or {}, cancelled)
            failed = False
        except (ToolError, OSError, ValueError, TypeError) as error:
            text, structured, failed = str(error), {}, True
        content = [{"type": "text", "text": f"version {self.version}: {text}"}]
        result: Json = {"content": content, "isError": failed}
        if structured:
            result["structuredContent"] = structured
        if not cancelled.is_set():
            self.send({"id": number, "result": result})
        self.cancelled.pop(json.dumps(number), None)

    def answer(self, method: str, params: Json) -> Json | None:
        """Return the result of a request that needs no thread, None when the method is not known."""
        if method == "initialize":
            threading.Event().wait(self.start_delay)
            return {
                "protocolVersion": params.get("protocolVersion", "2025-11-25"),
                "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
                "serverInfo": {"name": "echo", "version": self.version},
            }
        if method == "tools/list":
            return {"tools": TOOLS}
        if method in LISTS:
            return {LISTS[method]: []}
        return {} if method == "ping" else None

    def take(self, message: Json) -> None:
        """Handle one message."""
        method, params = message.get("method", ""), message.get("params") or {}
        if "id" not in message:
            if method == "notifications/cancelled" and (event := self.cancelled.get(json.dumps(params["requestId"]))):
                event.set()
            return
        if method == "tools/call":
            self.take_call(message["id"], params)
            return
        result = self.answer(method, params)
        if result is None:
            error = {"code": METHOD_NOT_FOUND, "message": f"method {method!r} is not known"}
            self.send({"id": message["id"], "error": error})
        else:
            self.send({"id": message["id"], "result": result})

    def take_call(self, number: Any, params: Json) -> None:
        """Start a call; the thread must be known to cancellations before the next line is read."""
        if params.get("name") not in self.tools:
            error = {"code": INVALID_PARAMS, "message": f"Unknown tool: {params.get('name')}"}
            self.send({"id": number, "error": error})
            return
        self.cancelled[json.dumps(number)] = threading.Event()
        threading.Thread(target=self.call, args=(number, params), daemon=True).start()


def main() -> None:
    """Answer requests until stdin closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", default="1")
    parser.add_argument("--start-delay", type=float, default=0.0)
    options = parser.parse_args()
    print(f"echo worker {options.version} started", file=sys.stderr, flush=True)
    worker = Worker(options.version, options.start_delay)
    for line in sys.stdin:
        worker.take(json.loads(line))


if __name__ == "__main__":
    main()
