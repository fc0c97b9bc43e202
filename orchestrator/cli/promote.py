"""`switchover promote`: all traffic to the new version now."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("promote")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Have the rollout under way send all traffic to the new version now; the old one stays warm."""
    do(state_dir, "/v1/rollout/promote", reason=reason)
