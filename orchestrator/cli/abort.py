"""`switchover abort`: end a rollout and go back."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("abort")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """End the rollout under way, go back to the old version, and quarantine the new one."""
    do(state_dir, "/v1/rollout/abort", reason=reason)
