"""`switchover quarantine`: the versions that were judged bad, and why; takes one out."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote, urlencode

import click

from orchestrator.api.rollouts.shown import QuarantinedShown, RolloutNow
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, reason_option, state_dir_option
from orchestrator.cli.rolling import ROLLOUT
from orchestrator.cli.terminal import Cell, show
from orchestrator.telemetry.render import BOLD, DIM


@click.command("quarantine")
@click.option("--release", "fingerprint", metavar="FINGERPRINT", help="Take this one out; its beginning is enough.")
@reason_option
@json_option
@state_dir_option
def command(*, fingerprint: str | None, reason: str, as_json: bool, state_dir: Path | None) -> None:
    """Show the versions that may not be rolled out again without --force, by their fingerprint; or take one out."""
    if fingerprint is not None:
        _release(state_dir, fingerprint, reason, as_json=as_json)
        return
    if reason:
        raise click.UsageError("--reason belongs to --release")
    answer = fetch(state_dir, "GET", ROLLOUT)
    if as_json:
        show_json(answer["quarantine"])
        return
    held = understood(RolloutNow, answer).quarantine
    if not held:
        click.echo("nothing is quarantined")
        return
    table([_row(one) for one in held], "fingerprint", "rollout", "when", "why")
    click.echo(
        "to roll one out again: switchover retry, or switchover upgrade --force; "
        "to take one out: switchover quarantine --release FINGERPRINT"
    )


def _release(state_dir: Path | None, fingerprint: str, reason: str, *, as_json: bool) -> None:
    if not fingerprint:
        raise click.UsageError("--release needs a fingerprint, or its beginning; switchover quarantine shows them")
    path = f"/v1/quarantine/{quote(fingerprint, safe='')}?{urlencode({'reason': reason})}"
    answer = fetch(state_dir, "DELETE", path)
    if as_json:
        show_json(answer)
    else:
        show(str(answer["message"]))


def _row(one: QuarantinedShown) -> list[Cell]:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.cause.at))
    at = f" at {one.cause.step}" if one.cause.step else ""
    return [
        Cell(text(one.fingerprint)[:16], BOLD),
        Cell(text(one.rollout or None)),
        Cell(moment, DIM),
        Cell(text(f"{one.cause.words}{at}")),
    ]
