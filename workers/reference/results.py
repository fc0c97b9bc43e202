"""What the tools answer: the shapes that clients see as each tool's output schema.

Above them stand the tools, below them the store's own values, from which they are made.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from switchover_kit import Role

from workers.reference.choice.engine import Engine
from workers.reference.context import PromptMode
from workers.reference.critics.opinion import Critic
from workers.reference.scheduling import Scheduler
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
    business_value: int | None = Field(description="0 to 20; null: what the priority says.")
    time_criticality: int | None = Field(description="0 to 20; null: 1.")
    risk_reduction: int | None = Field(description="0 to 20; null: 1.")
    job_size: int | None = Field(description="1 to 100; null: the estimated hours.")
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
            business_value=task.business_value,
            time_criticality=task.time_criticality,
            risk_reduction=task.risk_reduction,
            job_size=task.job_size,
            agent=task.agent,
            attempt=task.attempt,
            updated=task.updated,
        )


class OptionResult(Result):
    """How a task is to be executed."""

    profile: str = Field(description="Name of the way to execute it.")
    provider: str
    model: str
    cost: float = Field(description="Expected money.")
    minutes: float = Field(description="Expected minutes.")
    quality: float = Field(description="Expected percent.")
    engine: Engine = Field(description="How it was picked.")
    front: list[str] = Field(description="What it was picked from: the Pareto front, or all that passed a basic check.")
    reason: str


class Planned(Result):
    """Answer of `plan` and `plan_update`."""

    task: TaskResult


class Dispatched(Result):
    """Answer of `dispatch`."""

    task: TaskResult | None = Field(description="The task that is now the agent's; null when nothing is ready.")
    option: OptionResult | None = Field(description="How it is to be executed.")
    scheduler: Scheduler = Field(description="How the task was found.")
    blocked: int = Field(description="How many pending tasks wait for another one.")


class Reported(Result):
    """Answer of `report_mo`."""

    task: TaskResult
    evidence: int = Field(description="How many pieces of evidence were recorded.")


class WsjfResult(Result):
    """What weighted shortest job first makes of a task."""

    business_value: float
    time_criticality: float
    risk_reduction: float
    job_size: float
    score: float = Field(description="Their sum but for the job size, over the job size.")


class Upcoming(Result):
    """One line of `plan_next`."""

    weight: int = Field(description="Weight of the task's status; with legacy the highest comes first.")
    wsjf: WsjfResult | None = Field(description="What the order goes by with wsjf; null with legacy.")
    option: OptionResult | None = Field(description="How it would be executed; null when no agent can take it now.")
    task: TaskResult


class PlannedNext(Result):
    """Answer of `plan_next`."""

    scheduler: Scheduler = Field(description="How the order was found: by status weight, or by WSJF.")
    upcoming: list[Upcoming] = Field(description="What comes next, first one first.")
    blocked: int = Field(description="How many pending tasks wait for another one.")


class ContextResult(Result):
    """Answer of `context`."""

    mode: PromptMode
    text: str = Field(description="All of it as one prompt header.")
    entries: list[str]
    history: list[str] = Field(description="The newest pieces, oldest first.")
    files: list[str] = Field(description="The most important ones.")
    left_out: int = Field(description="Pieces of history and files that were left out.")
    cut: int = Field(description="Entries that were shortened.")
    tokens: int = Field(description="Tokens of the text, by the vocabulary o200k_base.")


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


class AgentResult(Result):
    """One agent and what it has in hand."""

    name: str
    last_activity: datetime = Field(description="When it last took or reported a task.")
    in_progress: list[TaskResult]
    in_review: int = Field(description="How many of its tasks wait for verify.")


class CriticResult(Result):
    """One critic and how much it is believed."""

    name: Critic
    reputation: float = Field(description="0 (no better than a coin) to 1 (never wrong); a new critic's is 0.6.")
    brier: float | None = Field(description="Mean squared error of its forecasts; null before the first was settled.")
    opinions: int = Field(description="How many it gave.")
    settled: int = Field(description="Of how many it is known how they turned out.")
    held: int = Field(description="How many of these were right.")


class ProfileResult(Result):
    """One way to execute a task and how it has done."""

    name: str
    reviews: int
    passed: int


class AutopilotStatus(Result):
    """Answer of `autopilot_status`."""

    agents: list[AgentResult] = Field(description="By name.")
    in_progress: int = Field(description="How many tasks are being worked on.")
    critics: list[CriticResult]
    profiles: list[ProfileResult] = Field(description="Those whose work was reviewed, by name.")


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
    flags: str = Field(description="ok, or why the flags answer their safe values.")
