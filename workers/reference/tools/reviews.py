"""Tools about reviews: report finished work with evidence, and verify it.

Above them stands `server`, below them the store, `review` and `suite`.
"""

from __future__ import annotations

from typing import Annotated, Final

from anyio import to_thread
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import BaseModel, ConfigDict, Field

from workers.reference.modes import Modes
from workers.reference.results import Reported, TaskResult
from workers.reference.results_of_reviews import OpinionResult, TestsResult, Verified
from workers.reference.store import Examined, Store
from workers.reference.suite.changed import require_revision
from workers.reference.suite.examination import Look, Seen, examine
from workers.reference.suite.work_tree import WorkTree, WorkTreeError
from workers.reference.tasks import Evidence, Task
from workers.reference.tools.arguments import AgentName, Amount, Files, Line, TaskNumber
from workers.reference.tools.toolbox import Now, answer, writing
from workers.reference.verdicts import Reviewed, Spent
from workers.reference.world import World

DEFAULT_SECONDS: Final = 45.0
"""How long tests may take unless the caller says otherwise: less than a call's default deadline of 60 s."""


class EvidenceArgument(BaseModel):
    """One thing the agent shows for its work."""

    model_config = ConfigDict(extra="forbid")

    kind: Line = Field(description='What sort of proof it is, for instance "test" or "review".')
    passed: bool = Field(strict=True, description="Whether it speaks for the work.")
    detail: Line = Field(description="What was seen, one line.")


class ReviewTools:
    """report_mo and verify."""

    def __init__(self, store: Store, modes: Modes, world: World, now: Now) -> None:
        self._store = store
        self._modes = modes
        self._world = world
        self._now = now

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            writing(self.report_mo, "Report finished work", idempotent=False),
            writing(self.verify, "Verify a task", idempotent=True, open_world=True),
        ]

    def report_mo(
        self,
        *,
        task_id: TaskNumber,
        agent: AgentName,
        evidence: Annotated[
            list[EvidenceArgument], Field(min_length=1, max_length=50, description="What the agent shows for its work.")
        ],
        tokens: Annotated[int | None, Field(strict=True, ge=0, le=10**12, description="Tokens it used.")] = None,
        cost: Annotated[Amount | None, Field(description="Money it cost.")] = None,
        minutes: Annotated[Amount | None, Field(description="Minutes it took.")] = None,
    ) -> Annotated[CallToolResult, Reported]:
        """Record the evidence for the task an agent has in hand and what it took, and put the task under review."""
        pieces = [Evidence(piece.kind, piece.passed, piece.detail) for piece in evidence]
        task = self._store.report(task_id, agent, pieces, self._now(), Spent(tokens, cost, minutes))
        return answer(Reported(task=TaskResult.of(task), evidence=len(pieces)), cost=cost)

    async def verify(
        self,
        *,
        task_id: TaskNumber,
        work_tree: Annotated[
            str | None,
            Field(max_length=4096, description="Where the work is, in the work tree; . is all of it. Runs its tests."),
        ] = None,
        changed: Annotated[
            Files | None, Field(max_length=5000, description="Files that changed; without them git is asked.")
        ] = None,
        since: Annotated[str | None, Field(max_length=200, description="The revision git is to compare with.")] = None,
        time_limit: Annotated[
            float, Field(strict=True, gt=0, le=3600, description="Seconds the tests may take.")
        ] = DEFAULT_SECONDS,
    ) -> Annotated[CallToolResult, Verified]:
        """Have the critics judge a reported task: done when they accept it, needs_improvement otherwise.

        With a work tree its tests run, all or a selection of them. What was reviewed before is not looked at again.
        """
        tree = self._tree(work_tree, changed, since)
        found = await to_thread.run_sync(self._store.under_review, task_id)
        if found.made is not None:
            return _answer(found.task, found.made)
        looked = None
        if tree is not None:
            name = tree.root.relative_to(self._world.work_tree.resolve()).as_posix()
            before = await to_thread.run_sync(self._store.tests_passed, name)
            look = Look(tree, self._modes.selective_tests, changed, since, time_limit)
            looked = _examined(await examine(look, before), name)
        task, made = await to_thread.run_sync(self._store.verify, task_id, self._now(), looked, found.task.attempt)
        return _answer(task, made)

    def _tree(self, named: str | None, changed: list[str] | None, since: str | None) -> WorkTree | None:
        """Return where to look, None when nobody asked for that."""
        if named is None:
            if changed is not None or since is not None:
                raise WorkTreeError("changed and since are about a work tree; name that too, with work_tree")
            return None
        tree = WorkTree.within(self._world.work_tree, named)
        self._world.allow("verify", "running the tests", tree.root)
        for path in changed or ():
            tree.relative(path)
        if since is not None:
            require_revision(since)
        return tree


def _examined(seen: Seen, tree: str) -> Examined:
    return Examined(
        opinions=seen.opinions,
        tests=TestsResult.of(seen).model_dump_json(),
        tree=None if seen.run.trouble else tree,
        passed=seen.run.passed,
        ran=[result.test for result in seen.run.results],
        whole=not seen.selection.selective,
    )


def _answer(task: Task, made: Reviewed) -> CallToolResult:
    verdict = made.verdict
    result = Verified(
        task=TaskResult.of(task),
        verdict=verdict.status,
        support=verdict.support,
        passed=verdict.passed,
        total=verdict.total,
        reasons=list(verdict.reasons),
        critics=[OpinionResult.of(weighed) for weighed in verdict.weighed],
        tests=None if made.tests is None else TestsResult.model_validate_json(made.tests),
    )
    return answer(result, quality=verdict.quality)
