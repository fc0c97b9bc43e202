"""`switchover stop`: drain and stop the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("stop")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Let calls in flight finish, stop the workers, end the daemon."""
    do(state_dir, "/v1/stop", reason=reason)
