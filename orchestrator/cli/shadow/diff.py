"""`switchover shadow diff [ID]`: what differs between old and new code, by tool and class."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.group import state_dir_option
from orchestrator.cli.shadow.artifact import load, often, other, tools
from orchestrator.cli.terminal import GREEN, RED, YELLOW, has_colours, paint, show
from orchestrator.domain.comparison import DifferenceClass
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD, DIM

ORDER: Final = ("unexpected", "incomplete", "additive", "skew", "expected", "noise")
"""The order of the classes: what has to be looked at comes first."""
STYLES: Final = {"unexpected": RED, "incomplete": RED, "additive": YELLOW, "skew": YELLOW, "expected": GREEN}
MANY: Final = 3
"""Attempts and tools that are named."""

VALUED: Final = frozenset({"value", "type", "format", "range", "missing", "extra", "length", "order", "identity"})
"""Kinds that both values show; of what concerns a whole answer otherwise it has to be said what was the matter."""

Grouped = dict[str, dict[str, list[dict[str, Any]]]]


@click.command("diff")
@click.argument("run", metavar="[ID]", required=False)
@click.option(
    "--class", "classes", multiple=True, type=click.Choice([one.value for one in DifferenceClass]),
    help="Only differences of this class; may be repeated.",
)  # fmt: skip
@click.option("--tool", "wanted", multiple=True, help="Only differences of this tool; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@state_dir_option
def command(
    *, run: str | None, classes: tuple[str, ...], wanted: tuple[str, ...], as_json: bool, state_dir: Path | None
) -> None:
    """Show the differences that the rehearsal ID found (the newest one by default), by tool and class.

    Values are shown as the report has them, without secrets. `switchover shadow explain ID NUMBER` says more of one.
    """
    found = load(state_dir, run)
    known = tools(found)
    if unknown := [tool for tool in wanted if tool not in known]:
        raise click.UsageError(f"the rehearsal called no tool {unknown[0]!r}; it called: {', '.join(known)}")
    groups = grouped(found["differences"], classes, wanted)
    if as_json:
        told = {name: found.get(name) for name in ("id", "count", "compared", "classes")}
        click.echo(json.dumps({**told, "tools": groups}, indent=2, ensure_ascii=False))
        return
    for line in lines(found, groups, colour=has_colours(sys.stdout)):
        show(line)


def grouped(differences: list[dict[str, Any]], classes: tuple[str, ...] = (), wanted: tuple[str, ...] = ()) -> Grouped:
    """Return differences by tool and class; without classes or tools to choose, all of them."""
    groups: Grouped = {}
    for one in sorted(differences, key=lambda one: ORDER.index(one["class"])):
        if (not classes or one["class"] in classes) and (not wanted or one["tool"] in wanted):
            groups.setdefault(one["tool"], {}).setdefault(one["class"], []).append(one)
    return groups


def lines(found: dict[str, Any], groups: Grouped, *, colour: bool) -> Iterator[str]:
    """Yield what is shown."""
    yield f"rehearsal {found['id']}: {_counted(found)}"
    if found["differences"] and not groups:
        yield "none of them is of that class and tool"
    for tool, by_class in groups.items():
        yield ""
        yield paint(tool, BOLD, colour=colour)
        for name, differences in by_class.items():
            yield f"  {paint(name, STYLES.get(name, DIM), colour=colour)}"
            for one in differences:
                yield from _one(one, colour=colour)
    yield from _besides(found, colour=colour)


def _counted(found: dict[str, Any]) -> str:
    counts = found.get("classes") or {}
    named = ", ".join(f"{counts[name]} {name}" for name in ORDER if counts.get(name))
    return f"{counted(found.get('compared') or 0, 'answer')} compared to the end; {named or 'no difference'}"


def _one(one: dict[str, Any], *, colour: bool) -> Iterator[str]:
    number = f"#{one['number']}" if "number" in one else "-"
    case = "" if one["case"] == one["tool"] else f", call {one['case']!r}"
    places = f", at {one['places']} places" if one.get("places", 1) > 1 else ""
    how = paint(f"{one['kind']}, in {often(one)} pairs{places}{case}", DIM, colour=colour)
    yield f"    {number:<4} {one['path']}  {how}"
    if why := _why(one):
        yield f"         {why}"
    for name, whose in (("control", "control"), ("rehearsal", other(one))):
        if one.get(name) or one.get("control"):
            yield f"         {whose + ':':<11}{one.get(name) or '(nothing)'}"


def _why(one: dict[str, Any]) -> str:
    """Return what is to be known of a difference whose values do not show it: how a call ended, what was expected."""
    if one.get("pairs") and (one["kind"] in VALUED or one["path"] != "$"):
        return ""
    return one.get("rule") or str(one["message"]).splitlines()[0]


def _besides(found: dict[str, Any], *, colour: bool) -> Iterator[str]:
    """Yield what is no difference and should be known all the same."""
    told = []
    attempts = {f"{one['call']} {one['target']}" for made in found.get("attempts", {}).values() for one in made}
    if attempts:
        told.append(f"stopped: {', '.join(sorted(attempts)[:MANY])}{_more(len(attempts))}")
    told += [f"the old code breaks on what the new code wrote: {one}" for one in found["state"]["broken"]]
    told += [f"note: {one}" for one in found.get("notes", [])]
    left_out = found.get("suite", {}).get("left_out") or []
    told += [f"not called: {one['tool']}, {one['reason']}" for one in left_out]
    if told:
        yield ""
        yield from (paint(one, YELLOW, colour=colour) for one in told)


def _more(count: int) -> str:
    return f" and {count - MANY} more" if count > MANY else ""
