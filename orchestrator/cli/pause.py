"""`switchover pause`: stop a rollout's clock."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("pause")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Stop the clock of the rollout under way; traffic stays as it is, and the guard stays on."""
    do(state_dir, "/v1/rollout/pause", reason=reason)
