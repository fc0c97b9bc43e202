"""`switchover flags target KEY FILE`: who gets what instead of a flag's value."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode

import click

from orchestrator.cli.flags.ask import change, document, path_of
from orchestrator.cli.flags.options import expect_option, wait_options
from orchestrator.cli.group import json_option, reason_option, state_dir_option


@click.command("target")
@click.argument("key")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--rules", metavar="JSON", help="The targeting itself, instead of a file.")
@click.option("--clear", is_flag=True, help="Give everybody the flag's value again.")
@reason_option
@wait_options
@expect_option
@json_option
@state_dir_option
def command(
    *,
    key: str,
    file: TextIO | None,
    rules: str | None,
    clear: bool,
    reason: str,
    wait: bool,
    timeout: float | None,
    expect_version: int | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Say who gets what instead of the value of flag KEY; FILE holds the targeting as JSON, `-` is stdin.

    For example: {"deny": ["mission-7"], "percentage": {"value": "wsjf", "percent": 25}}
    """
    if sum((file is not None, rules is not None, clear)) != 1:
        raise click.UsageError("name a FILE, or --rules JSON, or --clear")
    place = path_of(key, "targeting")
    if clear:
        asked = {"reason": reason, "wait": wait, "timeout": timeout, "expect_version": expect_version}
        given = {name: value for name, value in asked.items() if value not in (None, False)}
        change(state_dir, "DELETE", f"{place}?{urlencode(given)}", {}, as_json=as_json)
        return
    source: TextIO = file if file is not None else io.StringIO(rules)
    body = {
        "targeting": document(source, getattr(file, "name", "--rules")),
        "reason": reason,
        "wait": wait,
        "timeout": timeout,
        "expect_version": expect_version,
    }
    change(state_dir, "PUT", place, body, as_json=as_json)
