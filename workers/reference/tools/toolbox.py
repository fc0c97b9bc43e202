"""What all tools share: how one is registered, how it answers, and how it refuses.

Above it stand the tools, below it the official SDK and `switchover_kit`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ValidationError, create_model
from switchover_kit import metrics, subject, subject_of

from workers.reference.choice.profiles import ProfileError
from workers.reference.database import StoreError
from workers.reference.hands.errors import HandError
from workers.reference.results import Result
from workers.reference.suite.work_tree import WorkTreeError
from workers.reference.tasks import TaskError
from workers.reference.tokens import count_tokens
from workers.reference.world import DryRunError

Now = Callable[[], datetime]
"""Returns the present time, with time zone."""

Work = Callable[..., CallToolResult] | Callable[..., Awaitable[CallToolResult]]
"""What a tool does; what is not async runs in a thread."""

TOLD: Final = (TaskError, StoreError, ProfileError, WorkTreeError, DryRunError, HandError)
"""Errors whose message is for the client; of any other it learns only the tool's name."""


def reading(work: Work, title: str, *, open_world: bool = False) -> Tool:
    """Register a tool that changes nothing; `open_world` tells whether it looks beyond this worker."""
    hints = ToolAnnotations(title=title, read_only_hint=True, idempotent_hint=True, open_world_hint=open_world)
    return _tool(work, hints)


def writing(work: Work, title: str, *, idempotent: bool, destructive: bool = False, open_world: bool = False) -> Tool:
    """Register a tool that changes something.

    Args:
        work: the tool.
        title: its name for people.
        idempotent: whether the same call again changes nothing more.
        destructive: whether it replaces or removes what was there, and does not only add.
        open_world: whether it reaches beyond the task store.
    """
    hints = ToolAnnotations(
        title=title,
        read_only_hint=False,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=open_world,
    )
    return _tool(work, hints)


def answer(result: Result, *, cost: float | None = None, quality: float | None = None, **more: float) -> CallToolResult:
    """Answer with a result as structured content, as text for clients that want that, and with the call's metrics.

    `tokens` is what the answer takes the client's model to read.

    Args:
        result: what the tool found.
        cost: money, only where the tool spends some or says what will be spent.
        quality: 0 to 100, only where the tool judges or forecasts it.
        more: further metrics.
    """
    text = result.model_dump_json()
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=result.model_dump(mode="json"),
        _meta=metrics(tokens=count_tokens(text), cost=cost, quality=quality, **more),
    )


class _StrictTool(Tool):
    """A tool that refuses arguments it does not know, and says in one line what is wrong with those it does.

    It also notes for whom it is called, since flags may answer differently for different subjects.
    """

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:  # noqa: FBT001, FBT002 - the SDK's signature
        try:
            with subject(subject_of(context.request_context.meta, tool=self.name)):
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


def _tool(work: Work, annotations: ToolAnnotations) -> Tool:
    """Make the SDK's tool of `work`."""
    tool = _StrictTool.from_function(_refusing(work), annotations=annotations, title=annotations.title)
    tool.fn_metadata.arg_model = _strict(tool.fn_metadata.arg_model)
    tool.parameters = tool.fn_metadata.arg_model.model_json_schema(by_alias=True)
    return tool


def _strict(known: type[ArgModelBase]) -> type[ArgModelBase]:
    """Return the model that refuses what `known` drops: a misspelt argument would silently mean its default."""
    return create_model(known.__name__, __base__=known, __cls_kwargs__={"extra": "forbid"})


def _refusing(work: Work) -> Work:
    """Have the SDK tell the client what `work` refused; of any other exception it tells only the tool's name."""
    if iscoroutinefunction(work):

        @wraps(work)
        async def told_later(**arguments: object) -> CallToolResult:
            try:
                return cast("CallToolResult", await work(**arguments))
            except TOLD as error:
                raise ToolError(str(error)) from error

        return told_later

    @wraps(work)
    def told(**arguments: object) -> CallToolResult:
        try:
            return cast("CallToolResult", work(**arguments))
        except TOLD as error:
            raise ToolError(str(error)) from error

    return told
