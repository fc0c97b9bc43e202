"""`switchover lint PLAN`: what about a plan cannot work or does nothing, without a daemon."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.cli.errors import FailedError
from orchestrator.cli.terminal import RED, YELLOW, has_colours, paint, safe
from orchestrator.domain.errors import SettingsError
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.lint import Finding, Severity, lint
from orchestrator.domain.words import counted
from orchestrator.flags.registry_file import read_registry
from orchestrator.plans.plan_file import PlanFile
from orchestrator.plans.shipped import find_plan
from orchestrator.settings.problems import dotted

STYLES = {Severity.ERROR: RED, Severity.WARNING: YELLOW}


def flags_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--flags`, the file that declares the flags a plan speaks of."""
    return click.option(
        "--flags",
        "flags",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File that declares the flags (TOML); without it those that come with the daemon.",
    )(function)


def registry_of(file: Path | None) -> Registry:
    """Read the declared flags.

    Raises:
        FailedError: the file cannot be read; a flag that cannot be used is found where a plan moves it.
    """
    try:
        return read_registry(file).registry
    except SettingsError as error:
        raise FailedError(str(error)) from error


def plan_file(named: str) -> PlanFile:
    """Read a plan by name or file.

    Raises:
        FailedError: there is none, or it cannot be used.
    """
    try:
        return find_plan(named)
    except SettingsError as error:
        raise FailedError(str(error)) from error


@click.command("lint")
@click.argument("plan")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Calls a minute that are expected.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric that is reported; may be repeated.")
@flags_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(*, plan: str, rate: float | None, metrics: tuple[str, ...], flags: Path | None, as_json: bool) -> None:
    """Find what about PLAN cannot work, or does nothing.

    PLAN is the name of a plan that comes with the daemon (see `switchover plans`), or a file.

    Exit status: 0 no errors, 1 errors, or no plan.
    """
    file = plan_file(plan)
    found = lint(file.plan, registry_of(flags), rate=rate, reported=frozenset(metrics))
    if as_json:
        click.echo(json.dumps(_as_json(file, found), indent=2))
    else:
        _print(file, found)
    sys.exit(1 if any(finding.severity is Severity.ERROR for finding in found) else 0)


def _print(file: PlanFile, found: Sequence[Finding]) -> None:
    colour = has_colours(sys.stdout)
    for finding in found:  # what a file says may stand in a terminal, so it is made safe before it is painted
        word = paint(finding.severity.value, STYLES[finding.severity], colour=colour)
        click.echo(
            f"{file.where(finding.place)}: {word}: {safe(finding.says)}; {safe(finding.advice)} [{finding.rule}]",
            color=colour,
        )
    counts = Counter(finding.severity for finding in found)
    sums = [counted(counts[each], each) for each in Severity if counts[each]]
    click.echo(f"{file.plan.name}: {', '.join(sums) or 'nothing found'}")


def _as_json(file: PlanFile, found: Sequence[Finding]) -> dict[str, object]:
    return {
        "plan": file.plan.name,
        "file": str(file.path),
        "findings": [
            {
                "severity": finding.severity,
                "rule": finding.rule,
                "place": dotted(finding.place),
                "at": file.where(finding.place),
                "says": finding.says,
                "advice": finding.advice,
            }
            for finding in found
        ],
    }
