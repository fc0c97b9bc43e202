"""A worker whose tools can be awaited, on asyncio alone: what the daemon's tests call, hold up, cancel and kill.

    python async_worker.py [VERSION]

Above: the tests of `tests/integration` and `tests/e2e`.  Below: the standard library.  Every answer says which
generation and which process gave it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

LINE_BYTES = 1 << 26
GENERATION = int(os.environ.get("SWITCHOVER_GENERATION", "0"))
VERSION = sys.argv[1] if len(sys.argv) > 1 else "1"

Arguments = dict[str, Any]


class Worker:
    """Serves the tools; `started` and `cancelled` let a test wait for a moment instead of sleeping.

    Attributes:
        started: how many calls of each tool have begun.
        cancelled: the reasons of the cancellations heard of, in order.
    """

    def __init__(self) -> None:
        self.started: Counter[str] = Counter()
        self.cancelled: list[str | None] = []
        self._changed = asyncio.Condition()
        self._calls: dict[Any, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Answer what comes on stdin until it ends."""
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
        while line := await reader.readline():
            await self._heard(json.loads(line))

    async def _heard(self, message: dict[str, Any]) -> None:
        if message.get("method") == "notifications/cancelled" and "id" not in message:
            await self._cancel(message.get("params") or {})
        elif "id" in message:
            task = asyncio.ensure_future(self._answer(message))
            self._calls[message["id"]] = task
            task.add_done_callback(lambda _: self._calls.pop(message["id"], None))

    async def _cancel(self, params: Arguments) -> None:
        task = self._calls.get(params.get("requestId"))
        if task is not None:
            task.cancel()
        async with self._changed:
            self.cancelled.append(params.get("reason") if task is not None else "no such call")
            self._changed.notify_all()

    async def _answer(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params", {})
        if method == "tools/call":
            result = await self._call(params)
        elif method in METHODS:
            result = METHODS[method](params)
        else:
            say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": f"no method {method}"}})
            return
        say({"jsonrpc": "2.0", "id": message["id"], "result": result})

    async def _call(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["name"]
        tool = TOOLS.get(name)
        if tool is None:
            return {"content": [{"type": "text", "text": f"no tool {name}"}], "isError": True}
        async with self._changed:
            self.started[name] += 1
            self._changed.notify_all()
        meta = params.get("_meta", {})
        told = await tool(self, params.get("arguments", {}) | ({"_meta": meta} if meta else {}))
        return {"content": [], "structuredContent": {**whoami(), **told}}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition over `started` or `cancelled` holds."""
        async with self._changed:
            await self._changed.wait_for(holds)


def whoami() -> dict[str, Any]:
    """Return what every answer says."""
    return {"generation": GENERATION, "pid": os.getpid(), "version": VERSION}


def say(message: dict[str, Any]) -> None:
    """Write one line on stdout."""
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def note(arguments: Arguments) -> int:
    """Append a call's value to its file and return how many lines the file has now."""
    descriptor = os.open(arguments["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{arguments['value']}\n".encode())
    os.close(descriptor)
    return len(Path(arguments["file"]).read_bytes().splitlines())


async def echo(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Give back what came, `_meta` included."""
    return arguments


async def sleep(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Take `ms` milliseconds."""
    await asyncio.sleep(arguments["ms"] / 1000)
    return {"value": arguments.get("value")}


async def append(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Have an effect, then take `ms` milliseconds."""
    note(arguments)
    await asyncio.sleep(arguments.get("ms", 0) / 1000)
    return {"value": arguments["value"]}


async def die(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Have an effect, then die under the call, as long as there were no more than `times` effects."""
    if note(arguments) <= arguments.get("times", 1 << 30):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": arguments["value"]}


async def hang(_worker: Worker, _arguments: Arguments) -> dict[str, Any]:
    """Never answer, while everything else goes on."""
    await asyncio.Event().wait()
    return {}


async def freeze(_worker: Worker, _arguments: Arguments) -> dict[str, Any]:
    """Stop the whole process: nothing is read or answered any more."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return {}


async def progress(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Report `steps` steps of progress, then answer."""
    token = arguments["_meta"]["progressToken"]
    for step in range(arguments["steps"]):
        params = {"progressToken": token, "progress": step, "total": arguments["steps"]}
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    return {"token": token}


async def large(_worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Answer with `bytes` bytes."""
    return {"text": "x" * arguments["bytes"]}


async def started(worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Wait until `count` calls of tool `name` have begun."""
    await worker.until(lambda: worker.started[arguments["name"]] >= arguments["count"])
    return {"count": worker.started[arguments["name"]]}


async def cancelled(worker: Worker, arguments: Arguments) -> dict[str, Any]:
    """Wait until `count` cancellations were heard of and give their reasons."""
    await worker.until(lambda: len(worker.cancelled) >= arguments["count"])
    return {"reasons": worker.cancelled}


def listed(name: str, **hints: bool) -> dict[str, Any]:
    """Describe a tool."""
    return {"name": name, "inputSchema": {"type": "object"}, "annotations": hints}


Tool = Callable[[Worker, Arguments], Awaitable[dict[str, Any]]]

READ_ONLY: dict[str, Tool] = {
    "echo": echo, "sleep": sleep, "progress": progress, "large": large, "started": started, "cancelled": cancelled,
    "append_read_only": append, "die_read_only": die, "freeze_read_only": freeze,
}  # fmt: skip
IDEMPOTENT: dict[str, Tool] = {"append_idempotent": append, "die_idempotent": die}
OTHERS: dict[str, Tool] = {"append": append, "die": die, "hang": hang, "freeze": freeze}
TOOLS = READ_ONLY | IDEMPOTENT | OTHERS
LIST = [
    *(listed(name, readOnlyHint=True) for name in READ_ONLY),
    *(listed(name, readOnlyHint=False, idempotentHint=True) for name in IDEMPOTENT),
    *(listed(name, readOnlyHint=False) for name in OTHERS),
]
METHODS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "initialize": lambda params: {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "async-worker", "version": VERSION},
    },
    "ping": lambda _params: {},
    "tools/list": lambda _params: {"tools": LIST},
}

if __name__ == "__main__":
    asyncio.run(Worker().serve())
