"""`switchover flags export`: values and targeting of all flags as JSON."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.flags.ask import FLAGS, fetch, show_json
from orchestrator.cli.group import state_dir_option


@click.command("export")
@state_dir_option
def command(*, state_dir: Path | None) -> None:
    """Print values and targeting of all flags, to be kept or imported elsewhere."""
    show_json(fetch(state_dir, "GET", f"{FLAGS}/-/export"))
