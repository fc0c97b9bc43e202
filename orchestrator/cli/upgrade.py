"""`switchover upgrade --rehearse -- COMMAND`: find out about a new version before anybody is served by it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.canary import program, variable
from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.group import reason_option, state_dir_option
from orchestrator.cli.terminal import GREEN, RED, YELLOW, has_colours, paint, show
from orchestrator.domain.rehearsal import Options
from orchestrator.settings import Paths

LOOK_EVERY: Final = 0.3
"""Seconds between two looks at the progress."""
STYLES: Final = {"ok": GREEN, "warning": YELLOW, "failed": RED}
WIDTH: Final = 10
"""Columns for a step's name."""


@click.command("upgrade")
@click.option("--rehearse", is_flag=True, help="Rehearse COMMAND: preflight, copy, build, test, shadow run, summary.")
@click.option("--allow-dirty", is_flag=True, help="Go on with changes that are not committed.")
@click.option("--skip-build", is_flag=True, help="Do not build.")
@click.option("--skip-tests", is_flag=True, help="Do not run the tests.")
@click.option("--keep-copy", is_flag=True, help="Leave copy and snapshots where they are.")
@click.option("--nightly", is_flag=True, help="Exit with 0 when there are only warnings; fail on build and test.")
@click.option("--id", "run", help="Name of the run; the time by default.")
@click.option(
    "--suite", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File with the calls (TOML)."
)
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Variable for the worker; may be repeated.")
@click.option("--cwd", type=click.Path(path_type=Path, file_okay=False), help="Working directory; here by default.")
@click.option("--source", type=click.Path(path_type=Path, file_okay=False), help="Directory of the new code.")
@click.option(
    "--old", metavar="'COMMAND...'", help="Rehearse without a daemon, beside this command as the old version."
)
@click.option("--old-cwd", type=click.Path(path_type=Path, file_okay=False), help="Its working directory.")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file, where there is no daemon."
)
@click.option("--follow", metavar="ID", help="Show the progress of a run that was begun before.")
@click.option("--cancel", is_flag=True, help="End the run under way.")
@reason_option
@state_dir_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(
    *,
    rehearse: bool,
    run: str | None,
    suite: Path | None,
    env: tuple[str, ...],
    cwd: Path | None,
    source: Path | None,
    old: str | None,
    old_cwd: Path | None,
    config: Path | None,
    follow: str | None,
    cancel: bool,
    reason: str,
    state_dir: Path | None,
    words: tuple[str, ...],
    **options: bool,
) -> None:
    """Rehearse COMMAND as the next version, on copies of the code and of the worker's state.

    The daemon runs it: closing the terminal ends nothing, --follow shows the rest, Ctrl-C cancels it. With --old no
    daemon is needed, and this command runs it: --old 'python old.py' -- python new.py

    Exit status: 0 all well, 4 completed with warnings (0 with --nightly), 1 failed or refused.
    """
    paths = paths_of(state_dir)
    if cancel:
        click.echo(ask(paths, "POST", "/v1/upgrade/cancel", {"reason": reason})["message"])
        return
    if follow is not None:
        sys.exit(_follow(paths, follow))
    if not rehearse:
        raise click.UsageError("say --rehearse; to roll a version out use canary, weight and switch")
    if old is None and (old_cwd is not None or config is not None):
        raise click.UsageError("--old-cwd and --config go with --old; a daemon has its own")
    if not words:
        raise click.UsageError("name the new version's command: switchover upgrade --rehearse -- COMMAND...")
    named: dict[str, Any] = {
        "command": (program(words[0]), *words[1:]),
        "cwd": (cwd or Path()).absolute(),
        "env": dict(variable(text) for text in env),
        "source": None if source is None else source.absolute(),
        "suite": None if suite is None else suite.absolute(),
        "id": run,
    }
    if old is not None:
        sys.exit(_without_daemon(paths, config, (old, old_cwd or Path()), named, Options(**options)))
    told = {name: str(value) if isinstance(value, Path) else value for name, value in named.items()}
    begun = ask(paths, "POST", "/v1/upgrade", {**told, "reason": reason, **options})["id"]
    click.echo(f"[upgrade] rehearsal {begun}; artifacts in {paths.state_dir / 'upgrades' / begun}")
    sys.exit(_until_over(paths, begun))


def _without_daemon(
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
    try:
        return _follow(paths, run)
    except KeyboardInterrupt:
        click.echo("[upgrade] cancelling; what was copied is being removed", err=True)
        ask(paths, "POST", "/v1/upgrade/cancel", {"reason": "Ctrl-C"})
        _follow(paths, run)
        return 1


def _follow(paths: Paths, run: str) -> int:
    """Print a run's progress until it is over; return its exit status."""
    after, pause = 0, threading.Event()
    while True:
        answer = ask(paths, "GET", f"/v1/upgrade/{run}?after={after}")
        for event in answer["events"]:
            after = max(after, int(event["n"]))
            _print(event)
        if not answer["running"]:
            return int(answer["exit_code"] if answer["exit_code"] is not None else 1)
        pause.wait(LOOK_EVERY)


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
