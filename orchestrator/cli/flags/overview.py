"""`switchover flags list`: all flags with their values."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orchestrator.api.flags.models import FlagList
from orchestrator.cli.flags.ask import FLAGS, fetch, show_json, understood
from orchestrator.cli.flags.show import flag_row, table
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.telemetry.render import printable


@click.command("list")
@json_option
@state_dir_option
def command(*, as_json: bool, state_dir: Path | None) -> None:
    """Show all flags: value now, safe value, targeting, and when they were changed and read."""
    answer = fetch(state_dir, "GET", FLAGS)
    if as_json:
        show_json(answer)
        return
    known = understood(FlagList, answer)
    now = time.time()
    names = ("flag", "value", "safe", "type", "targeting", "changed", "read", "note")
    table([flag_row(flag, now) for flag in known.flags], *names)
    for switch in known.flags:
        if switch.kill_switch and not switch.invalid and switch.value != switch.safe:
            click.echo(f"{printable(switch.key)} is on: every other flag answers its safe value")
    click.echo(f"flags version {known.version}")
    if known.trouble:
        click.echo(f"trouble: {known.trouble}", err=True)
