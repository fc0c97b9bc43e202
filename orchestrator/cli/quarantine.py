"""`switchover quarantine`: the versions that were judged bad, and why."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orchestrator.api.rollout_shown import QuarantinedShown, RolloutNow
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.rolling import ROLLOUT
from orchestrator.cli.terminal import Cell
from orchestrator.telemetry.render import BOLD, DIM


@click.command("quarantine")
@json_option
@state_dir_option
def command(*, as_json: bool, state_dir: Path | None) -> None:
    """Show the versions that may not be rolled out again without --force, by their fingerprint."""
    answer = fetch(state_dir, "GET", ROLLOUT)
    if as_json:
        show_json(answer["quarantine"])
        return
    held = understood(RolloutNow, answer).quarantine
    if not held:
        click.echo("nothing is quarantined")
        return
    table([_row(one) for one in held], "fingerprint", "rollout", "when", "why")
    click.echo("to roll one out again: switchover retry, or switchover upgrade --force")


def _row(one: QuarantinedShown) -> list[Cell]:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.cause.at))
    at = f" at {one.cause.step}" if one.cause.step else ""
    return [
        Cell(text(one.fingerprint)[:16], BOLD),
        Cell(text(one.rollout or None)),
        Cell(moment, DIM),
        Cell(text(f"{one.cause.words}{at}")),
    ]
