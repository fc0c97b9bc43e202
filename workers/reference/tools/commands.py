"""The tool that runs a command in the work tree, once the gates let it through.

Above it stands `server`, below it the hands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from workers.reference.hands.errors import RefusedCommandError
from workers.reference.hands.gates import Command, check
from workers.reference.hands.rules import Effect
from workers.reference.hands.runner import SECONDS, Runner
from workers.reference.hands.settings import HandSettings
from workers.reference.hands.tree import Tree
from workers.reference.results import Result
from workers.reference.tools.toolbox import answer, writing
from workers.reference.world import World


class CommandRun(Result):
    """Answer of `cmd_run`."""

    program: str
    effect: Effect = Field(description="reads: it changed nothing; changes: it may have changed the work tree.")
    status: int | None = Field(description="Exit status; null when it was stopped because it wrote too much.")
    stdout: str
    stderr: str
    truncated: bool = Field(description="Whether it was stopped because it wrote too much.")


class CommandTools:
    """cmd_run."""

    def __init__(self, world: World, strict: Callable[[], bool], settings: HandSettings) -> None:
        """Keep what is needed.

        Args:
            world: where commands run.
            strict: returns the flag DANGER_GATES; asked at every call.
            settings: the operator's further restrictions.
        """
        self._world = world
        self._strict = strict
        self._further = settings.further
        self._runner = Runner(Tree(world.work_tree))
        self.refused: Counter[str] = Counter()
        """How many commands the gates refused since the start, by reason."""

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [writing(self.cmd_run, "Run a command", idempotent=False)]

    async def cmd_run(
        self,
        command: Annotated[str, Field(description="A program and its arguments on one line; no shell reads it.")],
        seconds: Annotated[float, Field(strict=True, gt=0, le=120, description="How long it may take.")] = SECONDS,
    ) -> Annotated[CallToolResult, CommandRun]:
        """Run one known, harmless command in the work tree: no shell, no chaining, nothing that destroys."""
        passed = self._gated(command)
        if passed.effect is not Effect.READS:
            self._world.allow("cmd_run", f"running {passed.program}, which changes files,", self._world.work_tree)
        outcome = await self._runner.run(passed, seconds)
        result = CommandRun(
            program=passed.program,
            effect=passed.effect,
            status=outcome.status,
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            truncated=outcome.truncated,
        )
        return answer(result)

    def _gated(self, text: str) -> Command:
        """Let a command through the gates, or count its refusal."""
        try:
            return check(text, strict=self._strict(), further=self._further)
        except RefusedCommandError as error:
            self.refused[error.reason] += 1
            raise
