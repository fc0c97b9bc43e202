"""A rehearsal on the command line: begun, followed by its progress, cancelled by Ctrl-C.

Above: the verb `upgrade`.  Below: `control`; without a daemon `alone`.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.control import ask
from orchestrator.cli.errors import UnreachableError
from orchestrator.cli.terminal import GREEN, RED, YELLOW, has_colours, paint, show
from orchestrator.domain.rehearsal import Options
from orchestrator.settings import Paths

LOOK_EVERY: Final = 0.3
"""Seconds between two looks at the progress."""
STYLES: Final = {"ok": GREEN, "warning": YELLOW, "failed": RED}
INTERRUPTED: Final = 130
"""Exit status of who was ended by Ctrl-C (128 + SIGINT) and leaves a run alone."""
WIDTH: Final = 10
"""Columns for a step's name."""


def rehearse(paths: Paths, named: dict[str, Any], reason: str, options: dict[str, bool]) -> int:
    """Have the daemon rehearse, and follow that; return the exit status."""
    told = {name: str(value) if isinstance(value, Path) else value for name, value in named.items()}
    begun: Future[str] = Future()
    try:
        _begin(paths, {**told, "reason": reason, **options}, begun)
        run = _named(begun)
    except KeyboardInterrupt:
        return _interrupted(paths, begun)
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}; or rehearse without one, beside an old version: --old 'COMMAND...'"
        ) from error
    return _until_over(paths, run)


def _begin(paths: Paths, body: dict[str, Any], begun: Future[str]) -> None:
    """Ask for a run beside the main thread, so that Ctrl-C does not take the answer along: it names the run."""

    def asking() -> None:
        try:
            begun.set_result(ask(paths, "POST", "/v1/upgrade", body)["id"])
        except BaseException as error:  # noqa: BLE001 - it is raised again by who waits for it
            begun.set_exception(error)

    threading.Thread(target=asking, daemon=True).start()


def _named(begun: Future[str]) -> str:
    """Wait for the run's name, a moment at a time: a Ctrl-C that comes just before a wait begins is heard after it."""
    while not begun.done():
        wait([begun], LOOK_EVERY)
    return begun.result()


def _interrupted(paths: Paths, begun: Future[str]) -> int:
    """Cancel a run that was asked for as soon as it has begun; a second Ctrl-C leaves it alone, and says so."""
    click.echo("[upgrade] cancelling as soon as the rehearsal has begun; Ctrl-C again leaves it alone", err=True)
    try:
        run = _named(begun)
    except KeyboardInterrupt:
        click.echo(
            "[upgrade] the rehearsal goes on once it has begun; end it with: switchover upgrade --cancel", err=True
        )
        return INTERRUPTED
    _announce(paths, run)
    return _cancelled(paths, run, _Shown())


def _announce(paths: Paths, run: str) -> None:
    click.echo(f"[upgrade] rehearsal {run}; artifacts in {paths.state_dir / 'upgrades' / run}")


def without_daemon(
    paths: Paths, config: Path | None, old: tuple[str, Path], named: dict[str, Any], options: Options
) -> int:
    """Rehearse here; return the exit status."""
    from orchestrator.cli import alone  # noqa: PLC0415 - it brings the harness's libraries, which asking a daemon needs not

    wanted = alone.Wanted(
        old=old[0],
        old_cwd=old[1],
        new=named["command"],
        cwd=named["cwd"],
        env=named["env"],
        source=named["source"],
        suite=named["suite"],
        run=named["id"],
        options=options,
    )
    return alone.rehearse(wanted, paths, config, _print)


def _until_over(paths: Paths, run: str) -> int:
    """Follow a run that was just begun; Ctrl-C cancels it, a second one leaves it alone."""
    shown = _Shown()
    try:
        _announce(paths, run)
        return follow(paths, run, shown)
    except KeyboardInterrupt:
        return _cancelled(paths, run, shown)


def _cancelled(paths: Paths, run: str, shown: _Shown) -> int:
    """End a run and follow it until it has cleared up; return the exit status."""
    click.echo("[upgrade] cancelling; what was copied is being removed", err=True)
    ask(paths, "POST", "/v1/upgrade/cancel", {"reason": "Ctrl-C"})
    follow(paths, run, shown)
    return 1


@dataclass(slots=True)
class _Shown:
    """How far a run's progress was printed: the number of the newest event."""

    after: int = 0


def follow(paths: Paths, run: str, shown: _Shown | None = None) -> int:
    """Print a run's progress until it is over, what was not printed yet; return its exit status."""
    shown, pause = shown or _Shown(), threading.Event()
    while True:
        answer = _look(paths, run, shown)
        if not answer["running"]:
            return int(answer["exit_code"] if answer["exit_code"] is not None else 1)
        pause.wait(LOOK_EVERY)


def progress(paths: Paths, run: str, after: int) -> tuple[int, dict[str, Any]]:
    """Print what happened in a run since an event; return the newest event's number and the whole answer."""
    shown = _Shown(after)
    answer = _look(paths, run, shown)
    return shown.after, answer


def _look(paths: Paths, run: str, shown: _Shown) -> dict[str, Any]:
    """Print what happened since; each event counts as printed before it is, so that Ctrl-C in between repeats none."""
    answer = ask(paths, "GET", f"/v1/upgrade/{run}?after={shown.after}")
    for event in answer["events"]:
        shown.after = max(shown.after, int(event["n"]))
        _print(event)
    return answer


def _print(event: dict[str, Any]) -> None:
    """Print one event: the last line as it is, a step's result with its status, what goes on while it runs."""
    if event.get("end"):
        show(str(event["message"]))
        return
    status, message = str(event.get("status", "")), str(event.get("message", ""))
    if status == "running":
        if message:
            show(f"  {event.get('step', ''):<{WIDTH}} ... {message}")
        return
    shown = paint(status, STYLES.get(status, ""), colour=has_colours(sys.stdout))
    show(f"  {event.get('step', ''):<{WIDTH}} {shown}: {message}")
