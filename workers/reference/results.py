"""What the tools answer: the shapes that clients see as each tool's output schema.

Above them stand the tools, below them the store's own values, from which they are made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from switchover_kit import Role

from workers.reference.review import Reviewed
from workers.reference.tasks import Status, Task


class Result(BaseModel):
    """What every tool's answer has in common."""

    model_config = ConfigDict(frozen=True)


class TaskResult(Result):
    """One task."""

    id: int = Field(description="Number of the task, never reused.")
    title: str
    status: Status
    priority: int = Field(description="0 (some day) to 100 (now).")
    estimated_minutes: int
    depends_on: list[int] = Field(description="Numbers of the tasks that must be done before.")
    agent: str | None = Field(description="Who has it or had it last.")
    attempt: int = Field(description="How often it was assigned.")
    updated: datetime

    @classmethod
    def of(cls, task: Task) -> TaskResult:
        """Show a task."""
        return cls(
            id=task.id,
            title=task.title,
            status=task.status,
            priority=task.priority,
            estimated_minutes=task.estimated_minutes,
            depends_on=list(task.depends_on),
            agent=task.agent,
            attempt=task.attempt,
            updated=task.updated,
        )


class Planned(Result):
    """Answer of `plan`."""

    task: TaskResult


class Dispatched(Result):
    """Answer of `dispatch`."""

    task: TaskResult | None = Field(description="The task that is now the agent's; null when nothing is ready.")
    blocked: int = Field(description="How many pending tasks wait for another one.")


class Reported(Result):
    """Answer of `report`."""

    task: TaskResult
    evidence: int = Field(description="How many pieces of evidence were recorded.")


class Verified(Result):
    """Answer of `verify`."""

    task: TaskResult
    verdict: Reviewed
    passed: int = Field(description="How many pieces of the latest attempt's evidence passed.")
    total: int = Field(description="How many there are.")
    reasons: list[str] = Field(description="What stands against the work.")


class Upcoming(Result):
    """One line of `plan_next`."""

    weight: int = Field(description="Weight of the task's status; the highest comes first.")
    task: TaskResult


class PlannedNext(Result):
    """Answer of `plan_next`."""

    scheduler: Literal["legacy"] = Field(description="How the order was found: legacy is by status weight.")
    upcoming: list[Upcoming] = Field(description="What comes next, first one first.")
    blocked: int = Field(description="How many pending tasks wait for another one.")


class ShadowDiffs(Result):
    """The last shadow comparison's summary."""

    count: int = Field(ge=0, description="How many differences it found.")
    recorded_at: datetime
    path: str | None = Field(default=None, description="Where the details are, relative to the state directory.")


class Queue(Result):
    """The queue as a whole."""

    ready: int = Field(description="How many tasks an agent can take now.")
    blocked: int = Field(description="How many pending tasks wait for another one.")
    shadow_diffs: ShadowDiffs | None = Field(description="The last shadow comparison; null when there was none.")
    shadow_diffs_error: str | None = Field(description="Why the summary could not be read, if there is one.")


class OrchestratorStatus(Result):
    """Answer of `orchestrator_status`."""

    total: int
    counts: dict[Status, int] = Field(description="How many tasks stand where.")
    queue: Queue


class AgentResult(Result):
    """One agent and what it has in hand."""

    name: str
    last_activity: datetime = Field(description="When it last took or reported a task.")
    in_progress: list[TaskResult]
    in_review: int = Field(description="How many of its tasks wait for verify.")


class AutopilotStatus(Result):
    """Answer of `autopilot_status`."""

    agents: list[AgentResult] = Field(description="By name.")
    in_progress: int = Field(description="How many tasks are being worked on.")


class Health(Result):
    """Answer of `health`."""

    healthy: bool = Field(description="Whether the store is sound.")
    version: str
    generation: int = Field(description="0 without Switchover.")
    role: Role
    dry_run: bool
    pid: int
    uptime_seconds: float
    store: str = Field(description="ok, or what is wrong with the task store.")
