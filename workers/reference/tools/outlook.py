"""Tools that look at tasks: what comes next, and what an agent should know of one.  Neither changes anything.

Above them stands `server`, below them the store, `scheduling`, `context` and `options`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from workers.reference.context import assemble
from workers.reference.modes import Modes
from workers.reference.results import ContextResult, OptionResult, PlannedNext, TaskResult, Upcoming, WsjfResult
from workers.reference.scheduling import Scheduler, blocked, open_tasks, ready, upcoming, weight
from workers.reference.store import Overview, Store
from workers.reference.tasks import Task
from workers.reference.tokens import count_tokens
from workers.reference.tools.arguments import TaskNumber, Truth
from workers.reference.tools.options import Options
from workers.reference.tools.toolbox import answer, reading
from workers.reference.wsjf import economics


class OutlookTools:
    """plan_next and context."""

    def __init__(self, store: Store, modes: Modes, options: Options) -> None:
        self._store = store
        self._modes = modes
        self._options = options

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [reading(self.plan_next, "What comes next"), reading(self.context, "What to know of a task")]

    def plan_next(
        self,
        *,
        limit: Annotated[int, Field(strict=True, ge=1, le=50, description="How many tasks to show at most.")] = 5,
        everything: Annotated[Truth, Field(description="Also what is taken or waits for another task.")] = False,
    ) -> Annotated[CallToolResult, PlannedNext]:
        """Show the next tasks in the order of the present scheduler, and how each would be executed."""
        overview = self._store.overview()
        scheduler = self._modes.scheduler
        listed = (open_tasks if everything else upcoming)(overview.unfinished, scheduler)[:limit]
        waiting = {task.id for task in blocked(overview.unfinished)}
        options = self._options_for(listed, overview)
        lines = [_line(task, scheduler, waiting, options.get(task.id)) for task in listed]
        return answer(PlannedNext(scheduler=scheduler, upcoming=lines, blocked=len(waiting)))

    def context(self, task_id: TaskNumber) -> Annotated[CallToolResult, ContextResult]:
        """Tell what an agent should know of a task before it begins, as long as the prompt mode allows."""
        task, needs, history = self._store.background(task_id)
        told = assemble(task, needs, history, self._modes.prompt)
        result = ContextResult(
            mode=told.mode,
            text=told.text,
            entries=list(told.entries),
            history=list(told.history),
            files=list(told.files),
            left_out=told.left_out,
            cut=told.cut,
            tokens=count_tokens(told.text),
        )
        return answer(result, context_tokens=result.tokens)

    def _options_for(self, listed: list[Task], overview: Overview) -> dict[int, OptionResult]:
        """Pick how the tasks would be executed that an agent can take now."""
        able = {task.id for task in ready(overview.unfinished)}
        if not able.intersection(task.id for task in listed):
            return {}
        chooser = self._options.chooser()
        return {task.id: chooser.show(chooser.pick(task, overview.records)) for task in listed if task.id in able}


def _line(task: Task, scheduler: Scheduler, waiting: Collection[int], option: OptionResult | None) -> Upcoming:
    return Upcoming(
        weight=weight(task, waiting),
        wsjf=_wsjf(task) if scheduler is Scheduler.WSJF else None,
        option=option,
        task=TaskResult.of(task),
    )


def _wsjf(task: Task) -> WsjfResult:
    worth = economics(task)
    return WsjfResult(
        business_value=round(float(worth.business_value), 3),
        time_criticality=round(float(worth.time_criticality), 3),
        risk_reduction=round(float(worth.risk_reduction), 3),
        job_size=round(float(worth.job_size), 3),
        score=round(float(worth.score), 3),
    )
