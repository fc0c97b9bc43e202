"""Tools about reviews: report finished work with evidence, and verify that evidence.

Above them stands `server`, below them the store and `review`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import BaseModel, ConfigDict, Field

from workers.reference.results import Reported, TaskResult, Verified
from workers.reference.store import Store
from workers.reference.tasks import Evidence
from workers.reference.tools.arguments import AgentName, Line, TaskNumber
from workers.reference.tools.toolbox import Now, answer, writing


class EvidenceArgument(BaseModel):
    """One thing the agent shows for its work."""

    model_config = ConfigDict(extra="forbid")

    kind: Line = Field(description='What sort of proof it is, for instance "test" or "review".')
    passed: bool = Field(description="Whether it speaks for the work.")
    detail: Line = Field(description="What was seen, one line.")


class ReviewTools:
    """report and verify."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            writing(self.report, "Report finished work", idempotent=False),
            writing(self.verify, "Verify a task", idempotent=True),
        ]

    def report(
        self,
        task_id: TaskNumber,
        agent: AgentName,
        evidence: Annotated[
            list[EvidenceArgument], Field(min_length=1, max_length=50, description="What the agent shows for its work.")
        ],
    ) -> Annotated[CallToolResult, Reported]:
        """Record the evidence for the task an agent has in hand and put the task under review."""
        pieces = [Evidence(piece.kind, piece.passed, piece.detail) for piece in evidence]
        task = self._store.report(task_id, agent, pieces, self._now())
        return answer(Reported(task=TaskResult.of(task), evidence=len(pieces)))

    def verify(self, task_id: TaskNumber) -> Annotated[CallToolResult, Verified]:
        """Check a reported task's evidence: done when all of it passed, needs_improvement otherwise."""
        task, verdict = self._store.verify(task_id, self._now())
        result = Verified(
            task=TaskResult.of(task),
            verdict=verdict.status,
            passed=verdict.passed,
            total=verdict.total,
            reasons=list(verdict.reasons),
        )
        return answer(result, quality=verdict.quality)
