"""`switchover flags ...`: looking at flags and changing them, one verb a file; thin clients of the control API."""

from __future__ import annotations

import click

from orchestrator.cli.group import Verbs

HOMES = {
    "list": "overview",
    "get": "one",
    "set": "setting",
    "reset": "reset",
    "target": "target",
    "explain": "explain",
    "history": "history",
    "watch": "watch",
    "stale": "stale",
    "lint": "lint",
    "export": "export",
    "import": "bring",
}
"""Each verb's module; some verbs are words that no module may be called."""


@click.group("flags", cls=Verbs, homes={verb: f"orchestrator.cli.flags.{home}" for verb, home in HOMES.items()})
def command() -> None:
    """Look at the live flags and change them; workers see a change within milliseconds."""
