"""`switchover history`: rollouts and changes of routing, newest first."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlencode

import click

from orchestrator.api.rollouts.shown import HappenedShown, HistoryPage
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.rolling import ROLLOUT
from orchestrator.cli.terminal import Cell
from orchestrator.telemetry.render import BOLD, DIM


@click.command("history")
@click.option("--limit", type=click.IntRange(1, 500), default=30, show_default=True, help="Steps to show.")
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Only steps before this one.")
@json_option
@state_dir_option
def command(*, limit: int, before: int | None, as_json: bool, state_dir: Path | None) -> None:
    """Show what happened to routing and rollouts, by whom and why; for flags: switchover flags history."""
    asked = {"limit": limit, **({} if before is None else {"before": before})}
    answer = fetch(state_dir, "GET", f"{ROLLOUT}/history?{urlencode(asked)}")
    if as_json:
        show_json(answer)
        return
    page = understood(HistoryPage, answer)
    rows = [row for step in page.steps for row in _rows(step)]
    if rows:
        table(rows, "when", "rollout", "revision", "what", "who", "why")
    else:
        click.echo("nothing happened yet")
    if page.before is not None:
        click.echo(f"older ones: --before {page.before}")


def _rows(step: HappenedShown) -> list[list[Cell]]:
    """Return a row for each thing that one step did; who and why stand on the first."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(step.at))
    first, *rest = step.words
    head = [
        *(Cell(moment, DIM), Cell(text(step.rollout or None)), Cell(str(step.revision)), Cell(text(first), BOLD)),
        *(Cell(text(step.actor)), Cell(text(step.reason or None))),
    ]
    return [head, *([Cell(""), Cell(""), Cell(""), Cell(text(words), BOLD), Cell(""), Cell("")] for words in rest)]
