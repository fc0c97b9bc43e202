"""The fixture's tools that need one round at most: content, errors, progress, logging, questions, lists that change.

Above: `fixture`, which serves them.  Beside: `fixture_rounds`, whose tools take several rounds.  Names, arguments and
texts are those the official conformance suite asks for; tools beyond it say so.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fixture_calls import Call, JsonObject, ToolFailed, form, sampling, text
from fixture_catalog import PNG, PROMPTS, WAV, Prompt
from mcp.server.subscriptions import PromptsListChanged, ResourceUpdated, SubscriptionBus, ToolsListChanged

Handler = Callable[[Call], Awaitable[JsonObject]]

STEP_SECONDS: Final = 0.05
"""Pause between two progress or log messages, as the suite describes it."""


@dataclasses.dataclass(frozen=True)
class Tool:
    """A tool as it is listed, and what runs when it is called."""

    definition: JsonObject
    run: Handler

    def accept(self, arguments: JsonObject) -> JsonObject:
        """`arguments`, if none is missing.

        Raises:
            ToolFailed: some are.
        """
        if missing := [name for name in self.definition["inputSchema"]["required"] if name not in arguments]:
            raise ToolFailed(f"missing arguments: {', '.join(missing)}")
        return arguments


TOOLS: Final[dict[str, Tool]] = {}


def tool(
    name: str, description: str, properties: JsonObject | None = None, *, reads: bool = False, **schema: Any
) -> Callable[[Handler], Handler]:
    """Register what is decorated as the tool `name`; `reads` marks it `readOnlyHint`."""

    def register(run: Handler) -> Handler:
        full = {"type": "object", "properties": properties or {}, "required": list(properties or {}), **schema}
        hints = {"annotations": {"readOnlyHint": True}} if reads else {}
        TOOLS[name] = Tool({"name": name, "description": description, "inputSchema": full, **hints}, run)
        return run

    return register


@tool("test_simple_text", "Returns one line of text", reads=True)
async def simple_text(_: Call) -> JsonObject:
    return text("This is a simple text response for testing.")


@tool("test_image_content", "Returns an image", reads=True)
async def image_content(_: Call) -> JsonObject:
    return {"content": [{"type": "image", "data": PNG, "mimeType": "image/png"}]}


@tool("test_audio_content", "Returns a sound", reads=True)
async def audio_content(_: Call) -> JsonObject:
    return {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]}


@tool("test_embedded_resource", "Returns an embedded resource", reads=True)
async def embedded_resource(_: Call) -> JsonObject:
    said = "This is an embedded resource content."
    resource = {"uri": "test://embedded-resource", "mimeType": "text/plain", "text": said}
    return {"content": [{"type": "resource", "resource": resource}]}


@tool("test_multiple_content_types", "Returns text, an image and a resource", reads=True)
async def multiple_content_types(_: Call) -> JsonObject:
    data = json.dumps({"test": "data", "value": 123})
    resource = {"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": data}
    return {
        "content": [
            {"type": "text", "text": "Multiple content types test:"},
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "resource", "resource": resource},
        ]
    }


@tool("test_error_handling", "Always fails")
async def error_handling(_: Call) -> JsonObject:
    raise ToolFailed("This tool intentionally returns an error for testing")


@tool("test_tool_with_logging", "Logs three lines while it runs")
async def tool_with_logging(call: Call) -> JsonObject:
    await call.log("Tool execution started")
    await asyncio.sleep(STEP_SECONDS)
    await call.log("Tool processing data")
    await asyncio.sleep(STEP_SECONDS)
    await call.log("Tool execution completed")
    return text("Tool with logging executed")


@tool("test_logging_tool", "Logs one line")
async def logging_tool(call: Call) -> JsonObject:
    await call.log("A line for those who asked for it")
    return text("Logging tool executed")


@tool("test_tool_with_progress", "Reports progress three times")
async def tool_with_progress(call: Call) -> JsonObject:
    for done in (0, 50, 100):
        if done:
            await asyncio.sleep(STEP_SECONDS)
        await call.context.session.report_progress(done, 100)
    return text("Tool with progress executed")


@tool("test_reconnection", "Closes its stream before it answers, where the transport lets it")
async def reconnection(call: Call) -> JsonObject:
    if call.context.close_sse_stream is not None:
        await call.context.close_sse_stream()
    await asyncio.sleep(2 * STEP_SECONDS)
    return text("Reconnection test completed")


@tool("test_sampling", "Asks the client's model", {"prompt": {"type": "string"}})
async def ask_for_sampling(call: Call) -> JsonObject:
    answers = await call.ask({"answer": sampling(str(call.arguments.get("prompt", "")))})
    return text(f"LLM response: {answers['answer']['content'].get('text', '')}")


@tool("test_elicitation", "Asks the user", {"message": {"type": "string"}})
async def ask_for_elicitation(call: Call) -> JsonObject:
    properties = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    return text(f"User response: {outcome(await _elicit(call, form(str(call.arguments.get('message')), properties)))}")


@tool("test_elicitation_sep1034_defaults", "Asks the user with a default for every type")
async def elicitation_defaults(call: Call) -> JsonObject:
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = await _elicit(call, form("Please check these details", properties, required=[]))
    return text(f"Elicitation completed: {outcome(answer)}")


@tool("test_elicitation_sep1330_enums", "Asks the user with every kind of enumeration")
async def elicitation_enums(call: Call) -> JsonObject:
    options, titles = ["option1", "option2", "option3"], ["First", "Second", "Third"]
    choices = [{"const": f"value{n}", "title": f"{title} Option"} for n, title in enumerate(titles, 1)]
    named = ["Option One", "Option Two", "Option Three"]
    properties = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": choices},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": named},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": choices}},
    }
    answer = await _elicit(call, form("Please choose", properties, required=[]))
    return text(f"Elicitation completed: {outcome(answer)}")


@tool("test_elicitation_url", "Sends the user to a page and says when that is done (beyond the suite)")
async def elicitation_url(call: Call) -> JsonObject:
    params = {"mode": "url", "message": "Please sign in", "url": "https://example.com/sign-in"}
    if not call.stateless:
        params["elicitationId"] = "sign-in-1"
    answer = await _elicit(call, {"method": "elicitation/create", "params": params})
    if not call.stateless:
        await call.context.session.send_elicit_complete("sign-in-1", call.context.request_id)
    return text(f"Elicitation completed: {outcome(answer)}")


@tool("test_list_roots", "Asks the client for its roots (beyond the suite)")
async def list_roots(call: Call) -> JsonObject:
    answers = await call.ask({"roots": {"method": "roots/list", "params": {}}})
    return text(*[root["uri"] for root in answers["roots"]["roots"]] or ["no roots"])


@tool("test_missing_capability", "Refuses clients without sampling")
async def missing_capability(call: Call) -> JsonObject:
    await call.ask({"answer": sampling("Say yes")})
    return text("The client can sample")


@tool("test_streaming_elicitation", "Needs the user's input, and sends no request of its own on the stream")
async def streaming_elicitation(call: Call) -> JsonObject:
    await call.context.session.report_progress(0, 1)
    return text(outcome(await _elicit(call, form("Go on?", {"go": {"type": "boolean"}}))))


JSON_SCHEMA_KEYWORDS: Final[JsonObject] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
    "required": [],
}


@tool(
    "json_schema_2020_12_tool",
    "Has a schema with many keywords",
    {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    reads=True,
    **JSON_SCHEMA_KEYWORDS,
)
async def json_schema_tool(call: Call) -> JsonObject:
    return text(f"Got {json.dumps(dict(call.arguments), sort_keys=True)}")


@tool(
    "test_header_parameter",
    "Has a parameter that HTTP clients mirror into a header",
    {"region": {"type": "string", "x-mcp-header": "Region"}},
    reads=True,
)
async def header_parameter(call: Call) -> JsonObject:
    return text(f"region={call.arguments['region']}")


class Changes:
    """The tools whose effect others can see: they change a list or a resource and tell whoever wants to know."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus
        told = {
            "test_trigger_tool_change": ("Adds a tool, or takes it away again", {}, self._tools),
            "test_trigger_prompt_change": ("Adds a prompt, or takes it away again", {}, self._prompts),
            "test_trigger_resource_update": (
                "Says that a resource changed (beyond the suite)",
                {"uri": {"type": "string"}},
                self._resource,
            ),
        }
        for name, (description, properties, run) in told.items():
            tool(name, description, properties)(run)

    async def _tools(self, call: Call) -> JsonObject:
        if TOOLS.pop("test_dynamic_tool", None) is None:
            tool("test_dynamic_tool", "Comes and goes", reads=True)(simple_text)
        await self._bus.publish(ToolsListChanged())
        await call.context.session.send_tool_list_changed()
        return text("The tool list changed")

    async def _prompts(self, call: Call) -> JsonObject:
        if PROMPTS.pop("test_dynamic_prompt", None) is None:
            PROMPTS["test_dynamic_prompt"] = Prompt("Comes and goes", PROMPTS["test_simple_prompt"].render)
        await self._bus.publish(PromptsListChanged())
        await call.context.session.send_prompt_list_changed()
        return text("The prompt list changed")

    async def _resource(self, call: Call) -> JsonObject:
        uri = str(call.arguments["uri"])
        await self._bus.publish(ResourceUpdated(uri))
        if uri in subscribed_uris(call.context.session):
            await call.context.session.send_resource_updated(uri)
        return text(f"{uri} changed")


def subscribed_uris(session: Any) -> set[str]:
    """The URIs a handshake-era connection has subscribed to; the caller may change the set."""
    uris: set[str] = session._connection.state.setdefault("uris", set())
    return uris


def outcome(answer: JsonObject) -> str:
    """An elicitation's answer in the words the suite's descriptions use."""
    return f"action={answer['action']}, content={json.dumps(answer.get('content', {}), sort_keys=True)}"


async def _elicit(call: Call, request: JsonObject) -> JsonObject:
    answer: JsonObject = (await call.ask({"answer": request}))["answer"]
    return answer
