"""`switchover flags explain KEY --for SUBJECT`: what a flag decides for somebody, and which step said so."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.api.flags.models import Explained
from orchestrator.cli.flags.ask import attributes, fetch, path_of, show_json, understood
from orchestrator.cli.flags.options import attribute_option
from orchestrator.cli.flags.show import text
from orchestrator.cli.group import json_option, state_dir_option


@click.command("explain")
@click.argument("key")
@click.option("--for", "subject", metavar="SUBJECT", help="Whom it is decided for, such as mission-42.")
@attribute_option
@json_option
@state_dir_option
def command(*, key: str, subject: str | None, words: tuple[str, ...], as_json: bool, state_dir: Path | None) -> None:
    """Say what the flag KEY decides for a subject, and why."""
    body = {"subject": subject, "attributes": attributes(words)}
    answer = fetch(state_dir, "POST", path_of(key, "explain"), body)
    if as_json:
        show_json(answer)
        return
    decided = understood(Explained, answer)
    whom = f" for {text(decided.subject)}" if decided.subject else ""
    click.echo(f"{text(decided.key)} is {text(decided.value)}{whom}, at flags version {decided.version}")
    click.echo(f"{decided.step} decided: {text(decided.detail)}")
    for pid, value in decided.forced.items():
        click.echo(f"but in process {pid} its environment forces {text(value)}")
