"""`switchover why [ID]`: why a rollout ended, or stands where it does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import click

from orchestrator.api.rollouts.shown import Explained, LookShown, LooksPage
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.rolling import ROLLOUT
from orchestrator.cli.terminal import Cell, show
from orchestrator.telemetry.render import DIM

INDENT: Final = "  "


@click.command("why")
@click.argument("run", required=False, metavar="[ID]")
@click.option("--looks", is_flag=True, help="List the looks that were taken at its evidence, newest first.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Looks to list.")
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Only looks before this one.")
@json_option
@state_dir_option
def command(
    *, run: str | None, looks: bool, limit: int, before: int | None, as_json: bool, state_dir: Path | None
) -> None:
    """Say why the rollout ID (the one under way, or the last one) ended, or stands where it does.

    Cause, call, evidence and what would have changed it come from the record of the moment; nothing is judged again.
    """
    asked = {"rollout": run, **({"limit": limit, "before": before} if looks else {})}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    answer = fetch(state_dir, "GET", f"{ROLLOUT}/{'looks' if looks else 'why'}?{query}")
    if as_json:
        show_json(answer)
    elif looks:
        _list(understood(LooksPage, answer))
    else:
        first, *rest = understood(Explained, answer).lines
        show("\n".join((first, *(f"{INDENT}{line}" for line in rest))))


def _list(page: LooksPage) -> None:
    if not page.looks:
        click.echo("no looks were taken")
        return
    table([_row(look) for look in page.looks], "when", "epoch", "look", "verdict", "on trial", "baseline", "limits")
    if page.before is not None:
        click.echo(f"older ones: --before {page.before}")


def _row(look: LookShown) -> list[Cell]:
    said = [one.words for one in look.limits if one.applies and one.verdict == look.verdict] or [look.cause]
    return [
        Cell(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(look.at)), DIM),
        Cell(text(look.epoch.partition("/")[2])),
        Cell(str(look.number)),
        Cell(text(look.verdict.replace("_", " "))),
        Cell(str(look.trial)),
        Cell(str(look.baseline)),
        Cell(text(said[0] or None)),
    ]
