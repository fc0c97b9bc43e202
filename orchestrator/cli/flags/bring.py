"""`switchover flags import FILE`: bring flags to what an export says."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from orchestrator.cli.flags.ask import FLAGS, change, document
from orchestrator.cli.flags.options import expect_option, wait_options
from orchestrator.cli.group import json_option, reason_option, state_dir_option


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@reason_option
@wait_options
@expect_option
@json_option
@state_dir_option
def command(
    *,
    file: TextIO,
    reason: str,
    wait: bool,
    timeout: float | None,
    expect_version: int | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Bring flags to what FILE, made by `export`, says; all of them or none.  `-` is stdin."""
    body = {
        "content": document(file, file.name),
        "reason": reason,
        "wait": wait,
        "timeout": timeout,
        "expect_version": expect_version,
    }
    change(state_dir, "POST", f"{FLAGS}/-/import", body, as_json=as_json)
