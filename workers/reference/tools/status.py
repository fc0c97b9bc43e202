"""Tools that look at the whole: the queue, the agents, and this process itself.  None of them changes anything.

Above them stands `server`, below them the store and the shadow comparison's summary.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field
from switchover_kit import Environment

from workers.reference.critics.opinion import Critic
from workers.reference.critics.reputation import Standing
from workers.reference.modes import Modes
from workers.reference.results import (
    AgentResult,
    AutopilotStatus,
    CriticResult,
    Health,
    ProfileResult,
    Queue,
    Result,
    ShadowDiffs,
    TaskResult,
)
from workers.reference.scheduling import blocked, ready
from workers.reference.shadow_summary import SummaryError, shadow_diffs
from workers.reference.store import Agent, Overview, Store
from workers.reference.tasks import Status, Task
from workers.reference.tools.toolbox import answer, reading
from workers.reference.tools.web import BrowserStatus


class OrchestratorStatus(Result):
    """Answer of `orchestrator_status`."""

    flags: dict[str, str] = Field(description="Every feature flag's value right now.")
    total: int
    counts: dict[Status, int] = Field(description="How many tasks stand where.")
    queue: Queue
    browsers: BrowserStatus


@dataclass(frozen=True)
class Identity:
    """What this process knows of itself.

    Attributes:
        version: what it calls its version.
        environment: what it was started for.
        uptime: returns seconds since the process started.
        flags_trouble: returns why flags answer their safe values, None when they do not.
    """

    version: str
    environment: Environment
    uptime: Callable[[], float]
    flags_trouble: Callable[[], str | None]


class StatusTools:
    """orchestrator_status, autopilot_status and health."""

    def __init__(self, store: Store, modes: Modes, identity: Identity, browsers: Callable[[], BrowserStatus]) -> None:
        self._store = store
        self._modes = modes
        self._identity = identity
        self._browsers = browsers

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            reading(self.orchestrator_status, "The queue as a whole"),
            reading(self.autopilot_status, "The agents and their work"),
            reading(self.health, "This process"),
        ]

    def orchestrator_status(self) -> Annotated[CallToolResult, OrchestratorStatus]:
        """Count the tasks by status, and say what the flags are, the browsers do and the last comparison found."""
        overview = self._store.overview()
        diffs, problem = self._shadow_diffs()
        queue = Queue(
            ready=len(ready(overview.unfinished)),
            blocked=len(blocked(overview.unfinished)),
            shadow_diffs=diffs,
            shadow_diffs_error=problem,
        )
        total = sum(overview.counts.values())
        result = OrchestratorStatus(
            flags=self._modes.snapshot(),
            total=total,
            counts=overview.counts,
            queue=queue,
            browsers=self._browsers(),
        )
        return answer(result)

    def autopilot_status(self) -> Annotated[CallToolResult, AutopilotStatus]:
        """List the agents with their work, the critics with their reputation, and how each profile has done."""
        overview = self._store.overview()
        agents = [_agent(agent, overview.unfinished) for agent in overview.agents]
        result = AutopilotStatus(
            agents=agents,
            in_progress=sum(len(agent.in_progress) for agent in agents),
            critics=[_critic(critic, standing, overview) for critic, standing in overview.standings.items()],
            profiles=[
                ProfileResult(name=name, reviews=record.total, passed=record.passed)
                for name, record in sorted(overview.records.items())
            ],
        )
        return answer(result)

    def health(self) -> Annotated[CallToolResult, Health]:
        """Say which process answers, since when, and whether its task store is sound."""
        finding = self._store.check()
        environment = self._identity.environment
        result = Health(
            healthy=finding is None,
            version=self._identity.version,
            generation=environment.generation,
            role=environment.role,
            dry_run=environment.dry_run,
            pid=os.getpid(),
            uptime_seconds=round(self._identity.uptime(), 3),
            store=finding or "ok",
            flags=self._identity.flags_trouble() or "ok",
        )
        return answer(result)

    def _shadow_diffs(self) -> tuple[ShadowDiffs | None, str | None]:
        """Return the summary, or why it cannot be read: unreadable is not the same as never compared."""
        try:
            return shadow_diffs(self._identity.environment.state_dir), None
        except SummaryError as error:
            return None, str(error)


def _critic(critic: Critic, standing: Standing, overview: Overview) -> CriticResult:
    """Show a critic with its reputation."""
    return CriticResult(
        name=critic,
        reputation=round(standing.reputation, 4),
        brier=None if standing.brier is None else round(standing.brier, 4),
        opinions=overview.spoken[critic],
        settled=len(standing.past),
        held=standing.held,
    )


def _agent(agent: Agent, tasks: list[Task]) -> AgentResult:
    """Show an agent with its share of `tasks`."""
    own = [task for task in tasks if task.agent == agent.name]
    return AgentResult(
        name=agent.name,
        last_activity=agent.last_activity,
        in_progress=[TaskResult.of(task) for task in own if task.status is Status.IN_PROGRESS],
        in_review=sum(task.status is Status.NEEDS_REVIEW for task in own),
    )
