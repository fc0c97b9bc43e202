"""`switchover flags get KEY`: one flag's value, or everything about it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from orchestrator.api.flags.models import Explained, FlagShown
from orchestrator.cli.flags.ask import fetch, path_of, show_json, understood
from orchestrator.cli.flags.show import ago, note, short, text
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.status_view import duration


@click.command("get")
@click.argument("key")
@click.option("--all", "whole", is_flag=True, help="Show everything about the flag, not its value alone.")
@json_option
@state_dir_option
def command(*, key: str, whole: bool, as_json: bool, state_dir: Path | None) -> None:
    """Show the value of the flag KEY."""
    answer = fetch(state_dir, "GET", path_of(key))
    if as_json:
        show_json(answer)
        return
    flag = understood(FlagShown, answer)
    click.echo("\n".join(_everything(flag)) if whole else text(flag.value))
    decided = understood(Explained, fetch(state_dir, "POST", path_of(key, "explain"), {}))
    if decided.value != flag.value:
        click.echo(f"but it answers {short(decided.value)}: {text(decided.detail)}", err=True)


def _everything(flag: FlagShown) -> list[str]:
    now = time.time()
    told = {
        "flag": flag.key,
        "value": text(flag.value) + ("" if flag.is_set else " (nobody set it)"),
        "default": text(flag.default),
        "safe": text(flag.safe),
        "on": text(flag.on),
        "type": flag.type,
        "values": ", ".join(map(text, flag.values)) if flag.values else "all of its type",
        "needs": "; ".join(f"{one.flag}={' or '.join(map(text, one.values))}" for one in flag.prerequisites),
        "targeting": json.dumps(flag.targeting) if flag.targeting else "",
        "buckets": f"salt {text(flag.salt)}, hash version {flag.hash_version}",
        "description": text(flag.description),
        "risk": text(flag.risk),
        "owner": text(flag.owner),
        "variable": text(flag.env) if flag.env else "",
        "stable": f"{duration(flag.min_stable)} before an upgrade moves it" if flag.min_stable else "",
        "changed": ago(flag.changed_at, now),
        "read": ago(flag.read_at, now),
        "note": note(flag),
    }
    width = max(map(len, told)) + 2
    return [f"{name.ljust(width)}{value}" for name, value in told.items() if value]
