"""What is asked of a rollout over `/v1/rollout`, and what is answered to a verb.

Above: `rollout` serves it, `verbs` takes it.  Below: pydantic.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from orchestrator.api.models import Absolute, Asking, Command, Done, Text, number
from orchestrator.api.rollouts.upgrade_models import RUN_PATTERN


def _named(plan: str) -> str:
    if ("/" in plan or "." in plan) and not plan.startswith("/"):
        raise ValueError("a plan's file is named by its absolute path, any other plan by its name")
    return plan


class UpgradeBody(Asking):
    """Begin a rollout."""

    plan: Annotated[Text, AfterValidator(_named)] | None = Field(
        None, description="name of a plan, or absolute path of its file; `rollout.plan` of the configuration by default"
    )
    command: Command | None = Field(
        None, description="program and arguments of the new version; none where the plan only moves flags", min_length=1
    )
    cwd: Absolute | None = Field(None, description="absolute working directory; the daemon's own by default")
    env: dict[Text, Text] = Field(default_factory=dict, description="variables on top of the daemon's own")
    source: Absolute | None = Field(None, description="directory to copy into the generation's private copy")
    id: str | None = Field(None, description="the rollout's id; the time by default", pattern=RUN_PATTERN)
    force: StrictBool = Field(default=False, description="take the version out of quarantine")
    force_plan: StrictBool = Field(default=False, description="carry the plan out although lint says it cannot work")
    allow_breaking: StrictBool = Field(
        default=False, description="take it also when clients of the active generation would miss something"
    )


class RetryBody(Asking):
    """Run the last candidate again."""

    id: str | None = Field(None, description="the new rollout's id; the time by default", pattern=RUN_PATTERN)


class RollbackBody(Asking):
    """Go back."""

    lose_writes: StrictBool = Field(
        default=False, description="go back from an exclusive cut-over, though what was written since is lost"
    )


class RolloutBegun(Done):
    """A rollout that has begun."""

    id: str
    warnings: list[str] = Field(
        default_factory=list, description="what about the plan does nothing, or is hardly meant"
    )


class DrillBody(Asking):
    """Rehearse a rollback."""

    hold: Annotated[float, number("give seconds from 0 to 30")] = Field(
        1.0, description="seconds for which calls go to the refuge", ge=0, le=30
    )
