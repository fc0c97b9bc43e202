"""A worker with tasks as MCP 2025-11-25 has them, standard library only.

A call of `work` that asks to become a task does; `finish` ends all of them.  `--store FILE` keeps their ids, so that
another process knows them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

GENERATION = int(os.environ.get("SWITCHOVER_GENERATION", "0"))
STORE = Path(sys.argv[2]) if sys.argv[1:2] == ["--store"] else None
STAMP = "2026-01-01T00:00:00Z"

tasks: dict[str, str] = {}
waiting: dict[str, list[Any]] = {}


class UnknownError(Exception):
    """There is no such task."""


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def shown(task: str) -> dict[str, Any]:
    if task not in tasks and not (STORE is not None and STORE.exists() and task in STORE.read_text().split()):
        raise UnknownError(f"task {task} was never heard of")
    status = tasks.get(task, "completed")
    return {"taskId": task, "status": status, "ttl": 600_000, "createdAt": STAMP, "lastUpdatedAt": STAMP}


def outcome(task: str) -> dict[str, Any]:
    return {"content": [], "structuredContent": {"task": task, "generation": GENERATION, "pid": os.getpid()}}


def call(params: dict[str, Any]) -> dict[str, Any]:
    if params["name"] == "work" and "task" in params:
        task = f"{GENERATION}-{os.getpid()}-{len(tasks)}"
        tasks[task] = "working"
        if STORE is not None:
            with STORE.open("a") as file:
                file.write(f"{task}\n")
        return {"task": shown(task)}
    if params["name"] == "finish":
        for task in tasks:
            tasks[task] = "completed"
            send(method="notifications/tasks/status", params=shown(task))
            for number in waiting.pop(task, []):
                send(id=number, result=outcome(task))
    return outcome("")


def listed(params: dict[str, Any]) -> dict[str, Any]:
    """Return one task a page."""
    at = int(params.get("cursor", "0"))
    page: dict[str, Any] = {"tasks": [shown(task) for task in list(tasks)[at : at + 1]]}
    return {**page, "nextCursor": str(at + 1)} if at + 1 < len(tasks) else page


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        offers = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
        info = {"name": "tasks", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "tasks": offers}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("work", "finish")]}
    if method == "tools/call":
        return call(params)
    if method == "tasks/list":
        return listed(params)
    if method == "tasks/cancel":
        shown(params["taskId"])
        tasks[params["taskId"]] = "cancelled"
    return shown(params["taskId"])


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked or "method" not in asked:
        continue
    given = asked.get("params", {})
    try:
        if asked["method"] == "tasks/result":
            if shown(given["taskId"])["status"] == "working":
                waiting.setdefault(given["taskId"], []).append(asked["id"])
                continue
            result = outcome(given["taskId"])
        else:
            result = answer(asked["method"], given)
        send(id=asked["id"], result=result)
    except UnknownError as error:
        send(id=asked["id"], error={"code": -32602, "message": str(error)})
