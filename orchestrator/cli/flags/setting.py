"""`switchover flags set KEY=VALUE ...`: give flags values, all of them or none."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.flags.ask import FLAGS, change, pairs
from orchestrator.cli.flags.options import expect_option, wait_options
from orchestrator.cli.group import json_option, reason_option, state_dir_option


@click.command("set")
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
@reason_option
@wait_options
@expect_option
@json_option
@state_dir_option
def command(
    *,
    words: tuple[str, ...],
    reason: str,
    wait: bool,
    timeout: float | None,
    expect_version: int | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Set one or more flags in one change: all of them, or none when one is refused."""
    body = {
        "texts": pairs(words, "the flag"),
        "reason": reason,
        "wait": wait,
        "timeout": timeout,
        "expect_version": expect_version,
    }
    change(state_dir, "POST", FLAGS, body, as_json=as_json)
