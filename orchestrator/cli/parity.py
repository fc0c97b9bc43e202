"""`switchover parity`: have new code do every write call again on a state of its own, and see whether they part."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orchestrator.api.comparing.parity_models import ParityStatus, PartingShown
from orchestrator.cli.canary import program, variable
from orchestrator.cli.control import do
from orchestrator.cli.flags.ask import show_answer
from orchestrator.cli.flags.show import short, table, text
from orchestrator.cli.group import json_option, reason_option, state_dir_option
from orchestrator.cli.status_view import duration
from orchestrator.cli.terminal import Cell
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD

PARITY = "/v1/parity"


@click.group("parity", invoke_without_command=True)
@json_option
@state_dir_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, state_dir: Path | None) -> None:
    """Show whether new code writes the same state as the one in service, and since when; or begin and end that."""
    ctx.obj = state_dir
    if ctx.invoked_subcommand is None:
        show_answer(state_dir, PARITY, ParityStatus, _show, as_json=as_json)


@command.command("start")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Variable for the new code; may be repeated.")
@click.option("--cwd", type=click.Path(path_type=Path, file_okay=False), help="Working directory; here by default.")
@reason_option
@state_dir_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.pass_context
def start(
    ctx: click.Context,
    *,
    env: tuple[str, ...],
    cwd: Path | None,
    reason: str,
    state_dir: Path | None,
    words: tuple[str, ...],
) -> None:
    """Copy the worker's state, and have COMMAND (the canary's by default) do every write call on the copy."""
    if not words and (env or cwd):
        raise click.UsageError("--env and --cwd go with a COMMAND")
    do(
        state_dir or ctx.obj,
        f"{PARITY}/start",
        command=[program(words[0]), *words[1:]] if words else [],
        cwd=str((cwd or Path()).absolute()) if words else None,
        env=dict(variable(one) for one in env),
        reason=reason,
    )


@command.command("stop")
@reason_option
@state_dir_option
@click.pass_context
def stop(ctx: click.Context, *, reason: str, state_dir: Path | None) -> None:
    """Follow nothing more and remove the copy."""
    do(state_dir or ctx.obj, f"{PARITY}/stop", reason=reason)


def _show(status: ParityStatus) -> None:
    if not status.on:
        click.echo("off: nothing is followed; begin with: switchover parity start -- COMMAND")
        return
    click.echo(f"new code: {text(' '.join(status.command))}")
    if status.clean_since is not None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.clean_since))
        click.echo(f"clean since {moment} ({duration(status.clean_seconds)})")
    else:
        click.echo(f"not clean: {text(status.reason)}")
    ended = "" if status.running else "; nothing is followed any more"
    same = "were never found the same" if status.compared_after is None else f"were the same {_after(status)}"
    click.echo(f"{counted(status.calls, 'write call')}, the states {same}{ended}")
    if status.held:
        click.echo(f"held by {text(status.held)}")
    if status.parting is not None:
        _parting(status.parting)


def _after(status: ParityStatus) -> str:
    return f"after call {status.compared_after}" if status.compared_after else "before the first call"


def _parting(parting: PartingShown) -> None:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(parting.at))
    click.echo(f"first difference, {moment}: {text(parting.where)}")
    rows = [
        [Cell(text(one.place), BOLD), Cell(one.kind), Cell(short(one.old or None)), Cell(short(one.new or None))]
        for one in parting.differences
    ]
    table(rows, "place", "kind", "in service", "new code")
