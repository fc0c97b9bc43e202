"""`switchover rollback`: go back now, with or without a rollout."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("rollback")
@click.option("--lose-writes", is_flag=True, help="Also where that loses what an exclusive version has written.")
@reason_option
@state_dir_option
def command(*, lose_writes: bool, reason: str, state_dir: Path | None) -> None:
    """Go back now: end the rollout under way, or go back to a warm previous generation or from a canary.

    What was served is quarantined; to go back without a judgement: switchover switch --back

    A version whose state is exclusive takes the state back with it: what was written since is lost, which is refused
    with the number of calls unless you say --lose-writes.
    """
    do(state_dir, "/v1/rollback", reason=reason, lose_writes=lose_writes)
