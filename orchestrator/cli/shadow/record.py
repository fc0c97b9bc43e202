"""`switchover shadow record -o SUITE`: a suite made of the calls that clients make meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.terminal import show
from orchestrator.domain.words import counted
from orchestrator.rehearsal.recorded import LeftOut, RecordedCall, as_json, as_toml
from orchestrator.rehearsal.suite import JSON, MOST_CALLS
from orchestrator.settings import Paths

LOOK_EVERY: Final = 0.3
"""Seconds between two looks at how far it is."""
LONGEST: Final = 86_400.0
PLACE: Final = "/v1/shadow/record"


@click.command("record")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The suite to write (.toml, .json)."
)
@click.option(
    "--calls", type=click.IntRange(1, MOST_CALLS), default=100, show_default=True, help="Different calls, at most."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, LONGEST), default=60.0, show_default=True, help="Seconds, at most."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--stop", is_flag=True, help="End the recording that runs; the shell that began it writes its suite, or -o here."
)
@state_dir_option
def command(
    *, output: Path | None, calls: int, seconds: float, force: bool, stop: bool, state_dir: Path | None
) -> None:
    """Record the live calls of tools that only read (readOnlyHint), each once, as a suite.

    It ends with --calls different calls, after --seconds, or with Ctrl-C. Calls whose arguments hold what looks secret
    or personal are left out. The suite is for: switchover upgrade --rehearse --suite SUITE -- COMMAND
    """
    if output is None and not stop:
        raise click.UsageError("name the file to write: switchover shadow record -o suite.toml")
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} is there already; --force writes over it")
    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no directory {output.absolute().parent}")
    paths = paths_of(state_dir)
    if not stop:
        ask(paths, "POST", PLACE, {"calls": calls, "seconds": seconds})
        click.echo(
            f"[shadow] recording for {seconds:g} s or until {counted(calls, 'different call')}; Ctrl-C ends it",
            err=True,
        )
        _wait(paths)
    recorded = ask(paths, "POST", f"{PLACE}/stop", {"leave": output is None})
    if output is not None:
        _write(output, recorded, over=force)
        return
    click.echo(
        f"[shadow] ended, with {counted(recorded['distinct'], 'different call')} of {recorded['seen']:,}; the shell "
        "that began it writes the suite, and where none does: switchover shadow record --stop -o SUITE"
    )


def _wait(paths: Paths) -> None:
    """Wait for the end, or for Ctrl-C.

    Raises:
        FailedError: another shell ended it and took what was recorded.
    """
    pause = threading.Event()
    try:
        while ask(paths, "GET", PLACE)["running"]:
            pause.wait(LOOK_EVERY)
    except KeyboardInterrupt:
        click.echo("[shadow] ended", err=True)
    except UnreachableError:
        raise
    except FailedError as error:
        raise FailedError(f"another shell ended this recording and wrote its suite itself ({error})") from error


def _write(output: Path, recorded: dict[str, Any], *, over: bool) -> None:
    """Write the suite and say what is in it and what is not."""
    calls = [RecordedCall(**one) for one in recorded["calls"]]
    left_out = [LeftOut(**one) for one in recorded["left_out"]]
    if output.suffix == JSON:
        text, kept = as_json(calls), len(calls)
    else:
        text, without = as_toml(calls)
        left_out += without
        kept = text.count("\n[[call]]")
    _say(left_out)
    seen, passed = recorded["seen"], recorded["passed"]
    if not kept:
        raise FailedError(
            f"nothing to write: {counted(seen, 'call')} of tools that only read, {passed} of others; "
            "record longer, while clients are at work"
        )
    _save(output, text, over=over)
    told = f"{counted(kept, 'different call')} of {seen:,}; {counted(passed, 'call')} of tools that do not only read"
    click.echo(f"[shadow] {output}: {told}")


def _save(output: Path, text: str, *, over: bool) -> None:
    """Write the suite; where that is no longer possible it is printed, for nobody makes these calls again.

    Raises:
        FailedError: it cannot be written.
    """
    try:
        with output.open("w" if over else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        click.echo(text, nl=False)
        raise FailedError(f"{output} cannot be written ({error.strerror}); the suite stands above") from error


def _say(left_out: Sequence[LeftOut]) -> None:
    for one in left_out:
        show(f"[shadow] left out: {one.tool} ({one.times}), {one.reason}", err=True)
