"""`switchover plans [NAME]`: the plans there are, or one in words with its times; without a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from orchestrator.cli.lint import flags_option, plan_file, registry_of
from orchestrator.cli.terminal import Cell, columns, has_colours, heading, show
from orchestrator.domain.plans.words import told
from orchestrator.plans.plan_file import document
from orchestrator.plans.shipped import SHIPPED


@click.command("plans")
@click.argument("name", required=False)
@flags_option
@click.option("--toml", "as_toml", is_flag=True, help="Print the plan's file, to make one's own of it.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(*, name: str | None, flags: Path | None, as_toml: bool, as_json: bool) -> None:
    """List the plans that come with the daemon, or say in words what the plan NAME (or a file) does and when."""
    if name is None:
        _list(as_json=as_json)
        return
    file = plan_file(name)
    if as_toml:
        show(file.path.read_text(encoding="utf-8").rstrip("\n"))
    elif as_json:
        click.echo(json.dumps(document(file.plan), indent=2))
    else:
        show("\n".join(told(file.plan, registry_of(flags))))


def _list(*, as_json: bool) -> None:
    said = {name: plan_file(name).plan.description for name in SHIPPED}
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return
    rows = [[Cell(name), Cell(description)] for name, description in said.items()]
    for line in columns([heading("plan", "what it does"), *rows], colour=has_colours(sys.stdout)):
        click.echo(line)
