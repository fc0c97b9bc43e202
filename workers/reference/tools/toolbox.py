"""What all tools share: how one is registered, how it answers, and how it refuses.

Above it stand the tools, below it the official SDK and `switchover_kit`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from math import ceil
from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ValidationError, create_model
from switchover_kit import metrics

from workers.reference.database import StoreError
from workers.reference.results import Result
from workers.reference.tasks import TaskError

Now = Callable[[], datetime]
"""Returns the present time, with time zone."""

CHARACTERS_PER_TOKEN: Final = 4
"""A common rule of thumb for English and JSON."""


def reading(work: Callable[..., CallToolResult], title: str) -> Tool:
    """Register a tool that changes nothing."""
    return _tool(work, ToolAnnotations(title=title, read_only_hint=True, idempotent_hint=True, open_world_hint=False))


def writing(work: Callable[..., CallToolResult], title: str, *, idempotent: bool) -> Tool:
    """Register a tool that changes the task store; none of ours destroys anything.

    Args:
        work: the tool.
        title: its name for people.
        idempotent: whether the same call again changes nothing more.
    """
    hints = ToolAnnotations(
        title=title,
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=idempotent,
        open_world_hint=False,
    )
    return _tool(work, hints)


def answer(result: Result, *, quality: float | None = None) -> CallToolResult:
    """Answer with a result as structured content, as text for clients that want that, and with the call's metrics.

    No language model works here, so `tokens` is an estimate of what the answer costs the client's model to read: its
    characters over `CHARACTERS_PER_TOKEN`.  There is no `cost`, because nothing is paid for.

    Args:
        result: what the tool found.
        quality: 0 to 100, only where the tool judges something.
    """
    text = result.model_dump_json()
    tokens = ceil(len(text) / CHARACTERS_PER_TOKEN)
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=result.model_dump(mode="json"),
        _meta=metrics(tokens=tokens, quality=quality),
    )


class _StrictTool(Tool):
    """A tool that refuses arguments it does not know, and says in one line what is wrong with those it does."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:  # noqa: FBT001, FBT002 - the SDK's signature
        try:
            return await super().run(arguments, context, convert_result)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            # The SDK logs the fields' names when the cause is a ValidationError, and a traceback when it is not.
            raise ToolError(self._refusal(error.__cause__)) from error.__cause__

    def _refusal(self, error: ValidationError) -> str:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        takes = ", ".join(self.fn_metadata.arg_model.model_fields) or "no arguments"
        return f"{self.name} cannot take these arguments: {problems} (it takes {takes})"


def _tool(work: Callable[..., CallToolResult], annotations: ToolAnnotations) -> Tool:
    """Make the SDK's tool of `work`."""
    tool = _StrictTool.from_function(_refusing(work), annotations=annotations, title=annotations.title)
    tool.fn_metadata.arg_model = _strict(tool.fn_metadata.arg_model)
    tool.parameters = tool.fn_metadata.arg_model.model_json_schema(by_alias=True)
    return tool


def _strict(known: type[ArgModelBase]) -> type[ArgModelBase]:
    """Return the model that refuses what `known` drops: a misspelt argument would silently mean its default."""
    return create_model(known.__name__, __base__=known, __cls_kwargs__={"extra": "forbid"})


def _refusing(work: Callable[..., CallToolResult]) -> Callable[..., CallToolResult]:
    """Have the SDK tell the client what `work` refused; of any other exception it tells only the tool's name."""

    @wraps(work)
    def told(**arguments: object) -> CallToolResult:
        try:
            return work(**arguments)
        except (TaskError, StoreError) as error:
            raise ToolError(str(error)) from error

    return told
