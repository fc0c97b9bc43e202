"""`switchover drill`: rehearse a rollback on live routing, and time it."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.api.rollouts.shown import Drilled
from orchestrator.cli.errors import FailedError
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.group import json_option, reason_option, state_dir_option
from orchestrator.cli.terminal import show


@click.command("drill")
@click.option("--hold", type=click.FloatRange(0, 30), default=1.0, show_default=True, help="Seconds it lasts.")
@click.option("--yes", is_flag=True, help="Do it: live calls go to the other version meanwhile.")
@reason_option
@json_option
@state_dir_option
def command(*, hold: float, yes: bool, reason: str, as_json: bool, state_dir: Path | None) -> None:
    """Move all live traffic back by the kill switch, hold it there, move it forth again, and say how long it took.

    Nothing is stopped or judged, and a rollout's clock goes on afterwards. It needs a warm previous generation, or a
    canary with a share of the calls.
    """
    if not yes:
        raise FailedError("a drill moves live traffic; say --yes when that is meant")
    answer = fetch(state_dir, "POST", "/v1/drill", {"hold": hold, "reason": reason})
    if as_json:
        show_json(answer)
    else:
        show(understood(Drilled, answer).message)
