"""`switchover simulate PLAN --samples FILE`: what a plan would have done with recorded calls, without a daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from orchestrator.cli.errors import FailedError
from orchestrator.cli.flags.ask import pairs
from orchestrator.cli.lint import flags_option, plan_file, registry_of
from orchestrator.cli.terminal import GREEN, RED, YELLOW, has_colours, paint, safe
from orchestrator.domain.evidence.sample_lines import SampleLineError, decoded
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.times import min_stable
from orchestrator.simulating import (
    Ending,
    Options,
    Recording,
    RecordingError,
    SubjectError,
    Subjects,
    Told,
    recording_of,
    simulate,
    subjects_of,
)
from orchestrator.simulating.telling import look_lines, moment

UNDECIDED: Final = 4
"""Exit status where somebody, or data, would be waited for."""

LINE_BYTES: Final = 1 << 20
"""Longest line of a recording: a pair of calls with all that two workers may report takes a hundredth of it."""

STATUS: Final = {Ending.DONE: 0, Ending.ROLLED_BACK: 1}
STYLES: Final = {Ending.DONE: GREEN, Ending.ROLLED_BACK: RED}


@click.command("simulate")
@click.argument("plan")
@click.option(
    "--samples",
    "file",
    type=click.File("rb"),
    required=True,
    help="Recorded calls: what `switchover samples export` wrote; - for stdin.",
)
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Instead of the plan's.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which keys go where.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Calls a minute; by itself as recorded.")
@click.option("--old", type=int, help="Recorded generation that stands for the old version.")
@click.option("--new", type=int, help="Recorded generation that stands for the new version.")
@click.option(
    "--attribute",
    "words",
    multiple=True,
    metavar="NAME=INSTANT",
    help="What calls say where a step takes only new keys: an instant with its offset, or first-call, that of a key's "
    "first call. May be repeated.",
)
@click.option(
    "--always",
    type=click.FloatRange(0, 100),
    default=0.0,
    metavar="PERCENT",
    help="How many of the keys a step names as always on the canary.",
)
@click.option("--stop-at-holds", is_flag=True, help="End where somebody has to agree, instead of agreeing at once.")
@flags_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(
    *,
    plan: str,
    file: BinaryIO,
    alpha: float | None,
    seed: int,
    rate: float | None,
    old: int | None,
    new: int | None,
    words: tuple[str, ...],
    always: float,
    stop_at_holds: bool,
    flags: Path | None,
    as_json: bool,
) -> None:
    """Carry PLAN out over recorded calls, and say what would have happened, when and why.

    PLAN is the name of a plan that comes with the daemon (see `switchover plans`), or a file.

    A recording does not say who somebody is. Where a plan has new keys alone be taken, or names some, --attribute and
    --always say it: `switchover simulate engine --samples FILE --attribute created=first-call --always 5`.

    Exit status: 0 it would be done, 1 it would be rolled back, or could not be simulated, 2 usage, 4 it would wait for
    a person or for data.
    """
    resolved = _resolved(plan_file(plan).plan, alpha, flags)
    subjects = _subjects(resolved, words, always)
    recording = _recording(file, old, new)
    speed = rate / 60 / recording.per_second if rate is not None and recording.calls else 1.0
    told = simulate(resolved, recording, Options(seed, speed, stop_at_holds, subjects))
    if as_json:
        click.echo(json.dumps(_document(told), indent=2))
    else:
        _print(told)
    sys.exit(STATUS.get(told.ending, UNDECIDED))


def _resolved(plan: Plan, alpha: float | None, flags: Path | None) -> Plan:
    """Return the plan with each flag's `min_stable`, as the daemon would take it."""
    registry = registry_of(flags)
    stages = tuple(replace(stage, min_stable=min_stable(stage, registry)) for stage in plan.flags)
    judge = plan.judge if alpha is None else replace(plan.judge, alpha=alpha)
    return replace(plan, flags=stages, judge=judge)


def _recording(file: BinaryIO, old: int | None, new: int | None) -> Recording:
    try:
        return recording_of(decoded(_lines(file)), old, new)
    except SampleLineError as error:
        raise FailedError(f"{file.name}: {error}") from error
    except RecordingError as error:
        raise FailedError(str(error)) from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines; one that no export has, such as a device's that never ends, is not waited for."""
    for number in count(1):
        line = file.readline(LINE_BYTES)
        if not line:
            return
        if len(line) == LINE_BYTES:
            raise FailedError(f"{file.name}: line {number}: is longer than any sample; export the samples again")
        yield line


def _subjects(plan: Plan, words: tuple[str, ...], always: float) -> Subjects:
    try:
        return subjects_of(plan, pairs(words, "--attribute"), always / 100)
    except SubjectError as error:
        raise FailedError(str(error)) from error


def _print(told: Told) -> None:
    colour = has_colours(sys.stdout)
    width = max(len(moment(line.at)) for line in told.lines)
    for line in told.lines:
        click.echo(f"{moment(line.at):<{width}}  {safe(line.words)}", color=colour)
        for said in look_lines(line.look) if line.look is not None else ():
            click.echo(f"{'':<{width}}    {safe(said)}")
    click.echo("")
    click.echo("taken for granted:")
    for sentence in told.assumed:
        click.echo(f"  - {safe(sentence)}")
    click.echo("")
    ending = told.ending.value.replace("_", " ")
    style = STYLES.get(told.ending, YELLOW)
    words = f"it would be {ending}" if told.ending is not Ending.WAITING else "it would wait for data"
    click.echo(
        f"{told.plan}: {paint(words, style, colour=colour)} at {moment(told.lasted)}, "
        f"{told.calls:,} calls: {safe(told.why)}",
        color=colour,
    )


def _document(told: Told) -> dict[str, Any]:
    """Return a simulation as JSON; times are seconds after the beginning."""
    lines = [
        {"at": round(line.at, 3), "words": line.words, "look": msgspec.to_builtins(line.look)} for line in told.lines
    ]
    return {
        "plan": told.plan,
        "ending": told.ending.value,
        "lasted": round(told.lasted, 3),
        "why": told.why,
        "metric": told.metric,
        "calls": told.calls,
        "timeline": lines,
        "assumed": list(told.assumed),
    }
