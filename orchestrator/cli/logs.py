"""`switchover logs`: the daemon's log for people, also while it is written."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, Final

import click

from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.log_files import Follower, last_lines, open_parts, seek_end
from orchestrator.cli.terminal import has_colours
from orchestrator.settings import Paths
from orchestrator.telemetry.render import LEVELS, at_least, parse, render

LINES: Final = 50
"""Lines shown of what there is."""
TIMEOUT: Final = 2.0
"""Seconds the daemon has to say where its log is; where it should be is known without it."""
INTERVAL: Final = 0.25
"""Seconds between two looks at a log that is followed."""


@click.command("logs")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option("--level", type=click.Choice(list(LEVELS)), default="debug", help="Least level shown.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are, JSON.")
@click.option(
    "-n", "--lines", "count", type=click.IntRange(min=0), default=LINES, show_default=True, help="Last lines shown."
)
@state_dir_option
def command(*, following: bool, level: str, as_json: bool, count: int, state_dir: Path | None) -> None:
    """Show the daemon's log, readable; also that of a daemon that has ended."""
    path = log_file(paths_of(state_dir))

    def wanted(line: bytes) -> bool:
        record = parse(line)
        return record is None or at_least(record, level)

    def show(lines: Iterable[bytes]) -> None:
        _print(filter(wanted, lines), as_json=as_json)

    try:
        _show(path, count, wanted, show, following=following)
    except KeyboardInterrupt:
        if not following:
            raise


def log_file(paths: Paths) -> Path:
    """Return where the log is: as the daemon says, else where it would be for the same state directory."""
    try:
        return Path(ask(paths, "GET", "/v1/status", timeout=TIMEOUT)["log_file"])
    except (FailedError, KeyError):
        return paths.log_file


def follow(follower: Follower, show: Callable[[Iterable[bytes]], None], wait: Callable[[], bool]) -> None:
    """Show what is added to a log for as long as `wait`, called between two looks, returns True."""
    told = False
    going_on = True
    while going_on:
        show(follower.new_lines())
        if follower.missed and not told:
            click.echo("switchover: the log was rotated faster than it was read; lines may be missing", err=True)
            told = True
        going_on = wait()


def _show(
    path: Path,
    count: int,
    wanted: Callable[[bytes], bool],
    show: Callable[[Iterable[bytes]], None],
    *,
    following: bool,
) -> None:
    with ExitStack() as stack:
        current, *older = files = _opened(path, stack)
        if following:
            seek_end(current)
        else:
            current.seek(0, os.SEEK_END)
        show(last_lines(files, count, wanted))
        for file in older:
            file.close()
        if following:
            follow(stack.enter_context(Follower(path, current)), show, _wait)


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """Open all there is of the log, newest first, at least one file."""
    try:
        files, _ = open_parts(path, stack)
    except OSError as error:
        raise FailedError(f"the log {path} cannot be read: {error.strerror}") from error
    if not files:
        raise FailedError(
            f"there is no log at {path}: no daemon has run there yet, or its configuration has log.file = false"
        )
    return files


def _print(lines: Iterable[bytes], *, as_json: bool) -> None:
    if as_json:
        shown = b"".join(lines)
    else:
        colour = has_colours(sys.stdout)
        encoding = sys.stdout.encoding or "utf-8"
        shown = b"".join(f"{render(line, colour=colour)}\n".encode(encoding, "backslashreplace") for line in lines)
    if shown:
        click.echo(shown, nl=False)


def _wait() -> bool:
    """Wait for a moment; return False when whoever read our output is gone."""
    poll = select.poll()
    with suppress(UnsupportedOperation, ValueError):  # not a real stream
        poll.register(sys.stdout.fileno(), 0)
    return not poll.poll(INTERVAL * 1000)
