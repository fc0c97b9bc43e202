"""How flags are shown: values as people type them, times, changes, and who has not acknowledged.

Above: the verbs of `flags`.  Below: `cli.terminal` for columns and colours.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from orchestrator.api.flags.models import AppliedShown, ChangedShown, DifferenceShown, FlagShown, RememberedShown
from orchestrator.cli.status_view import NONE, duration
from orchestrator.cli.terminal import RED, YELLOW, Cell, columns, has_colours, heading
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD, DIM, printable

LONGEST: Final = 48
"""Characters of a value in a table; `--json` has it whole."""


def text(value: Any) -> str:
    """Return a value as it would be typed: text without quotes, everything else as JSON."""
    if value is None:
        return NONE
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def short(value: Any) -> str:
    """Return a value for a table's cell."""
    told = text(value) or '""'
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def ago(at: float | None, now: float) -> str:
    """Return how long ago something was."""
    return NONE if at is None else f"{duration(max(0.0, now - at))} ago"


def table(rows: Sequence[Sequence[Cell]], *names: str) -> None:
    """Print rows under a heading."""
    for line in columns([heading(*names), *rows], colour=has_colours(sys.stdout)):
        click.echo(line)


def flag_row(flag: FlagShown, now: float) -> list[Cell]:
    """Return one flag's row of `flags list`."""
    beside = flag.value != flag.safe
    return [
        Cell(printable(flag.key), BOLD),
        Cell(short(flag.value), YELLOW if beside else ""),
        Cell(short(flag.safe)),
        Cell(flag.type or NONE),
        Cell(", ".join(sorted(flag.targeting)) if flag.targeting else NONE),
        Cell(ago(flag.changed_at, now)),
        Cell(ago(flag.read_at, now)),
        Cell(note(flag), RED if flag.invalid else DIM),
    ]


def note(flag: FlagShown) -> str:
    """Say in words what is particular about a flag."""
    parts = [f"invalid: {printable(flag.invalid)}"] if flag.invalid else []
    parts += [f"forced to {short(value)} in process {pid}" for pid, value in flag.forced.items()]
    parts += ["kill switch"] if flag.kill_switch else []
    parts += [f"expires {flag.expires}"] if flag.expires else []
    return "; ".join(parts)


def step(change: DifferenceShown | RememberedShown) -> str:
    """Say from what to what a flag went."""
    parts = [] if change.before == change.after else [f"{short(change.before)} -> {short(change.after)}"]
    if change.targeting_before != change.targeting_after:
        parts.append(_targeting(change.targeting_before or {}, change.targeting_after))
    return ", ".join(parts) or "as it was"


def _targeting(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> str:
    """Say which parts of a targeting changed; `--json` has them whole."""
    if after is None:
        return "targeting removed"
    told = [
        _part(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    return f"targeting changed: {', '.join(told)}" if told else "targeting changed"


def _part(name: str, before: Any, after: Any) -> str:
    if name == "percentage":
        return f"percentage {_percent(before)} -> {_percent(after)}"
    return f"{printable(name)} {'added' if before is None else 'removed' if after is None else 'changed'}"


def _percent(given: Any) -> str:
    return f"{given.get('percent')} % {short(given.get('value'))}" if isinstance(given, dict) else NONE


def remembered_row(change: RememberedShown) -> list[Cell]:
    """Return one change's row of `flags history`."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(change.at))
    cause = "" if change.cause == "person" else change.cause
    why = "; ".join(filter(None, (printable(change.reason), cause)))
    return [
        Cell(moment, DIM),
        Cell(str(change.version)),
        Cell(printable(change.key), BOLD),
        Cell(step(change)),
        Cell(printable(change.actor)),
        Cell(why or NONE),
    ]


def told(changed: ChangedShown) -> bool:
    """Print a change, and who has not acknowledged it; return whether all have who were waited for."""
    for change in changed.changes:
        click.echo(f"{printable(change.key)}: {step(change)}")
    click.echo(changed.message)
    return changed.applied is None or acknowledged(changed.applied)


def acknowledged(applied: AppliedShown) -> bool:
    """Say who has applied a version; name those that have not, on stderr."""
    done = len(applied.readers) - len(applied.late)
    click.echo(f"version {applied.version} is applied by {counted(done, 'process', 'processes')}")
    for reader in applied.late:
        click.echo(f"not yet: process {reader.pid} of {_whose(reader.generation)}, at {reader.applied}", err=True)
    for worker in applied.silent:
        click.echo(f"silent: process {worker.pid} of {_whose(worker.generation)} never said it reads flags", err=True)
    return not applied.late and not applied.silent


def _whose(generation: int) -> str:
    return f"generation {generation}" if generation else "no generation"
