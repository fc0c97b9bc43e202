"""`switchover canary -- COMMAND`: a second generation beside the first."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from orchestrator.cli.control import do
from orchestrator.cli.group import reason_option, state_dir_option


@click.command("canary", context_settings={"ignore_unknown_options": False})
@click.option("--replace", is_flag=True, help="Retire the present canary for this one.")
@click.option("--allow-breaking", is_flag=True, help="Take it also when clients would miss something.")
@click.option("--stop", is_flag=True, help="Drain and stop the canary, or give up its start.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Variable for the worker; may be repeated.")
@click.option("--cwd", type=click.Path(path_type=Path, file_okay=False), help="Working directory; here by default.")
@click.option("--source", type=click.Path(path_type=Path, file_okay=False), help="Directory it runs a copy of.")
@reason_option
@state_dir_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(
    *,
    replace: bool,
    allow_breaking: bool,
    stop: bool,
    env: tuple[str, ...],
    cwd: Path | None,
    source: Path | None,
    reason: str,
    state_dir: Path | None,
    words: tuple[str, ...],
) -> None:
    """Start COMMAND as a canary beside the active generation; returns when it is ready.

    The program is looked up on your PATH; its working directory is yours, its environment the daemon's and --env.
    """
    if stop:
        if words:
            raise click.UsageError("--stop takes no command")
        do(state_dir, "/v1/canary/stop", reason=reason)
        return
    if not words:
        raise click.UsageError("name the worker's command: switchover canary -- COMMAND...")
    do(
        state_dir,
        "/v1/canary",
        command=[program(words[0]), *words[1:]],
        cwd=str((cwd or Path()).absolute()),
        env=dict(variable(text) for text in env),
        source=None if source is None else str(source.absolute()),
        replace=replace,
        allow_breaking=allow_breaking,
        reason=reason,
    )


def program(name: str) -> str:
    """Look a program up on the caller's PATH, which need not be the daemon's.

    Raises:
        UsageError: the name is empty, as a variable's that is not set.
    """
    if not name:
        raise click.UsageError("the name of the program is empty; name one after -- (is a variable not set?)")
    return name if "/" in name else shutil.which(name) or name


def variable(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--env {text!r} is not of the form NAME=VALUE")
    return name, value
