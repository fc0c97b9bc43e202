"""`switchover flags lint [FILE]`: what is wrong with a file that declares flags, without a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from orchestrator.cli.errors import FailedError
from orchestrator.domain.errors import SettingsError
from orchestrator.domain.words import counted
from orchestrator.flags.registry_file import read_registry


@click.command("lint")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def command(*, file: Path | None, as_json: bool) -> None:
    """Check the declarations in FILE (TOML); without FILE, those that come with the daemon.

    Exit status: 0 all flags can be used, 1 some cannot: each is named with its line and what is allowed.
    """
    try:
        found = read_registry(file)
    except SettingsError as error:
        raise FailedError(str(error)) from error
    flags = sorted(found.registry.declarations)
    if as_json:
        answer = {"file": str(found.path), "flags": flags, "problems": list(found.problems)}
        click.echo(json.dumps(answer, indent=2))
    else:
        for problem in found.problems:
            click.echo(problem)
        named = f": {', '.join(flags)}" if flags else ""
        click.echo(f"{counted(len(flags), 'flag')} can be used{named}")
    sys.exit(1 if found.problems else 0)
