"""The fixture's tasks (an extension of the stateless era) and the tools that make them.

Above: `fixture`, which registers `tasks/get`, `tasks/update` and `tasks/cancel`.  Beside: `fixture_tools`, in whose
table the tools stand.  A client without the extension gets the plain result, or a refusal from tools that cannot do
without.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as types
from fixture_calls import Call, JsonObject, ToolFailed, form, text
from fixture_rounds import NAME, name_of
from fixture_tools import tool
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

EXTENSION: Final = "io.modelcontextprotocol/tasks"
TTL_MILLISECONDS: Final = 60_000
"""How long a task is promised to be kept; the fixture forgets none while it lives."""
POLL_MILLISECONDS: Final = 100
NAME_HEADER: Final = "mcp-name"


class TaskParams(types.RequestParams):
    """Params of all three methods; only updates carry responses."""

    task_id: str
    input_responses: dict[str, Any] | None = None


def now() -> str:
    """The time as tasks carry it."""
    return dt.datetime.now(dt.UTC).isoformat()


@dataclasses.dataclass
class Task:
    """One task: where it stands, what it waits for, how it ended."""

    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "working"
    created: str = dataclasses.field(default_factory=now)
    updated: str = dataclasses.field(default_factory=now)
    outcome: JsonObject = dataclasses.field(default_factory=dict)
    pending: JsonObject = dataclasses.field(default_factory=dict)
    answers: JsonObject = dataclasses.field(default_factory=dict)
    answered: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    runner: asyncio.Task[None] | None = None

    def describe(self) -> JsonObject:
        """The fields every message about the task carries."""
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": TTL_MILLISECONDS,
            "pollIntervalMs": POLL_MILLISECONDS,
        }

    def move(self, status: str, **outcome: Any) -> None:
        """Go to another status, for good if there is an outcome."""
        self.status, self.updated = status, now()
        self.outcome.update(outcome)

    async def ask(self, requests: JsonObject) -> JsonObject:
        """Wait until the client has answered all of `requests` by updates."""
        self.pending = dict(requests)
        self.move("input_required")
        await self.answered.wait()
        return self.answers

    def answer(self, responses: JsonObject) -> None:
        """Take what was waited for; the rest is ignored."""
        for key in responses.keys() & self.pending.keys():
            self.answers[key] = responses[key]
            del self.pending[key]
        if self.status == "input_required" and not self.pending:
            self.move("working")
            self.answered.set()


Work = Callable[[Task], Awaitable[JsonObject]]
"""What a task does until its result is there."""
Start = Callable[[Call], Awaitable[Work]]
"""What a tool does before it becomes a task; it may still ask its client in rounds."""

TASKS: Final[dict[str, Task]] = {}


def declares_tasks(call: Call) -> bool:
    """Whether this very request's client knows tasks."""
    return call.stateless and EXTENSION in call.capabilities.get("extensions", {})


def refuse_without_tasks() -> MCPError:
    """The error for clients that do not know tasks."""
    needed = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    return MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Client capability missing", needed)


def task_tool(
    name: str, description: str, properties: JsonObject | None = None, *, required: bool = True
) -> Callable[[Start], Start]:
    """Register what is decorated as a tool that becomes a task; without `required` it can also answer at once."""

    def register(start: Start) -> Start:
        async def run(call: Call) -> JsonObject:
            if declares_tasks(call):
                return create(await start(call))
            if not required:
                return await (await start(call))(Task())
            if call.stateless:
                raise refuse_without_tasks()
            raise ToolFailed("this tool needs a client that knows tasks")

        tool(name, description, properties)(run)
        return start

    return register


def create(work: Work) -> JsonObject:
    """Begin a task; the result names it."""
    task = Task()
    TASKS[task.id] = task
    task.runner = asyncio.get_running_loop().create_task(_carry_out(task, work))
    return {"resultType": "task", **task.describe()}


async def _carry_out(task: Task, work: Work) -> None:
    try:
        task.move("completed", result=await work(task))
    except ToolFailed as failed:
        task.move("completed", result={**text(str(failed)), "isError": True})
    except MCPError as error:
        task.move("failed", error={"code": error.code, "message": error.message})


def _known(context: ServerRequestContext[Any, Any], params: TaskParams) -> Task:
    """The task a request is about.

    Raises:
        MCPError: the client does not know tasks, the header names another task, or there is no such task.
    """
    call = Call(context, {})
    if not call.stateless:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    if not declares_tasks(call):
        raise refuse_without_tasks()
    if context.request is not None and context.request.headers.get(NAME_HEADER) != params.task_id:
        raise MCPError(types.HEADER_MISMATCH, "Mcp-Name header does not match the request body's taskId")
    if (task := TASKS.get(params.task_id)) is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown task: {params.task_id}")
    return task


async def get(context: ServerRequestContext[Any, Any], params: TaskParams) -> JsonObject:
    """Say how a task stands, with its result, its error or what it waits for."""
    task = _known(context, params)
    waits = {"inputRequests": task.pending} if task.status == "input_required" else {}
    return {**task.describe(), **task.outcome, **waits}


async def update(context: ServerRequestContext[Any, Any], params: TaskParams) -> JsonObject:
    """Give a task what it waits for; the answer says nothing but that it arrived."""
    _known(context, params).answer(params.input_responses or {})
    return {}


async def cancel(context: ServerRequestContext[Any, Any], params: TaskParams) -> JsonObject:
    """Stop a task, if it still runs."""
    task = _known(context, params)
    if task.runner is not None and not task.runner.done():
        task.move("cancelled")
        task.runner.cancel()
    return {}


METHODS: Final = {"tasks/get": get, "tasks/update": update, "tasks/cancel": cancel}


@tool("greet", "Greets at once, never as a task", {"name": {"type": "string"}}, reads=True)
async def greet(call: Call) -> JsonObject:
    return text(f"Hello, {call.arguments['name']}!")


@task_tool("slow_compute", "Takes its time", {"seconds": {"type": "number"}}, required=False)
async def slow_compute(call: Call) -> Work:
    async def work(_: Task) -> JsonObject:
        await asyncio.sleep(float(call.arguments["seconds"]))
        return text(f"Computed {call.arguments.get('label', '')}".strip())

    return work


@task_tool("failing_job", "Fails after a while")
async def failing_job(_: Call) -> Work:
    async def work(_: Task) -> JsonObject:
        await asyncio.sleep(0.3)
        raise ToolFailed("This job intentionally fails")

    return work


@task_tool("protocol_error_job", "Breaks")
async def protocol_error_job(_: Call) -> Work:
    async def work(_: Task) -> JsonObject:
        raise MCPError(types.INTERNAL_ERROR, "This job intentionally breaks")

    return work


async def _confirmed(questions: JsonObject, task: Task) -> JsonObject:
    answers = await task.ask(questions)
    return text(*[f"{key}: {answer.get('action')}" for key, answer in sorted(answers.items())])


@task_tool("confirm_delete", "Asks before it deletes (nothing)", {"filename": {"type": "string"}})
async def confirm_delete(call: Call) -> Work:
    question = form(f"Delete {call.arguments['filename']}?", {"confirm": {"type": "boolean"}})
    return functools.partial(_confirmed, {"confirm": question})


@task_tool("multi_input", "Asks two things at once")
async def multi_input(_: Call) -> Work:
    agreed = form("Do you agree?", {"confirm": {"type": "boolean"}})
    return functools.partial(_confirmed, {"who": NAME, "agreed": agreed})


@task_tool("test_tool_with_task", "Asks for a name in a round, then becomes a task")
async def tool_with_task(call: Call) -> Work:
    name = name_of((await call.ask({"user_name": NAME}))["user_name"])

    async def work(_: Task) -> JsonObject:
        return text(f"Hello, {name}!")

    return work
