"""`switchover shadow ...`: reading what a shadow comparison found, and recording calls for one; a verb a file.

`diff` and `explain` read the artifacts in the state directory, so that they need no daemon; `record` asks the daemon.
"""

from __future__ import annotations

import click

from orchestrator.cli.group import Verbs

HOMES = ("diff", "explain", "record")


@click.group("shadow", cls=Verbs, homes={verb: f"orchestrator.cli.shadow.{verb}" for verb in HOMES})
def command() -> None:
    """Read what a rehearsal's comparison found, and record calls for the next one."""
