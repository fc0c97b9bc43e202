"""The server the official conformance suite is run against: every tool, resource and prompt it asks for, in both eras.

`python tests/conformance/fixture.py` serves over stdio (what the daemon runs as its worker), `--http PORT` over
Streamable HTTP on 127.0.0.1 (0: any free port; the URL is printed).  Below: the Python SDK's low-level server.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
import uvicorn
from fixture_calls import Call, InputNeeded, JsonObject, ToolFailed
from fixture_catalog import (
    PROMPTS,
    Prompt,
    complete,
    list_prompts,
    list_resource_templates,
    list_resources,
    read_resource,
)
from fixture_events import EventsInMemory
from fixture_rounds import prompt_with_input
from fixture_tasks import EXTENSION, METHODS, TaskParams
from fixture_tools import TOOLS, Changes, subscribed_uris
from mcp.server.caching import CACHEABLE_METHODS, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

RETRY_MILLISECONDS = 200
"""When a client whose stream was closed may come back; short, since the suite waits it out."""
LIST_TTL_MILLISECONDS = 5_000

Context = ServerRequestContext[Any, Any]


class FixtureServer(Server[Any]):
    """The low-level server, saying in its handshake that its lists change."""

    def create_initialization_options(self, notification_options: Any = None, *rest: Any, **more: Any) -> Any:
        changes = notification_options or NotificationOptions(
            prompts_changed=True, resources_changed=True, tools_changed=True
        )
        return super().create_initialization_options(changes, *rest, **more)


def listing(produce: Callable[[], JsonObject]) -> Callable[[Context, Any], Awaitable[JsonObject]]:
    """A handler that answers with what `produce` returns."""

    async def handle(_context: Context, _params: Any) -> JsonObject:
        return produce()

    return handle


async def call_tool(context: Context, params: types.CallToolRequestParams) -> JsonObject:
    """Run a tool; failures are results, unknown names and missing capabilities errors."""
    if (tool := TOOLS.get(params.name)) is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    try:
        return await tool.run(Call(context, tool.accept(params.arguments or {})))
    except InputNeeded as needed:
        return needed.as_result()
    except ToolFailed as failed:
        return {"content": [{"type": "text", "text": str(failed)}], "isError": True}


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> JsonObject:
    """Render a prompt, or say what has to be known first."""
    if (prompt := PROMPTS.get(params.name)) is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    try:
        return await prompt.render(Call(context, params.arguments or {}))
    except InputNeeded as needed:
        return needed.as_result()
    except ToolFailed as failed:
        raise MCPError(types.INVALID_PARAMS, str(failed)) from failed


async def read(context: Context, params: types.ReadResourceRequestParams) -> JsonObject:
    return read_resource(params.uri, stateless=context.protocol_version in MODERN_PROTOCOL_VERSIONS)


async def subscribe(context: Context, params: types.SubscribeRequestParams) -> JsonObject:
    subscribed_uris(context.session).add(str(params.uri))
    return {}


async def unsubscribe(context: Context, params: types.UnsubscribeRequestParams) -> JsonObject:
    subscribed_uris(context.session).discard(str(params.uri))
    return {}


async def set_level(context: Context, params: types.SetLevelRequestParams) -> JsonObject:
    context.session._connection.state["level"] = params.level
    return {}


async def completion(_context: Context, params: types.CompleteRequestParams) -> JsonObject:
    return complete(params.argument.value)


def finished(
    handle: Callable[[Context, Any], Awaitable[JsonObject]],
) -> Callable[[Context, Any], Awaitable[JsonObject]]:
    """`handle`, whose results say `complete` unless they say something else; only the stateless era has the word."""

    async def handle_and_say(context: Context, params: Any) -> JsonObject:
        result = await handle(context, params)
        return {"resultType": "complete", **result} if context.protocol_version in MODERN_PROTOCOL_VERSIONS else result

    return handle_and_say


def build() -> Server[Any]:
    """The server with everything registered; one a process, as its lists live in the modules."""
    PROMPTS["test_input_required_result_prompt"] = Prompt("Asks for its context", prompt_with_input)
    bus = InMemorySubscriptionBus()
    Changes(bus)
    hint = CacheHint(ttl_ms=LIST_TTL_MILLISECONDS, scope="public")
    handlers: dict[str, Any] = {
        "on_list_tools": listing(lambda: {"tools": [tool.definition for tool in TOOLS.values()]}),
        "on_call_tool": call_tool,
        "on_list_resources": listing(list_resources),
        "on_list_resource_templates": listing(list_resource_templates),
        "on_read_resource": read,
        "on_subscribe_resource": subscribe,
        "on_unsubscribe_resource": unsubscribe,
        "on_list_prompts": listing(list_prompts),
        "on_get_prompt": get_prompt,
        "on_completion": completion,
        "on_set_logging_level": set_level,
    }
    options: Any = {name: finished(handle) for name, handle in handlers.items()}
    options["on_subscriptions_listen"] = ListenHandler(bus)
    options["cache_hints"] = dict.fromkeys(CACHEABLE_METHODS, hint)
    server: Server[Any] = FixtureServer("fixture", version="1.0.0", **options)
    for method, handle in METHODS.items():
        server.add_request_handler(method, TaskParams, finished(handle))
    server.extensions[EXTENSION] = {}
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="fixture"))
    return server


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one connection on standard input and output until the input ends."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def serve_http(server: Server[Any], port: int) -> None:
    """Serve Streamable HTTP on 127.0.0.1 until terminated; the first line printed is the URL."""
    listener = socket.create_server(("127.0.0.1", port))
    app = server.streamable_http_app(event_store=EventsInMemory(), retry_interval=RETRY_MILLISECONDS, host="127.0.0.1")
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    # h11, because httptools keeps the white space around a header's value that HTTP says is none of it
    uvicorn.Server(uvicorn.Config(app, http="h11", log_level="warning")).run(sockets=[listener])


def prepare() -> None:
    """Do once in a process what every server in it needs."""
    warnings.simplefilter("ignore", MCPDeprecationWarning)


def run(port: int | None) -> None:
    """Serve on a port of 127.0.0.1, or on standard input and output."""
    if port is None:
        asyncio.run(serve_stdio(build()))
    else:
        serve_http(build(), port)


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve Streamable HTTP on 127.0.0.1:PORT (0: any)")
    port = parser.parse_args().http
    prepare()
    run(port)


if __name__ == "__main__":
    main()
