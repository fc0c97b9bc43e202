"""`switchover switch`: move all traffic, forth or back."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("switch")
@click.option("--back", is_flag=True, help="Move back to the previous generation.")
@reason_option
@state_dir_option
def command(*, back: bool, reason: str, state_dir: Path | None) -> None:
    """Move all traffic to the canary; the active generation stays warm as previous."""
    do(state_dir, "/v1/switch-back" if back else "/v1/switch", reason=reason)
