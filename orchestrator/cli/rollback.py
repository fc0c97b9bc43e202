"""`switchover rollback`: go back now, with or without a rollout."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("rollback")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Go back now: end the rollout under way, or go back to a warm previous generation or from a canary.

    What was served is quarantined; to go back without a judgement: switchover switch --back
    """
    do(state_dir, "/v1/rollback", reason=reason)
