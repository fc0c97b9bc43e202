"""`switchover flags history`: who changed which flag, when, why, from what to what."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click

from orchestrator.api.flag_models import AsOfShown, History
from orchestrator.cli.flags.ask import FLAGS, fetch, path_of, show_json, understood
from orchestrator.cli.flags.show import remembered_row, short, table
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.terminal import Cell


@click.command("history")
@click.argument("key", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Changes to show.")
@click.option("--before", type=int, metavar="N", help="Only changes before number N (see --json).")
@click.option("--at", "version", type=int, metavar="VERSION", help="All values as they stood at a flags version.")
@json_option
@state_dir_option
def command(
    *, key: str | None, limit: int, before: int | None, version: int | None, as_json: bool, state_dir: Path | None
) -> None:
    """Show the changes of the flag KEY, or of all flags, newest first."""
    if version is not None:
        _stood(state_dir, version, as_json=as_json)
        return
    asked = {"limit": limit} if before is None else {"limit": limit, "before": before}
    place = path_of(key, "history") if key else f"{FLAGS}/-/history"
    answer = fetch(state_dir, "GET", f"{place}?{urlencode(asked)}")
    if as_json:
        show_json(answer)
        return
    found = understood(History, answer)
    table([remembered_row(one) for one in found.changes], "when", "version", "flag", "change", "by", "why")
    if found.before is not None:
        click.echo(f"older ones: --before {found.before}")


def _stood(state_dir: Path | None, version: int, *, as_json: bool) -> None:
    answer = fetch(state_dir, "GET", f"{FLAGS}/-/at?version={version}")
    if as_json:
        show_json(answer)
        return
    found = understood(AsOfShown, answer)
    rows = [
        [Cell(key), Cell(short(value)), Cell("targeting" if key in found.targeting else "")]
        for key, value in found.values.items()
    ]
    table(rows, "flag", "value", "note")
