"""One call to the fixture server, and how a tool asks its client for something in either era.

Above: the tools (`fixture_tools`, `fixture_rounds`) and prompts (`fixture_catalog`) of the conformance fixture.  Below:
the Python SDK's low-level server.  In the handshake era the fixture sends the client a request and waits; in the
stateless era it answers `input_required` and is called again with the answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, get_args

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

JsonObject = dict[str, Any]

REQUESTS: Final[dict[str, tuple[type[Any], type[Any]]]] = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult),
}
LEVELS: Final = get_args(types.LoggingLevel)
CAPABILITY_OF: Final = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


class InputNeeded(Exception):  # noqa: N818 - a turn in the conversation, not an error
    """The call cannot go on before the client has answered; its result is `input_required`."""

    def __init__(self, requests: JsonObject, state: str | None) -> None:
        super().__init__("the client's input is needed")
        self.requests = requests
        self.state = state

    def as_result(self) -> JsonObject:
        """The result that says so, as it goes onto the wire."""
        result: JsonObject = {"resultType": "input_required", "inputRequests": self.requests}
        return result if self.state is None else {**result, "requestState": self.state}


@dataclasses.dataclass(frozen=True)
class Call:
    """One `tools/call` or `prompts/get`: its arguments, what the client can do, what it answered so far."""

    context: ServerRequestContext[Any, Any]
    arguments: Mapping[str, Any]

    @property
    def stateless(self) -> bool:
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def capabilities(self) -> JsonObject:
        declared = self.context.session.client_capabilities
        return {} if declared is None else declared.model_dump(by_alias=True, exclude_none=True)

    @property
    def responses(self) -> JsonObject:
        return (self.context.params or {}).get("inputResponses") or {}

    @property
    def state(self) -> str | None:
        """What this server put into `requestState` in the round before; already verified and opened."""
        return (self.context.params or {}).get("requestState")

    async def ask(self, requests: JsonObject, *, state: str | None = None) -> JsonObject:
        """The client's answers to `requests` (key -> method and params), under the same keys.

        Raises:
            InputNeeded: in the stateless era, while one of the keys is unanswered.
            MCPError: the client lacks a capability that is needed.
        """
        self._require({CAPABILITY_OF[request["method"]] for request in requests.values()})
        if not self.stateless:
            return {key: await self._send(request) for key, request in requests.items()}
        if not requests.keys() <= self.responses.keys():
            raise InputNeeded(requests, state)
        return {key: self.responses[key] for key in requests}

    async def log(self, text: str) -> None:
        """Say `text` at level info, if the client wants that; on which stream is the era's business."""
        wanted = self.context.session._connection.state.get("level", "debug")
        if not self.stateless and LEVELS.index(wanted) > LEVELS.index("info"):
            return
        await self.context.session.send_log_message("info", text, "fixture", related_request_id=self.context.request_id)

    def _require(self, names: set[str]) -> None:
        missing = sorted(names - self.capabilities.keys())
        if not missing:
            return
        if self.stateless:
            lacking = {"requiredCapabilities": {name: {} for name in missing}}
            raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Client capability missing", lacking)
        raise ToolFailed(f"this tool needs a client that declares: {', '.join(missing)}")

    async def _send(self, request: JsonObject) -> JsonObject:
        request_type, result_type = REQUESTS[request["method"]]
        answer = await self.context.session.send_request(
            request_type.model_validate(request),
            result_type,
            metadata=ServerMessageMetadata(related_request_id=self.context.request_id),
        )
        dumped: JsonObject = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        return dumped


class ToolFailed(Exception):  # noqa: N818 - its text is the tool's answer
    """The tool ran and failed: the result says `isError`."""


def text(*lines: str) -> JsonObject:
    """A tool's result of text blocks, one a line."""
    return {"content": [{"type": "text", "text": line} for line in lines]}


def form(message: str, properties: JsonObject, required: list[str] | None = None) -> JsonObject:
    """An elicitation of form data with these properties, all of which are required unless said otherwise."""
    schema: JsonObject = {"type": "object", "properties": properties}
    schema["required"] = list(properties) if required is None else required
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(prompt: str, max_tokens: int = 100) -> JsonObject:
    """A request for a completion of one user message."""
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}}
