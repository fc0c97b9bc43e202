"""`switchover notices`: who could not be told of a changed flag, and why; `--retry` tells them again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from orchestrator.api.notices import NoticeList, NoticeShown
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, reason_option, state_dir_option
from orchestrator.cli.terminal import Cell
from orchestrator.telemetry.render import BOLD, DIM

NOTICES: Final = "/v1/notices"


@click.command("notices")
@click.argument("numbers", nargs=-1, type=click.IntRange(1), metavar="[NUMBER...]")
@click.option("--retry", is_flag=True, help="Deliver them again: those named by NUMBER, or all that failed.")
@click.option(
    "--state",
    type=click.Choice(["failed", "pending", "delivered", "all"]),
    default="failed",
    show_default=True,
    help="Which to show.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Notices to show.")
@click.option("--before", type=int, metavar="NUMBER", help="Only notices before this one.")
@reason_option
@json_option
@state_dir_option
def command(
    *,
    numbers: tuple[int, ...],
    retry: bool,
    state: str,
    limit: int,
    before: int | None,
    reason: str,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Show the notices that were given up, newest first, each with its reason."""
    if retry:
        _retry(state_dir, numbers, reason, as_json=as_json)
        return
    if numbers:
        raise click.UsageError("a NUMBER is named to deliver that notice again: --retry")
    asked = {"limit": limit, "before": before, "state": None if state == "all" else state}
    answer = fetch(state_dir, "GET", f"{NOTICES}?{urlencode({k: v for k, v in asked.items() if v is not None})}")
    if as_json:
        show_json(answer)
        return
    found = understood(NoticeList, answer)
    if not found.notices:
        click.echo("no notices" if state == "all" else f"no {state} notices")
        return
    table([_row(one) for one in found.notices], "number", "when", "flag", "destination", "is", "tries", "why")
    if found.before is not None:
        click.echo(f"older ones: --before {found.before}")


def _retry(state_dir: Path | None, numbers: tuple[int, ...], reason: str, *, as_json: bool) -> None:
    body: dict[str, Any] = {"numbers": list(numbers) or None, "reason": reason}
    answer = fetch(state_dir, "POST", f"{NOTICES}/retry", body)
    if as_json:
        show_json(answer)
    else:
        click.echo(text(answer.get("message")))


def _row(notice: NoticeShown) -> list[Cell]:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(notice.created))
    return [
        Cell(str(notice.seq), BOLD),
        Cell(moment, DIM),
        Cell(text(notice.flag)),
        Cell(text(notice.destination)),
        Cell(notice.state),
        Cell(str(notice.attempts)),
        Cell(text(notice.error or None)),
    ]
