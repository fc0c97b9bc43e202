"""`switchover token SUBJECT --gate NAME`: a signed token that carries gates, for somebody else to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.cli.flags.ask import attributes, fetch, show_json
from orchestrator.cli.flags.options import attribute_option
from orchestrator.cli.group import json_option, state_dir_option


@click.command("token")
@click.argument("subject")
@click.option("--gate", "gates", multiple=True, metavar="FLAG", help="A flag that has to be open; may be repeated.")
@attribute_option
@click.option("--ttl", type=float, metavar="SECONDS", help="How long it counts; else `access.token_ttl`, the longest.")
@json_option
@state_dir_option
def command(
    *,
    subject: str,
    gates: tuple[str, ...],
    words: tuple[str, ...],
    ttl: float | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Print a token for SUBJECT, if every gate is open to it; shown as `Authorization: Bearer TOKEN`.

    It counts until it ends or until the flags close one of its gates to SUBJECT, whichever is first.
    """
    body: dict[str, Any] = {"subject": subject, "gates": list(gates), "attributes": attributes(words), "ttl": ttl}
    answer = fetch(state_dir, "POST", "/v1/tokens", body)
    if as_json:
        show_json(answer)
    else:
        click.echo(answer["token"])
