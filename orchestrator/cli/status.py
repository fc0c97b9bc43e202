"""`switchover status`: lanes, generations, calls, the rollout; once or live."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, TypeVar

import click
from pydantic import BaseModel, ValidationError

from orchestrator.api.models import Status
from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.status_view import is_serving, view
from orchestrator.cli.terminal import has_colours, is_terminal
from orchestrator.settings import Paths

TIMEOUT: Final = 10.0
"""Seconds the daemon may take over its status; a healthy one takes milliseconds."""
INTERVAL: Final = 0.5
"""Seconds between two looks."""
NOT_TOLD: Final = object()
"""In place of a rollout of which an answer says nothing, which is another thing than that there is none."""

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Alternate screen, cursor hidden, lines cut at the edge instead of wrapped."""
LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
REST_OF_LINE: Final = "\x1b[K"
REST_OF_SCREEN: Final = "\x1b[J"

Shape = TypeVar("Shape", bound=BaseModel)


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it live, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print what the control API says.")
@state_dir_option
def command(*, watch: bool, as_json: bool, state_dir: Path | None) -> None:
    """Show lanes, generations, calls, the last switch, and the rollout under way or the last one.

    Of the rollout: where it is, set and actual weight, the evidence of each limit, time left, flags, what happened.

    Exit status: 0 the active generation is ready, 1 it is not, 3 no daemon answers.
    """
    paths = paths_of(state_dir)
    if watch:
        look_again(paths, as_json=as_json)
        return
    answer = look(paths)
    status = understood(answer)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo("\n".join(shown(answer, colour=has_colours(sys.stdout))))
    sys.exit(0 if is_serving(status) else 1)


def look(paths: Paths) -> dict[str, Any]:
    """Ask the daemon how things stand; `rollouts` is what it says of rollouts.

    Raises:
        UnreachableError: no daemon answers.
    """
    answer = ask(paths, "GET", "/v1/status", timeout=TIMEOUT)
    return {**answer, "rollouts": ask(paths, "GET", "/v1/rollout", timeout=TIMEOUT)}


def shown(answer: dict[str, Any], *, colour: bool, width: int | None = None) -> list[str]:
    """Return the status and the rollout as lines."""
    lines = view(understood(answer), time.time(), colour=colour, width=width)
    if answer["rollouts"].get("rollout", NOT_TOLD) is None:
        return lines
    from orchestrator.api.rollouts.shown import RolloutNow  # noqa: PLC0415 - half of this verb's time, for a rollout alone
    from orchestrator.cli.rollout_view import lines as rollout_lines  # noqa: PLC0415 - likewise

    rollout = rollout_lines(told(RolloutNow, answer["rollouts"]), colour=colour, width=width)
    return [*lines, "", *rollout] if rollout else lines


def understood(answer: dict[str, Any]) -> Status:
    """Return an answer of the control API as what it means.

    Raises:
        FailedError: it is of another shape.
    """
    return told(Status, answer)


def told(shape: type[Shape], answer: dict[str, Any]) -> Shape:
    """Return an answer as a value of its shape.

    Raises:
        FailedError: it is of another one.
    """
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        raise FailedError(
            f"the daemon's status is not what this command knows; is the daemon of another version? {error}"
        ) from error


def look_again(paths: Paths, *, as_json: bool) -> None:
    """Show the status again and again until Ctrl-C; a daemon that is restarted meanwhile is waited for.

    Raises:
        UnreachableError: no daemon answers the first look.
    """
    try:
        look(paths)
        if as_json:
            _repeat(lambda: click.echo(_as_line(paths)))
        elif is_terminal(sys.stdout):
            with _screen():
                _repeat(lambda: _redraw(_lines(paths, shutil.get_terminal_size().columns)))
        else:
            _repeat(lambda: click.echo("\n".join([*_lines(paths), ""])))
    except KeyboardInterrupt:
        return


def _repeat(show: Callable[[], None]) -> None:
    while True:
        show()
        time.sleep(INTERVAL)


def _lines(paths: Paths, width: int | None = None) -> list[str]:
    try:
        return shown(look(paths), colour=has_colours(sys.stdout), width=width)
    except UnreachableError as error:
        return [*(wrap(error.message, width) if width else [error.message]), "looking again"]


def _as_line(paths: Paths) -> str:
    try:
        return json.dumps(look(paths))
    except UnreachableError as error:
        return json.dumps({"unreachable": error.message})


def _redraw(lines: list[str]) -> None:
    """Write a whole picture over the last one in one go, so that nothing flickers."""
    height = shutil.get_terminal_size().lines
    shown = (f"{line}{REST_OF_LINE}" for line in lines[:height])
    click.echo(HOME + "\r\n".join(shown) + REST_OF_SCREEN, nl=False)


@contextmanager
def _screen() -> Iterator[None]:
    """Have the terminal for ourselves and give it back as it was, also when we are told to end."""

    def told_to_end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, told_to_end)
    click.echo(ENTER, nl=False)
    try:
        yield
    finally:
        click.echo(LEAVE, nl=False)
        signal.signal(signal.SIGTERM, before)
