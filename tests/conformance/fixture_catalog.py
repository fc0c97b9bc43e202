"""The fixture's resources, prompts and completions, with the names and texts the official conformance suite asks for.

Above: `fixture`, which serves them, and `fixture_tools`, which makes one prompt come and go.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as types
from fixture_calls import Call, JsonObject
from mcp.shared.exceptions import MCPError

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
"""One red pixel."""
WAV: Final = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
"""A header and next to no sound."""

RESOURCE_NOT_FOUND: Final = -32002
"""Its code up to 2025-11-25; from 2026-07-28 on it is invalid params."""

RESOURCES: Final[dict[str, JsonObject]] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content"},
}
TEMPLATE: Final = re.compile(r"test://template/(?P<id>[^/]+)/data")


def list_resources() -> JsonObject:
    return {
        "resources": [
            {
                "uri": uri,
                "name": uri.removeprefix("test://"),
                "description": f"The fixture's {uri.removeprefix('test://')}",
                "mimeType": content["mimeType"],
            }
            for uri, content in RESOURCES.items()
        ]
    }


def list_resource_templates() -> JsonObject:
    template = {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data for any id",
        "mimeType": "application/json",
    }
    return {"resourceTemplates": [template]}


def read_resource(uri: str, *, stateless: bool) -> JsonObject:
    """The contents of `uri`.

    Raises:
        MCPError: there is no such resource; the code is that of the era.
    """
    if (content := RESOURCES.get(uri)) is not None:
        return {"contents": [{"uri": uri, **content}]}
    if (match := TEMPLATE.fullmatch(uri)) is not None:
        data = {"id": match["id"], "templateTest": True, "data": f"Data for ID: {match['id']}"}
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(data)}]}
    raise MCPError(types.INVALID_PARAMS if stateless else RESOURCE_NOT_FOUND, "Resource not found", {"uri": uri})


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A prompt as it is listed, and what makes its messages."""

    description: str
    render: Callable[[Call], Awaitable[JsonObject]]
    arguments: tuple[str, ...] = ()


def user(**content: Any) -> JsonObject:
    """A message of the user with one block of content."""
    return {"role": "user", "content": content}


async def simple(_: Call) -> JsonObject:
    return {"messages": [user(type="text", text="This is a simple prompt for testing.")]}


async def with_arguments(call: Call) -> JsonObject:
    said = ", ".join(f"{name}='{call.arguments.get(name)}'" for name in ("arg1", "arg2"))
    return {"messages": [user(type="text", text=f"Prompt with arguments: {said}")]}


async def with_embedded_resource(call: Call) -> JsonObject:
    resource = {
        "uri": call.arguments.get("resourceUri"),
        "mimeType": "text/plain",
        "text": "Embedded resource content for testing.",
    }
    question = user(type="text", text="Please process the embedded resource above.")
    return {"messages": [user(type="resource", resource=resource), question]}


async def with_image(_: Call) -> JsonObject:
    image = user(type="image", data=PNG, mimeType="image/png")
    return {"messages": [image, user(type="text", text="Please analyze the image above.")]}


PROMPTS: Final[dict[str, Prompt]] = {
    "test_simple_prompt": Prompt("One line", simple),
    "test_prompt_with_arguments": Prompt("Two arguments", with_arguments, ("arg1", "arg2")),
    "test_prompt_with_embedded_resource": Prompt("A resource", with_embedded_resource, ("resourceUri",)),
    "test_prompt_with_image": Prompt("An image", with_image),
}


def list_prompts() -> JsonObject:
    return {
        "prompts": [
            {
                "name": name,
                "description": prompt.description,
                "arguments": [
                    {"name": argument, "description": f"The {argument}", "required": True}
                    for argument in prompt.arguments
                ],
            }
            for name, prompt in PROMPTS.items()
        ]
    }


def complete(typed: str) -> JsonObject:
    """Completions of what was typed so far."""
    values = [word for word in ("paris", "park", "party", "test", "testing") if word.startswith(typed)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}
