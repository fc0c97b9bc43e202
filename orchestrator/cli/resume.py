"""`switchover resume`: let a rollout go on."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("resume")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Let the rollout go on: after a pause, at a hold, or at a step that stays until somebody says so."""
    do(state_dir, "/v1/rollout/resume", reason=reason)
