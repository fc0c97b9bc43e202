"""`switchover flags stale`: flags that have outlived their use."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.api.flags.models import StaleReport
from orchestrator.cli.flags.ask import FLAGS, fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.terminal import Cell
from orchestrator.telemetry.render import BOLD


@click.command("stale")
@json_option
@state_dir_option
def command(*, as_json: bool, state_dir: Path | None) -> None:
    """List flags that nobody reads, that stayed at one value for long, or that expire."""
    answer = fetch(state_dir, "GET", f"{FLAGS}/-/stale")
    if as_json:
        show_json(answer)
        return
    found = understood(StaleReport, answer).findings
    if not found:
        click.echo("no flag is stale")
        return
    table([[Cell(text(one.key), BOLD), Cell(one.kind), Cell(text(one.detail))] for one in found], "flag", "is", "why")
