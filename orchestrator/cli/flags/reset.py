"""`switchover flags reset [KEY ...]`: back to the safe values."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.flags.ask import FLAGS, change
from orchestrator.cli.flags.options import expect_option, wait_options
from orchestrator.cli.group import json_option, reason_option, state_dir_option


@click.command("reset")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@click.option("--all", "everything", is_flag=True, help="Every flag but the kill switch.")
@reason_option
@wait_options
@expect_option
@json_option
@state_dir_option
def command(
    *,
    keys: tuple[str, ...],
    everything: bool,
    reason: str,
    wait: bool,
    timeout: float | None,
    expect_version: int | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Bring flags to their safe values, without targeting, dependants before what they depend on."""
    if bool(keys) is everything:
        raise click.UsageError("name the flags to reset, or say --all" + (", not both" if keys else ""))
    body = {
        "keys": None if everything else list(keys),
        "reason": reason,
        "wait": wait,
        "timeout": timeout,
        "expect_version": expect_version,
    }
    change(state_dir, "POST", f"{FLAGS}/-/reset", body, as_json=as_json)
