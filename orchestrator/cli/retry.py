"""`switchover retry`: run the last rollout's candidate again, from its rehearsal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from orchestrator.cli import rolling
from orchestrator.cli.control import paths_of
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("retry")
@click.option("--id", "run", help="Name of the new rollout; the time by default.")
@click.option("--detach", is_flag=True, help="Only begin it; by itself it is followed to its end.")
@reason_option
@state_dir_option
def command(*, run: str | None, detach: bool, reason: str, state_dir: Path | None) -> None:
    """Run the version that was rolled back last once more, by the same plan; it leaves quarantine.

    Exit status: as of `switchover upgrade`.
    """
    paths = paths_of(state_dir)
    begun = rolling.begin(paths, f"{rolling.ROLLOUT}/retry", {"id": run, "reason": reason})
    if not detach:
        sys.exit(rolling.follow(paths, begun))
