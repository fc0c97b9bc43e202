"""`switchover kill-switch on|off`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("kill-switch")
@click.argument("position", type=click.Choice(["on", "off"]))
@reason_option
@state_dir_option
def command(*, position: str, reason: str, state_dir: Path | None) -> None:
    """Send all traffic to the previous generation if it is warm, else to the active one, until lifted."""
    do(state_dir, "/v1/kill-switch", on=position == "on", reason=reason)
