"""Tools that make and move tasks: plan one, change one, take the next one.

Above them stands `server`, below them the store, `options` and `scheduling`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from workers.reference.changes import Change, Target
from workers.reference.choice.engine import Preference
from workers.reference.choice.forecast import Limits
from workers.reference.modes import Modes
from workers.reference.results import Dispatched, Planned, TaskResult
from workers.reference.store import Store
from workers.reference.tasks import Draft, TaskError
from workers.reference.tools.arguments import (
    AgentName,
    Amount,
    Dependencies,
    Files,
    Kinds,
    Line,
    Minutes,
    Points,
    Priority,
    Size,
    TaskNumber,
    Text,
)
from workers.reference.tools.options import Options
from workers.reference.tools.toolbox import Now, answer, writing


class TaskTools:
    """plan, plan_update and dispatch."""

    def __init__(self, store: Store, modes: Modes, options: Options, now: Now) -> None:
        self._store = store
        self._modes = modes
        self._options = options
        self._now = now

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            writing(self.plan, "Plan a task", idempotent=False),
            writing(self.plan_update, "Change a task", idempotent=True, destructive=True),
            writing(self.dispatch, "Take the next task", idempotent=False),
        ]

    def plan(
        self,
        *,
        title: Annotated[Line, Field(description="What is to be done, one line.")],
        priority: Priority = 50,
        estimated_minutes: Minutes = 60,
        depends_on: Dependencies | None = None,
        details: Annotated[Text, Field(description="What an agent should know.")] = "",
        business_value: Points | None = None,
        time_criticality: Points | None = None,
        risk_reduction: Points | None = None,
        job_size: Size | None = None,
        files: Files | None = None,
        required_evidence: Kinds | None = None,
    ) -> Annotated[CallToolResult, Planned]:
        """Add a task to the queue."""
        draft = Draft(
            title=title,
            priority=priority,
            estimated_minutes=estimated_minutes,
            depends_on=tuple(sorted(set(depends_on or ()))),
            details=details,
            business_value=business_value,
            time_criticality=time_criticality,
            risk_reduction=risk_reduction,
            job_size=job_size,
            files=tuple(files or ()),
            required_evidence=tuple(sorted(set(required_evidence or ()))),
        )
        return answer(Planned(task=TaskResult.of(self._store.plan(draft, self._now()))))

    def plan_update(
        self,
        *,
        task_id: TaskNumber,
        title: Line | None = None,
        priority: Priority | None = None,
        estimated_minutes: Minutes | None = None,
        depends_on: Dependencies | None = None,
        details: Text | None = None,
        business_value: Points | None = None,
        time_criticality: Points | None = None,
        risk_reduction: Points | None = None,
        job_size: Size | None = None,
        files: Files | None = None,
        required_evidence: Kinds | None = None,
        status: Annotated[
            Target | None,
            Field(description="pending: give it back; needs_improvement: reopen it; done: take it as it is."),
        ] = None,
        reason: Annotated[Line | None, Field(description="Why, for the task's history.")] = None,
    ) -> Annotated[CallToolResult, Planned]:
        """Change what is given of a task and leave the rest; moving it by hand also says whether its review held."""
        given = {
            "title": title,
            "priority": priority,
            "estimated_minutes": estimated_minutes,
            "depends_on": None if depends_on is None else tuple(sorted(set(depends_on))),
            "details": details,
            "business_value": business_value,
            "time_criticality": time_criticality,
            "risk_reduction": risk_reduction,
            "job_size": job_size,
            "files": None if files is None else tuple(files),
            "required_evidence": None if required_evidence is None else tuple(sorted(set(required_evidence))),
        }
        values = {name: value for name, value in given.items() if value is not None}
        if not values and status is None:
            raise TaskError(f"nothing is to be changed about task {task_id}; give a field's new value, or a status")
        change = Change(values, status, reason)
        return answer(Planned(task=TaskResult.of(self._store.update(task_id, change, self._now()))))

    def dispatch(
        self,
        *,
        agent: AgentName,
        prefer: Annotated[Preference, Field(description="What matters most in how it is executed.")] = (
            Preference.BALANCED
        ),
        max_cost: Annotated[Amount | None, Field(description="Money it may cost.")] = None,
        max_minutes: Annotated[Amount | None, Field(description="Minutes it may take.")] = None,
        min_quality: Annotated[
            float | None, Field(strict=True, ge=0, le=100, description="Percent it has to reach.")
        ] = None,
    ) -> Annotated[CallToolResult, Dispatched]:
        """Give the next ready task to an agent, who then owns it, and say how it is to be executed; null if none is."""
        chooser = self._options.chooser(Limits(max_cost, max_minutes, min_quality), prefer)
        scheduler = self._modes.scheduler
        taken = self._store.dispatch(agent, self._now(), scheduler, chooser.pick)
        option = None if taken.choice is None else chooser.show(taken.choice)
        result = Dispatched(
            task=None if taken.task is None else TaskResult.of(taken.task),
            option=option,
            scheduler=scheduler,
            blocked=taken.waiting,
        )
        if option is None:
            return answer(result)
        return answer(result, cost=option.cost, quality=option.quality)
