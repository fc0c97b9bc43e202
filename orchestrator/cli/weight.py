"""`switchover weight N`: send a share of the traffic to the canary."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("weight")
@click.argument("percent", type=int)
@reason_option
@state_dir_option
def command(*, percent: int, reason: str, state_dir: Path | None) -> None:
    """Send PERCENT (0 to 100) of the assignment keys to the canary."""
    do(state_dir, "/v1/weight", weight=percent, reason=reason)
