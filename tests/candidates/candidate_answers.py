"""Planted changes at the server's edge: what a tool answers, how long it takes, what it costs, what it asks for.

Each is a middleware of the SDK around the unchanged server.  Above: `candidate_changes`, the list.  Below: the SDK.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final

import anyio
from mcp.server.context import CallNext, ServerRequestContext
from mcp.types import PROTOCOL_VERSION_META_KEY
from switchover_kit import METRICS_KEY

Context = ServerRequestContext[Any, Any]
Json = dict[str, Any]

ERROR_RATE: Final = 0.06
SLOWER: Final = 0.5
LEAK_BYTES: Final = 256 * 1024
"""What a call leaks; a session of a thousand calls shows it, and a test of forty."""
LEAK_MOST: Final = 256 * 1024 * 1024
"""Where the leak ends: a planted fault must not take the machine with it."""
ARGUMENT: Final = "reviewer"

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})")
_ZONE = re.compile(r"(?:Z|[+-]\d{2}:\d{2})$")


def called(context: Context) -> str:
    """Return the name of the tool that a message calls, nothing for any other message."""
    is_call = context.method == "tools/call" and context.request_id is not None
    return str((context.params or {}).get("name", "")) if is_call else ""


def refusal(text: str, context: Context) -> Json:
    """Return what the SDK would send for a tool that failed, in the era of the message."""
    meta = (context.params or {}).get("_meta") or {}
    era = {"resultType": "complete"} if PROTOCOL_VERSION_META_KEY in meta else {}
    return {"content": [{"type": "text", "text": text}], "isError": True, **era}


class Rewritten:
    """Answers something else in the structured content of one tool, or of all, and in its text."""

    def __init__(self, change: Callable[[Any], Any], tool: str | None = None) -> None:
        """Keep the change.

        Args:
            change: takes the structured content and returns the changed one.
            tool: the tool whose answers change; None for all.
        """
        self._change = change
        self._tool = tool

    async def __call__(self, context: Context, call_next: CallNext) -> Any:
        result: Any = await call_next(context)
        tool = called(context)
        if not tool or self._tool not in {None, tool} or "structuredContent" not in result:
            return result
        return self._changed(result)

    def _changed(self, result: Json) -> Json:
        structured = self._change(result["structuredContent"])
        first = {**result["content"][0], "text": json.dumps(structured, separators=(",", ":"))}
        return {**result, "structuredContent": structured, "content": [first, *result["content"][1:]]}


def without_done(status: Json) -> Json:
    """Leave the tasks that are done out of the counts, as a query for unfinished ones would."""
    return {**status, "counts": {name: count for name, count in status["counts"].items() if name != "done"}}


def ids_as_text(value: Any) -> Any:
    """Turn every task's number into text."""
    if isinstance(value, dict):
        return {name: str(it) if name == "id" else ids_as_text(it) for name, it in value.items()}
    return [ids_as_text(it) for it in value] if isinstance(value, list) else value


def without_zones(value: Any) -> Any:
    """Cut the zone from every timestamp, as `datetime.now()` without one would."""
    if isinstance(value, dict):
        return {name: without_zones(it) for name, it in value.items()}
    if isinstance(value, list):
        return [without_zones(it) for it in value]
    is_instant = isinstance(value, str) and _INSTANT.fullmatch(value)
    return _ZONE.sub("", value) if is_instant else value


class Failing:
    """Fails a share of the calls before they did anything, as an unhandled exception would."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def __call__(self, context: Context, call_next: CallNext) -> Any:
        tool = called(context)
        if tool and self._random.random() < ERROR_RATE:
            return refusal(f"Error executing tool {tool}", context)
        return await call_next(context)


class Slow:
    """Takes half as long again for each call."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], Any] = anyio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, context: Context, call_next: CallNext) -> Any:
        began = self._clock()
        result = await call_next(context)
        if called(context):
            await self._sleep(SLOWER * (self._clock() - began))
        return result


async def doubled_tokens(context: Context, call_next: CallNext) -> Any:
    """Report twice the tokens."""
    result = await call_next(context)
    if isinstance(result, dict) and (reported := result.get("_meta", {}).get(METRICS_KEY)):
        metrics = {**reported, "tokens": 2 * reported["tokens"]}
        return {**result, "_meta": {**result["_meta"], METRICS_KEY: metrics}}
    return result


class Leaking:
    """Keeps some memory of each call for ever."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    async def __call__(self, context: Context, call_next: CallNext) -> Any:
        if called(context) and len(self._kept) * LEAK_BYTES < LEAK_MOST:
            self._kept.append(b"\x01" * LEAK_BYTES)  # written to, so that it really takes memory
        return await call_next(context)


class Demanding:
    """Has `plan` require one argument more."""

    async def __call__(self, context: Context, call_next: CallNext) -> Any:
        if called(context) == "plan":
            return await self._plan(context, call_next)
        result = await call_next(context)
        if context.method != "tools/list" or not isinstance(result, dict):
            return result
        return {**result, "tools": [self._asking(it) if it["name"] == "plan" else it for it in result["tools"]]}

    def _asking(self, tool: Json) -> Json:
        schema = tool["inputSchema"]
        properties = {**schema["properties"], ARGUMENT: {"type": "string", "title": "Reviewer"}}
        required = [*schema.get("required", []), ARGUMENT]
        return {**tool, "inputSchema": {**schema, "properties": properties, "required": required}}

    async def _plan(self, context: Context, call_next: CallNext) -> Any:
        params = dict(context.params or {})
        arguments = dict(params.get("arguments") or {})
        if not isinstance(arguments.pop(ARGUMENT, None), str):
            text = f"Error executing tool plan: plan cannot take these arguments: {ARGUMENT}: Field required"
            return refusal(text, context)
        return await call_next(replace(context, params={**params, "arguments": arguments}))
