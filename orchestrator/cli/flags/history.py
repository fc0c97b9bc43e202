"""`switchover flags history`: who changed which flag, when, why, from what to what."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from urllib.parse import urlencode

import click

from orchestrator.api.flags.models import AsOfShown, History
from orchestrator.cli.flags.ask import FLAGS, fetch, path_of, show_json, understood
from orchestrator.cli.flags.show import remembered_row, short, table
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.terminal import Cell


@click.command("history")
@click.argument("key", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Changes to show.")
@click.option("--before", type=int, metavar="N", help="Only changes before number N (see --json).")
@click.option(
    "--at", "moment", metavar="VERSION|TIME", help="All values as they stood then; TIME as shown here, or ISO 8601."
)
@json_option
@state_dir_option
def command(
    *, key: str | None, limit: int, before: int | None, moment: str | None, as_json: bool, state_dir: Path | None
) -> None:
    """Show the changes of the flag KEY, or of all flags, newest first; or all flags as they stood once."""
    if moment is not None:
        _stood(state_dir, key, _then(moment), as_json=as_json)
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


def _then(moment: str) -> dict[str, float]:
    """Read a version or a time; a time means the end of the second, or of the millisecond, that it is written to.

    Raises:
        UsageError: it is neither.
    """
    if moment.isascii() and moment.isdigit():
        return {"version": int(moment)}
    try:
        read = dt.datetime.fromisoformat(moment)
        written_to = 1.0 if not read.microsecond else 1e-3 if not read.microsecond % 1000 else 1e-6
        return {"seconds": read.timestamp() + written_to}
    except (ValueError, OverflowError, OSError):
        raise click.UsageError(
            f"--at {moment!r} is neither a flags version nor a time such as 2027-01-15T08:00:00Z"
        ) from None


def _stood(state_dir: Path | None, key: str | None, then: dict[str, float], *, as_json: bool) -> None:
    if key is not None:
        raise click.UsageError("--at shows all flags; name no KEY")
    answer = fetch(state_dir, "GET", f"{FLAGS}/-/at?{urlencode(then)}")
    if as_json:
        show_json(answer)
        return
    found = understood(AsOfShown, answer)
    rows = [
        [Cell(key), Cell(short(value)), Cell("targeting" if key in found.targeting else "")]
        for key, value in found.values.items()
    ]
    if not rows:
        click.echo("there were no flags then", err=True)
        return
    table(rows, "flag", "value", "note")
