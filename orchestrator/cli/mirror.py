"""`switchover mirror`: have calls that only read asked of another generation as well, and see how answers differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.api.comparing.mirror_models import MirrorStatus, ToolMirrored
from orchestrator.cli.control import do
from orchestrator.cli.flags.ask import show_answer
from orchestrator.cli.flags.show import table, text
from orchestrator.cli.group import json_option, reason_option, state_dir_option
from orchestrator.cli.terminal import Cell
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD

MIRROR = "/v1/mirror"
ORDER = ("equal", "noise", "expected", "additive", "skew", "unexpected", "incomplete")
"""Columns of results, from harmless to grave."""
KEPT = frozenset(ORDER) - {"equal", "noise", "expected"}
"""Results of which pairs are kept to be read."""
DIFFERENCES = "analytics/mirror_differences.jsonl"


@click.group("mirror", invoke_without_command=True)
@json_option
@state_dir_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, state_dir: Path | None) -> None:
    """Show what is mirrored and how the answers of the two versions differ; or turn it on and off."""
    ctx.obj = state_dir
    if ctx.invoked_subcommand is None:
        show_answer(state_dir, MIRROR, MirrorStatus, _show, as_json=as_json)


@command.command("on")
@click.option(
    "--to",
    type=click.Choice(["canary", "previous"]),
    default="canary",
    show_default=True,
    help="Which generation is asked as well.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 100),
    default=100.0,
    show_default=True,
    help="Percent of the calls that only read.",
)
@reason_option
@state_dir_option
@click.pass_context
def on(ctx: click.Context, *, to: str, share: float, reason: str, state_dir: Path | None) -> None:
    """Mirror calls that only read from now on; the answers are compared, and reach no client."""
    do(state_dir or ctx.obj, MIRROR, on=True, to=to, share=share, reason=reason)


@command.command("off")
@reason_option
@state_dir_option
@click.pass_context
def off(ctx: click.Context, *, reason: str, state_dir: Path | None) -> None:
    """Mirror nothing more."""
    do(state_dir or ctx.obj, MIRROR, on=False, reason=reason)


def _show(status: MirrorStatus) -> None:
    if not status.on:
        click.echo("off: nothing is mirrored; turn it on with: switchover mirror on")
    else:
        who = f"generation {status.generation}" if status.generation is not None else "nobody"
        but = f"; but {status.silent}" if status.silent else ""
        click.echo(f"on: {status.share:g} % of the calls that only read go to {who} ({status.to}) as well{but}")
    now = status.comparing - status.learning
    waiting = f"{status.queued} queued, {status.in_flight} in flight, {now} being compared"
    if status.learning:
        waiting += f", {status.learning} until their tool's noise is known"
    click.echo(f"{counted(status.sampled, 'call')} sampled, {status.compared} compared, {waiting}")
    if status.dropped:
        reasons = ", ".join(f"{count} {text(reason)}" for reason, count in sorted(status.dropped.items()))
        click.echo(f"dropped: {reasons}")
    if status.not_read_only:
        click.echo(f"not read-only there: {text(', '.join(status.not_read_only))}")
    if status.tools:
        shown = [name for name in ORDER if any(tool.results.get(name) for tool in status.tools)]
        table([_row(tool, shown) for tool in status.tools], "tool", "noise from", *shown, "decisions that differ")
        if any(tool.results.get(name) for tool in status.tools for name in KEPT):
            click.echo(f"the newest pairs that differ, with place and values: {DIFFERENCES} in the state directory")
    _decisions(status)


def _row(tool: ToolMirrored, shown: list[str]) -> list[Cell]:
    decisions: Any = ", ".join(f"{name} {count}" for name, count in sorted(tool.decisions.items()))
    learned = counted(tool.learned_from, "answer") if tool.learned_from else "-"
    counts = [Cell(str(tool.results.get(name, 0))) for name in shown]
    return [Cell(text(tool.tool), BOLD), Cell(learned), *counts, Cell(decisions)]


def _decisions(status: MirrorStatus) -> None:
    """Show where the two chose different agents."""
    parted = [one for one in status.decisions if one.agent_old != one.agent_new]
    for one in parted[:10]:
        click.echo(f"agent {text(one.agent_old)} -> {text(one.agent_new)}: {counted(one.pairs, 'pair')}")
