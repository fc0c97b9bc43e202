"""Tools about tasks: plan one, take the next one, look at what comes next.

Above them stands `server`, below them the store and `scheduling`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from workers.reference.results import Dispatched, Planned, PlannedNext, TaskResult, Upcoming
from workers.reference.scheduling import STATUS_WEIGHTS, blocked, upcoming
from workers.reference.store import Store
from workers.reference.tasks import Draft
from workers.reference.tools.arguments import AgentName, Line, TaskNumber
from workers.reference.tools.toolbox import Now, answer, reading, writing


class TaskTools:
    """plan, dispatch and plan_next."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            writing(self.plan, "Plan a task", idempotent=False),
            writing(self.dispatch, "Take the next task", idempotent=False),
            reading(self.plan_next, "What comes next"),
        ]

    def plan(
        self,
        title: Annotated[Line, Field(description="What is to be done, one line.")],
        priority: Annotated[int, Field(ge=0, le=100, description="0 (some day) to 100 (now).")] = 50,
        estimated_minutes: Annotated[int, Field(ge=1, le=10_080, description="Expected work; at most a week.")] = 60,
        depends_on: Annotated[
            list[TaskNumber] | None, Field(max_length=50, description="Numbers of tasks that must be done before.")
        ] = None,
    ) -> Annotated[CallToolResult, Planned]:
        """Add a task to the queue."""
        needs = tuple(sorted(set(depends_on or ())))
        draft = Draft(title=title, priority=priority, estimated_minutes=estimated_minutes, depends_on=needs)
        return answer(Planned(task=TaskResult.of(self._store.plan(draft, self._now()))))

    def dispatch(self, agent: AgentName) -> Annotated[CallToolResult, Dispatched]:
        """Give the next ready task to an agent, who then owns it; null when nothing is ready."""
        task, waiting = self._store.dispatch(agent, self._now())
        return answer(Dispatched(task=None if task is None else TaskResult.of(task), blocked=waiting))

    def plan_next(
        self, limit: Annotated[int, Field(ge=1, le=50, description="How many tasks to show at most.")] = 5
    ) -> Annotated[CallToolResult, PlannedNext]:
        """Show the next tasks in the order of the status-based scheduler, without changing anything."""
        tasks = self._store.overview().unfinished
        lines = [Upcoming(weight=STATUS_WEIGHTS[task.status], task=TaskResult.of(task)) for task in upcoming(tasks)]
        return answer(PlannedNext(scheduler="legacy", upcoming=lines[:limit], blocked=len(blocked(tasks))))
