"""`switchover reload`: read the configuration again."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("reload")
@reason_option
@state_dir_option
def command(*, reason: str, state_dir: Path | None) -> None:
    """Read the configuration again; a bad one is refused and the old one stays."""
    do(state_dir, "/v1/reload", reason=reason)
